package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestUploadStream(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{0, 1, 64 << 10, 300_000, 5 << 20} {
		data := content(n)
		for _, whole := range []Whole{WholeAuto, WholeAlways} {
			o := &StreamOptions{Type: "text/plain", Window: 200_000, Whole: whole, Flush: time.Millisecond}
			st, err := w.client().UploadStream(t.Context(), w.url+"/f", iotest.HalfReader(bytes.NewReader(data)), o)
			if err != nil {
				t.Fatal(err)
			}
			if st.Length != int64(n) || st.Type != "text/plain" {
				t.Errorf("state %+v", st)
			}
			w.expect("/f", data)
			_, err = w.client().UploadStream(t.Context(), w.url+"/f", strings.NewReader("x"), nil)
			if !errors.Is(err, ErrExists) {
				t.Errorf("%v, want ErrExists", err)
			}
			if _, err = w.client().UploadStream(t.Context(), w.url+"/f", strings.NewReader("x"), &StreamOptions{Replace: true}); err != nil {
				t.Error(err)
			}
			w.expect("/f", []byte("x"))
			w.request("DELETE", "/f", "")
		}
	}
}

// TestStreamResumes loses every third response or request, and then the source.
func TestStreamResumes(t *testing.T) {
	w := newWorld(t)
	data := content(3 << 20)
	n := 0
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		w.mu.Lock()
		n++
		k := n
		w.mu.Unlock()
		switch {
		case r.Method != http.MethodPatch || r.ContentLength < 1000:
			return false
		case k%3 == 0: // the response is lost
			w.handler.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		case k%3 == 1: // the connection is lost in the middle
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 50_000), iotest.ErrReader(io.ErrUnexpectedEOF)))
			w.handler.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		return false
	})
	o := &StreamOptions{Window: 200_000}
	broken := io.MultiReader(bytes.NewReader(data[:2<<20]), iotest.ErrReader(errors.New("pipe broke")))
	if _, err := w.client().UploadStream(t.Context(), w.url+"/f", broken, o); !errors.Is(err, ErrSource) {
		t.Fatalf("%v, want ErrSource", err)
	}
	if _, err := w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(data[:1<<20]), o); !errors.Is(err, ErrConflict) {
		t.Fatalf("shorter: %v, want ErrConflict", err)
	}
	other := append(content(1<<20), data[1<<20:]...)
	other[0]++
	if _, err := w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(other), o); !errors.Is(err, ErrDigest) {
		t.Fatalf("other bytes: %v, want ErrDigest", err)
	}
	if _, err := w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(data), &StreamOptions{Restart: true}); err != nil {
		t.Fatal(err)
	}
	w.on(nil)
	w.expect("/f", data)
}

// discard is a response that nobody gets.
type discard struct{ hd http.Header }

func (d discard) Header() http.Header         { return d.hd }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestTooLarge: a server takes small requests only. The bytes come in smaller ones.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	data := content(1 << 20)
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.ContentLength > 100_000 {
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	})
	if _, err := w.client().UploadStream(t.Context(), w.url+"/s", bytes.NewReader(data), nil); err != nil {
		t.Fatal(err)
	}
	w.expect("/s", data)
	c := w.client()
	c.Segment = 1 << 20
	w.upload(c, "/f", data, nil)
	w.expect("/f", data)
	c.MinSegment = 200_000
	if _, err := c.UploadStream(t.Context(), w.url+"/t", bytes.NewReader(data), nil); statusOf(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("%v, want 413", err)
	}
}
