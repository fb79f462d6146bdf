package client

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestReplaceLost: the response to the last request of a replacement is lost. It is done all the same.
func TestReplaceLost(t *testing.T) {
	for method, n := range map[string]int{"PUT": 10, "MOVE": 2 << 20} {
		w := newWorld(t)
		data := content(n)
		for _, stream := range []bool{false, true} {
			if stream {
				method = "MOVE"
			}
			w.request("PUT", "/f", "old")
			lost := false
			w.on(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method != method || lost || r.Header.Get("If-Match") == "" && method == "PUT" {
					return false
				}
				lost = true
				w.handler.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			})
			var err error
			var moved int64
			progress := func(p Progress) { moved = p.Moved }
			if stream {
				_, err = w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(data), &StreamOptions{Replace: true, Progress: progress})
			} else {
				_, err = w.client().Upload(t.Context(), w.url+"/f", bytes.NewReader(data), int64(n), &UploadOptions{Replace: true, Progress: progress})
			}
			if err != nil || !lost {
				t.Errorf("%s, stream: %t: %v, lost: %t", method, stream, err, lost)
			}
			w.on(nil)
			w.expect("/f", data)
			if moved < int64(n) {
				t.Errorf("%s, stream: %t: %d bytes moved, want %d", method, stream, moved, n)
			}
		}
	}
}

// TestReplaceLeft: an earlier call ended when all of its content was beside the resource, and nothing was moved. Then
// the source got other content of the same length.
func TestReplaceLeft(t *testing.T) {
	w := newWorld(t)
	w.request("PUT", "/f", "old")
	first, second := content(2<<20), content(2<<20 + 1)[1:]
	blocked := true
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == "MOVE" && blocked {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	upload := func(data []byte, stream bool) error {
		if stream {
			_, err := w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(data), &StreamOptions{Replace: true})
			return err
		}
		_, err := w.client().Upload(t.Context(), w.url+"/f", bytes.NewReader(data), int64(len(data)), &UploadOptions{Replace: true})
		return err
	}
	for _, stream := range []bool{false, true} {
		blocked = true
		if err := upload(first, stream); statusOf(err) != http.StatusForbidden {
			t.Fatal(err)
		}
		blocked = false
		if err := upload(second, stream); err != nil {
			t.Errorf("stream: %t: %v", stream, err)
		}
		w.expect("/f", second)
		for e, err := range w.client().List(t.Context(), w.url+"/") {
			if err != nil || strings.Contains(e.Name, ".new-") {
				t.Errorf("stream: %t: %v, %v is left", stream, e.Name, err)
			}
		}
	}
}
