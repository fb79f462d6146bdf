package resource

import (
	"net/http"
	"testing"
)

// A PUT over another resource is a change like any other: it can be repeated, and its date is no strong validator.
func TestPutOverAnother(t *testing.T) {
	newWorld(t).vectors(t, []vector{
		{"repeated", "C10", []step{
			{req: "PUT X", header: []string{"If-Match: $e1"}, body: "hello", status: 204, save: "e2"},
			put("hello", 204, "", "Etag: $e2").as("If-Match: $e1"),
			put("Hello", 412, "").as("If-Match: $e1"), put("hello", 412, "").as("If-None-Match: *"),
			get("hello", "Etag: $e2")}},
	})
	w := newWorld(t)
	w.c10("/a", "e1")
	w.do(step{req: "PUT /a", body: "9876543210", status: 204})
	r := w.do(step{req: "HEAD /a", status: 200})
	if _, err := http.ParseTime(r.Header.Get("Last-Modified")); err != nil {
		t.Fatal(err)
	}
	w.do(step{req: "GET /a", header: []string{"Range: bytes=0-1", "If-Range: " + r.Header.Get("Last-Modified")}, status: 200})
}
