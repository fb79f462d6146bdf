package resource

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Requests whose content means nothing are answered before it comes, and it is not waited for without end: a client that
// never sends it holds no snapshot, and no connection for longer than it takes to drain one.
func TestContentThatMeansNothing(t *testing.T) {
	w := newWorld(t)
	w.do(step{req: "PUT /a", body: "0123456789"})
	for _, head := range []string{
		"GET /a", "HEAD /a", "OPTIONS /a", "OPTIONS *", "GET /", "GET /.well-known/infill/ranges/a", "GET /nothing",
		"COPY /a\nDestination: /b", "MOVE /b\nDestination: /c", "DELETE /c", "BREW /a",
	} {
		line, fields, _ := strings.Cut(head+"\n", "\n")
		method, _, _ := strings.Cut(line, " ")
		for _, length := range []string{"Content-Length: 10", "Content-Length: 1000000", "Transfer-Encoding: chunked"} {
			c := w.dial()
			if err := c.SetReadDeadline(time.Now().Add(10 * drainIdle)); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("%s HTTP/1.1\nHost: x\n%s%s\n\n", line, fields, length)
			if _, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if res.StatusCode >= 500 {
				t.Errorf("%q: %s", text, res.Status)
			}
			c.Close()
			w.meter.gone(c)
		}
	}

	// With all of it the connection goes on, and what follows is the next request.
	c := w.dial()
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprintf(c, "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\nDELETE /a HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 200 || res.Close {
			t.Fatal(res, err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "0123456789" {
			t.Fatalf("%q, %v", b, err)
		}
	}
}
