package client

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// altered is a response whose header fields are changed before they are sent.
type altered struct {
	http.ResponseWriter
	f func(hd http.Header, status int) int
}

func (a altered) WriteHeader(status int) { a.ResponseWriter.WriteHeader(a.f(a.Header(), status)) }

// TestLiesDownload: a server that contradicts itself is found out, and never believed.
func TestLiesDownload(t *testing.T) {
	w := newWorld(t)
	data := content(1 << 20)
	w.upload(w.client(), "/f", data, nil)
	for name, c := range map[string]struct {
		f  func(hd http.Header, status int) int
		is error
	}{
		"another range": {func(hd http.Header, status int) int {
			if status == http.StatusPartialContent {
				hd.Set("Content-Range", "bytes 1-65536/1048576")
			}
			return status
		}, ErrServer},
		"another length": {func(hd http.Header, status int) int {
			if cr := hd.Get("Content-Range"); cr != "" {
				hd.Set("Content-Range", cr+"0")
			}
			return status
		}, ErrServer},
		"no range": {func(hd http.Header, status int) int {
			hd.Del("Content-Range")
			return status
		}, ErrServer},
		"200": {func(hd http.Header, status int) int {
			if status == http.StatusPartialContent {
				return http.StatusOK
			}
			return status
		}, ErrServer},
		"another version": {func(hd http.Header, status int) int {
			if status == http.StatusPartialContent {
				hd.Set("ETag", `"other"`)
			}
			return status
		}, ErrChanged},
		"another digest": {func(hd http.Header, status int) int {
			if hd.Get("Repr-Digest") != "" {
				hd.Set("Repr-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
			}
			return status
		}, ErrDigest},
		"another checksum": {func(hd http.Header, status int) int {
			if hd.Get("Repr-Digest") != "" {
				hd.Set("Repr-Digest", "crc32c=:AAAAAA==:")
			}
			return status
		}, ErrDigest},
		"a checksum of another length, and another digest": {func(hd http.Header, status int) int {
			if hd.Get("Repr-Digest") != "" {
				hd.Set("Repr-Digest", "crc32c=:AAAAAAAA:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
			}
			return status
		}, ErrDigest},
		"removed": {func(hd http.Header, status int) int {
			if status == http.StatusPartialContent {
				hd.Del("Content-Range")
				return http.StatusNotFound
			}
			return status
		}, ErrChanged},
		"ranges beyond the end": {func(hd http.Header, status int) int {
			hd.Set("Upload-Received", "(0 99999999)")
			return status
		}, ErrServer},
	} {
		w.on(func(rw http.ResponseWriter, r *http.Request) bool {
			w.handler.ServeHTTP(altered{rw, c.f}, r)
			return true
		})
		path := filepath.Join(t.TempDir(), "f")
		_, err := w.client().Download(t.Context(), w.url+"/f", path, nil)
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", name, err, c.is)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: there is a file", name)
		}
		w.on(nil)
		if _, err := w.client().Download(t.Context(), w.url+"/f", path, nil); err != nil {
			t.Errorf("%s, then the truth: %v", name, err)
			continue
		}
		expectFile(t, path, data)
	}
}

// TestLiesUpload: a server that says that it has what it does not have.
func TestLiesUpload(t *testing.T) {
	w := newWorld(t)
	data := content(1<<20 + 1)
	n := 0
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		w.handler.ServeHTTP(altered{rw, func(hd http.Header, status int) int {
			w.mu.Lock()
			defer w.mu.Unlock()
			if hd.Get("Upload-Complete") == "?0" && n < 3 {
				n++
				hd.Set("Upload-Received", fmt.Sprintf("(0 %d)", 1<<20))
			}
			return status
		}}, r)
		return true
	})
	w.upload(w.client(), "/f", data, nil)
	w.expect("/f", data)

	// It is never true.
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			rw.Header().Set("Upload-Complete", "?0")
			rw.Header().Set("Upload-Length", "1048577")
			rw.Header().Set("Upload-Received", "(0 1048577)")
			rw.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	})
	w.request("PUT", "/g", "abc", "Content-Range", "bytes 0-2/1048577")
	if _, err := w.client().Upload(t.Context(), w.url+"/g", bytes.NewReader(data), 1<<20+1, nil); !errors.Is(err, ErrServer) {
		t.Errorf("%v, want ErrServer", err)
	}

	// A 2xx of something else.
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprint(rw, "<h1>hello</h1>")
		return true
	})
	if _, err := w.client().Upload(t.Context(), w.url+"/h", bytes.NewReader(data), 1<<20+1, nil); err == nil {
		t.Error("HTML was taken for success")
	} else {
		t.Log(err)
	}
}
