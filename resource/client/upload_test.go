package client

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// upload uploads data, and fails the test if that fails.
func (w *world) upload(c *Client, path string, data []byte, o *UploadOptions) *State {
	w.t.Helper()
	st, err := c.Upload(w.t.Context(), w.url+path, bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		w.t.Fatal(err)
	}
	if !st.Complete || st.Length != int64(len(data)) || st.ETag == "" {
		w.t.Errorf("state after the upload: %+v", st)
	}
	return st
}

func TestUpload(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{0, 1, 64 << 10, 64<<10 + 1, 300_000, 5 << 20} {
		data := content(n)
		path := "/f" + strings.Repeat("x", n%7)
		st := w.upload(w.client(), path, data, &UploadOptions{Type: "text/plain"})
		w.expect(path, data)
		if st.Digest != NewDigest(sha256.Sum256(data)) {
			t.Errorf("%d bytes: digest %v", n, st.Digest)
		}
		if resp := w.request("HEAD", path, ""); resp.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%d bytes: Content-Type %q", n, resp.Header.Get("Content-Type"))
		}
		// Once more: nothing is sent.
		w.requests("")
		w.patched.Store(0)
		again := w.upload(w.client(), path, data, nil)
		if again.ETag != st.ETag || w.requests("PATCH") != 0 {
			t.Errorf("%d bytes: sent again", n)
		}
		w.request("DELETE", path, "")
	}
}

// TestUploadResumes goes on with what others have begun.
func TestUploadResumes(t *testing.T) {
	w := newWorld(t)
	data := content(5 << 20)
	for _, r := range []string{"bytes 0-1048575/5242880", "bytes 2000000-2999999/5242880", "bytes 5000000-5242879/5242880"} {
		c, _ := parseRange(r)
		w.request("PUT", "/f", string(data[c.Start:c.End]), "Content-Range", r)
	}
	w.upload(w.client(), "/f", data, nil)
	w.expect("/f", data)
	if n, want := w.patched.Load(), int64(5<<20-1048576-1000000-242880+100_000); n > want {
		t.Errorf("%d bytes were sent, want less than %d", n, want)
	}
}

func TestUploadExists(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{1000, 1 << 20} {
		old, data := content(n+1), content(n)
		w.upload(w.client(), "/f", old, nil)
		_, err := w.client().Upload(t.Context(), w.url+"/f", bytes.NewReader(data), int64(n), nil)
		if !errors.Is(err, ErrExists) {
			t.Errorf("%d bytes: %v, want ErrExists", n, err)
		}
		w.expect("/f", old)
		w.upload(w.client(), "/f", data, &UploadOptions{Replace: true})
		w.expect("/f", data)
		w.request("DELETE", "/f", "")
	}
}

// TestUploadOther: what was begun with other bytes never becomes complete.
func TestUploadOther(t *testing.T) {
	w := newWorld(t)
	data := content(2 << 20)
	other := bytes.Clone(data)
	other[1_500_000]++
	w.request("PUT", "/f", string(other[1_400_000:1_600_000]), "Content-Range", "bytes 1400000-1599999/2097152")
	_, err := w.client().Upload(t.Context(), w.url+"/f", bytes.NewReader(data), 2<<20, nil)
	if !errors.Is(err, ErrDigest) {
		t.Errorf("%v, want ErrDigest", err)
	}
	if resp := w.request("HEAD", "/f", ""); resp.Header.Get("Upload-Complete") != "?0" {
		t.Error("the resource is complete")
	}
	w.upload(w.client(), "/f", data, &UploadOptions{Restart: true})
	w.expect("/f", data)
	_, err = w.client().Upload(t.Context(), w.url+"/g", bytes.NewReader(data), 2<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.request("PUT", "/h", "abc", "Content-Range", "bytes 5-7/10000000")
	if _, err = w.client().Upload(t.Context(), w.url+"/h", bytes.NewReader(data), 2<<20, nil); !errors.Is(err, ErrConflict) {
		t.Errorf("another length: %v, want ErrConflict", err)
	}
	if resp := w.request("HEAD", "/h", ""); resp.StatusCode != http.StatusOK {
		t.Error("the other upload is gone")
	}
}

// TestCorruption flips a bit of every third segment on its way. Its digest shows that, and it is sent again.
func TestCorruption(t *testing.T) {
	w := newWorld(t)
	data := content(3 << 20)
	for _, alg := range []Algorithm{CRC32C, SHA256} {
		n, flipped := 0, 0
		w.on(func(rw http.ResponseWriter, r *http.Request) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			if n++; r.Method == http.MethodPatch && r.ContentLength > 1000 && n%3 == 0 {
				if !strings.HasPrefix(r.Header.Get("Content-Digest"), string(alg)+"=:") {
					t.Errorf("Content-Digest: %q", r.Header.Get("Content-Digest"))
				}
				flipped++
				r.Body = &flippedBody{ReadCloser: r.Body, at: 700}
			}
			return false
		})
		c := w.client()
		c.MaxSegment = 128 << 10
		w.upload(c, "/f", data, &UploadOptions{Segments: alg, Whole: WholeNever})
		w.on(nil)
		w.expect("/f", data)
		if flipped < 3 {
			t.Errorf("%d segments were damaged, want more", flipped)
		}
		w.request("DELETE", "/f", "")
	}
}

// A flippedBody has another byte at a position than what was sent.
type flippedBody struct {
	io.ReadCloser
	at int
}

func (b *flippedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.at >= 0 && b.at < n {
		p[b.at] ^= 1
	}
	b.at -= n
	return n, err
}

// TestRestartBusy: requests of a client that was given up are still arriving when the next one begins anew.
func TestRestartBusy(t *testing.T) {
	w := newWorld(t)
	data := content(2 << 20)
	for _, stream := range []bool{false, true} {
		w.request("PUT", "/f", "abc", "Content-Range", "bytes 0-2/10000000")
		late := 0
		w.on(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodDelete && late < 5 {
				late++
				req := httptest.NewRequest("PUT", "/f", strings.NewReader("x"))
				req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/10000000", late*100, late*100))
				w.handler.ServeHTTP(discard{http.Header{}}, req)
			}
			return false
		})
		var err error
		if stream {
			_, err = w.client().UploadStream(t.Context(), w.url+"/f", bytes.NewReader(data), &StreamOptions{Restart: true})
		} else {
			_, err = w.client().Upload(t.Context(), w.url+"/f", bytes.NewReader(data), 2<<20, &UploadOptions{Restart: true})
		}
		if err != nil || late != 5 {
			t.Errorf("stream: %t: %v after %d late requests", stream, err, late)
		}
		w.expect("/f", data)
		w.request("DELETE", "/f", "")
	}
}

// TestUploadOptions: an option that does not exist is an error, and not taken for none.
func TestUploadOptions(t *testing.T) {
	w := newWorld(t)
	for _, o := range []UploadOptions{{Segments: "md5"}, {Whole: "sometimes"}} {
		if _, err := w.client().Upload(t.Context(), w.url+"/f", strings.NewReader("x"), 1, &o); err == nil {
			t.Errorf("%+v: success", o)
		}
		so := StreamOptions{Segments: o.Segments, Whole: o.Whole}
		if _, err := w.client().UploadStream(t.Context(), w.url+"/f", strings.NewReader("x"), &so); err == nil {
			t.Errorf("%+v: success", so)
		}
	}
	if _, err := w.client().Upload(t.Context(), w.url+"/f", strings.NewReader("x"), -1, nil); err == nil {
		t.Error("-1 bytes: success")
	}
	if n := len(w.seen); n > 0 {
		t.Errorf("%d requests", n)
	}
}
