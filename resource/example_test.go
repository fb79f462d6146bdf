package resource_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/store"
)

// Two segments fill a resource in the wrong order.
func Example() {
	s, err := store.Open("data", &store.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	srv := httptest.NewServer(&resource.Handler{Store: resource.FromStore(s)})
	defer srv.Close()

	do := func(method, contentRange, content string) {
		req, err := http.NewRequest(method, srv.URL+"/greeting", strings.NewReader(content))
		if err != nil {
			log.Fatal(err)
		}
		if contentRange != "" {
			req.Header.Set("Content-Range", contentRange)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %d %s%s%s\n", method, res.StatusCode, res.Header.Get("Upload-Complete"), res.Header.Get("Upload-Received"), body)
	}
	do("PUT", "bytes 6-10/11", "world")
	do("HEAD", "", "")
	do("PUT", "bytes 0-5/11", "hello ")
	do("GET", "", "")
	// Output:
	// PUT 201 ?0(6 11)
	// HEAD 200 ?0(6 11)
	// PUT 204 ?1
	// GET 200 hello world
}
