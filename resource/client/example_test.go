package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/resource/client"
	"github.com/infill-http/infill/store"
)

// serve returns the URL of a server, and a function that ends it.
func serve() (url string, end func()) {
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open("data", &store.Options{FS: vfs.NewMem(), Logger: quiet})
	if err != nil {
		log.Fatal(err)
	}
	srv := httptest.NewServer(&resource.Handler{Store: resource.FromStore(s), Logger: quiet})
	return srv.URL, func() {
		srv.Close()
		s.Close()
	}
}

// A file is uploaded, and downloaded again. If one of the calls is interrupted, the same call goes on.
func Example() {
	url, end := serve()
	defer end()
	ctx := context.Background()
	var c client.Client

	text := "some large file"
	if _, err := c.Upload(ctx, url+"/docs/large", strings.NewReader(text), int64(len(text)), nil); err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "large")
	if _, err := c.Download(ctx, url+"/docs/large", path, nil); err != nil {
		log.Fatal(err)
	}
	b, err := os.ReadFile(path)
	fmt.Println(string(b), err)
	// Output: some large file <nil>
}

// A pipe has no length; its end completes the resource.
func ExampleClient_UploadStream() {
	url, end := serve()
	defer end()
	r, w := io.Pipe()
	go func() {
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		w.Close()
	}()
	var c client.Client
	st, err := c.UploadStream(context.Background(), url+"/log", r, &client.StreamOptions{Type: "text/plain"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Complete, st.Length, st.Type)
	// Output: true 21 text/plain
}

// Whoever knows the URL can ask what is there.
func ExampleClient_Status() {
	url, end := serve()
	defer end()
	ctx := context.Background()
	var c client.Client
	st, err := c.Create(ctx, url+"/inbox/", &client.CreateOptions{Length: 1000})
	if err != nil {
		log.Fatal(err)
	}
	st, err = c.Status(ctx, st.URL)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Complete, st.Received.Size(), "of", st.Length)
	// Output: false 0 of 1000
}

// A resource is listed, moved and removed.
func ExampleClient_List() {
	url, end := serve()
	defer end()
	ctx := context.Background()
	var c client.Client
	for _, name := range []string{"a", "b", "c"} {
		if _, err := c.Upload(ctx, url+"/docs/"+name, bytes.NewReader(nil), 0, nil); err != nil {
			log.Fatal(err)
		}
	}
	if err := c.Move(ctx, url+"/docs/a", url+"/docs/z", nil); err != nil {
		log.Fatal(err)
	}
	if err := c.Remove(ctx, url+"/docs/b", nil); err != nil {
		log.Fatal(err)
	}
	for e, err := range c.List(ctx, url+"/docs/") {
		fmt.Println(e.Name, e.Length, err)
	}
	// Output:
	// c 0 <nil>
	// z 0 <nil>
}

// A collection is a directory on this side. The second call asks what has changed.
func ExampleClient_DownloadCollection() {
	url, end := serve()
	defer end()
	ctx := context.Background()
	var c client.Client
	for _, name := range []string{"a", "b/c", "b/d"} {
		if _, err := c.Upload(ctx, url+"/docs/"+name, strings.NewReader(name), int64(len(name)), nil); err != nil {
			log.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := c.DownloadCollection(ctx, url+"/docs/", dir, nil); err != nil {
		log.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "b", "c"))
	fmt.Printf("%s %v\n", content, err)
	// Output: b/c <nil>
}

// An error of a server has its status and, if it sent one, its problem document.
func ExampleError() {
	url, end := serve()
	defer end()
	var c client.Client
	err := c.Remove(context.Background(), url+"/nothing", nil)
	var e *client.Error
	if errors.As(err, &e) && e.Problem != nil {
		fmt.Println(e.Status, e.Problem.Title, "-", e.Problem.Detail)
	}
	fmt.Println(errors.Is(err, client.ErrNotFound), e.Temporary())
	// Output:
	// 404 No such resource - no such resource
	// true false
}
