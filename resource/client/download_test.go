package client

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// expectFile fails the test unless the file has these bytes, and nothing else is in its directory.
func expectFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, not the %d of the resource", len(got), len(want))
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestDownload(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{0, 1, 64 << 10, 300_000, 5 << 20} {
		data := content(n)
		w.upload(w.client(), "/f", data, nil)
		path := filepath.Join(t.TempDir(), "f")
		for range 2 { // the second time nothing is received
			w.requests("")
			st, err := w.client().Download(t.Context(), w.url+"/f", path, &DownloadOptions{Sync: true})
			if err != nil {
				t.Fatal(err)
			}
			if st.Length != int64(n) {
				t.Errorf("length %d, want %d", st.Length, n)
			}
			expectFile(t, path, data)
		}
		if w.requests("GET") > 0 {
			t.Errorf("%d bytes were received again", n)
		}
		var b bytes.Buffer
		if _, err := w.client().Read(t.Context(), w.url+"/f", &b, nil); err != nil || !bytes.Equal(b.Bytes(), data) {
			t.Errorf("Read: %d bytes, %v", b.Len(), err)
		}
		w.request("DELETE", "/f", "")
	}
}

// TestDownloadFaults: whatever fails, the next call goes on, and never mixes two versions.
func TestDownloadFaults(t *testing.T) {
	w := newWorld(t)
	data, other := content(3<<20), content(3<<20 + 1)[1:]
	w.upload(w.client(), "/f", data, nil)
	path := filepath.Join(t.TempDir(), "f")

	// The resource changes after a megabyte.
	gets := 0
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			w.mu.Lock()
			gets++
			change := gets == 10
			w.mu.Unlock()
			if change {
				go w.handler.ServeHTTP(discard{http.Header{}}, httptest.NewRequest("PUT", "/f", bytes.NewReader(other)))
			}
		}
		return false
	})
	c := w.client()
	c.MaxSegment = 64 << 10
	_, err := c.Download(t.Context(), w.url+"/f", path, nil)
	w.on(nil)
	if err != nil && !errors.Is(err, ErrChanged) {
		t.Errorf("%v, want ErrChanged", err)
	}
	if err == nil {
		t.Log("the change came too late")
		os.Remove(path)
	}
	w.request("PUT", "/f", string(other))
	stale := false
	if _, err := c.Download(t.Context(), w.url+"/f", path, &DownloadOptions{Stale: func() { stale = true }}); err != nil {
		t.Fatal(err)
	}
	expectFile(t, path, other)
	t.Log("stale:", stale)

	w.request("PUT", "/i", "abc", "Content-Range", "bytes 0-2/8")
	if _, err := c.Download(t.Context(), w.url+"/i", path, nil); !errors.Is(err, ErrIncomplete) {
		t.Errorf("incomplete: %v", err)
	}
	if _, err := c.Download(t.Context(), w.url+"/none", path, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := c.Download(t.Context(), w.url+"/f", filepath.Join(path, "x"), nil); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
	expectFile(t, path, other)
}

// TestDownloadTogether: of two downloads to one file, one may be refused, and neither damages what the other has done.
func TestDownloadTogether(t *testing.T) {
	w := newWorld(t)
	data := content(1000)
	w.upload(w.client(), "/f", data, nil)
	path := filepath.Join(t.TempDir(), "f")
	for range 100 {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := w.client().Download(t.Context(), w.url+"/f", path, &DownloadOptions{Digest: NoDigest})
				if got, rerr := os.ReadFile(path); err == nil && !bytes.Equal(got, data) {
					t.Errorf("%d bytes after a download, %v", len(got), rerr)
				}
				if err != nil && !errors.Is(err, ErrBusy) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		expectFile(t, path, data)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDownloadOver: a file that is replaced stays as private as it was, and is replaced where a link leads.
func TestDownloadOver(t *testing.T) {
	w := newWorld(t)
	data := content(300_000)
	w.upload(w.client(), "/f", data, nil)
	dir := t.TempDir()
	path, link := filepath.Join(dir, "f"), filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if _, err := w.client().Download(t.Context(), w.url+"/f", link, nil); err != nil {
		t.Fatal(err)
	}
	expectFile(t, path, data)
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is a %v, %v", info.Mode(), err)
	}
}
