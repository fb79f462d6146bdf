package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A growing source is a file that gets more bytes while it is read.
type growing struct {
	*os.File
	after int64 // bytes
	grown bool
}

func (g *growing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > g.after && !g.grown {
		g.grown = true
		at, err := g.File.Stat()
		if err == nil {
			_, err = g.File.WriteAt([]byte("more"), at.Size())
		}
		if err == nil { // whatever the granularity of the clock
			err = os.Chtimes(g.File.Name(), time.Time{}, at.ModTime().Add(time.Second))
		}
		if err != nil {
			return 0, err
		}
	}
	return g.File.ReadAt(p, off)
}

// TestSourceGrows: a file that becomes longer while it is sent is not completed, however it is sent, small or large, with
// its digest or without.
func TestSourceGrows(t *testing.T) {
	for _, n := range []int64{1000, 3 << 20} {
		for _, whole := range []Whole{WholeAuto, WholeAlways} {
			w := newWorld(t)
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err == nil {
				_, err = f.Write(content(int(n)))
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			c := w.client()
			c.Connections = 1
			if _, err = c.Upload(t.Context(), w.url+"/f", &growing{File: f, after: n / 2}, n, &UploadOptions{Whole: whole}); !errors.Is(err, ErrSource) {
				t.Errorf("%d bytes, %s: %v, want ErrSource", n, whole, err)
			}
			if resp := w.request("HEAD", "/f", ""); resp.StatusCode == http.StatusOK && resp.Header.Get("Upload-Complete") != "?0" {
				t.Errorf("%d bytes, %s: the resource is complete", n, whole)
			}
			if _, err := c.Upload(t.Context(), w.url+"/f", f, n, nil); err != nil {
				t.Errorf("the first %d bytes: %v", n, err)
			}
		}
	}
}

// TestProgressEnds: when a call has returned, its callback is not called any more, whatever the HTTP client still reads.
func TestProgressEnds(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	c.Connections = 1
	var body io.ReadCloser
	c.HTTP = &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPatch && req.ContentLength > 1000 {
			body = req.Body
			return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: req}, nil
		}
		return http.DefaultTransport.RoundTrip(req)
	})}
	ended := false
	_, err := c.Upload(t.Context(), w.url+"/f", bytes.NewReader(content(4<<20)), 4<<20, &UploadOptions{Progress: func(Progress) {
		if ended {
			t.Error("the callback is called after the end")
		}
	}})
	if !errors.Is(err, ErrForbidden) {
		t.Fatal(err)
	}
	ended = true
	if n, err := io.Copy(io.Discard, body); n < 1000 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
