package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// counting is a transport that counts the requests in flight, until the content of the response is closed. HEAD of a
// small file waits until there once were as many as there may be.
type counting struct {
	http.RoundTripper
	most int
	full chan struct{}

	mu        sync.Mutex
	now, peak int
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.now++
	if c.now == c.most && c.peak < c.most {
		close(c.full)
	}
	c.peak = max(c.peak, c.now)
	c.mu.Unlock()
	if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/small-") {
		select {
		case <-c.full:
		case <-r.Context().Done():
		}
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err != nil {
		c.ended()
		return nil, err
	}
	resp.Body = &countedClose{resp.Body, sync.OnceFunc(c.ended)}
	return resp, nil
}

func (c *counting) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
}

type countedClose struct {
	io.ReadCloser
	closed func()
}

func (b *countedClose) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

// expectContent fails the test unless the file has these bytes. There may be others beside it.
func expectContent(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, not the %d that were sent; %v", path, len(got), len(want), err)
	}
}

// TestCollection: files of all sizes, several at a time, with no more requests in flight than allowed, listings and
// digests included. The second call receives nothing.
func TestCollection(t *testing.T) {
	w := newWorld(t)
	want := map[string][]byte{"c/empty": {}, "c/large": content(3*perConnection + 1), "c/d/e/mid": content(perConnection + 1), "c/z": content(7)}
	for i := range 12 {
		want[fmt.Sprintf("c/d/small-%02d", i)] = content(1000 + i)
	}
	for name, data := range want {
		w.upload(w.client(), "/"+name, data, nil)
	}
	count := &counting{RoundTripper: http.DefaultTransport, most: 3, full: make(chan struct{})}
	c := w.client()
	c.Connections, c.HTTP = count.most, &http.Client{Transport: count}
	top := t.TempDir()
	var received int64
	var mu sync.Mutex
	o := &CollectionOptions{Begin: func(e Entry, path string) (*DownloadOptions, func(*State, error)) {
		var moved int64
		return &DownloadOptions{Progress: func(p Progress) { moved = p.Moved }}, func(st *State, err error) {
			mu.Lock()
			defer mu.Unlock()
			received += moved
			if err != nil || st.Length != e.Length || path == "" {
				t.Errorf("%s: %+v, %v", path, st, err)
			}
		}
	}}
	var size int64
	for _, data := range want {
		size += int64(len(data))
	}
	for _, moves := range []int64{size, 0} {
		received = 0
		if err := c.DownloadCollection(t.Context(), w.url+"/c/", filepath.Join(top, "c"), o); err != nil {
			t.Fatal(err)
		}
		if received != moves {
			t.Errorf("%d bytes were received, want %d", received, moves)
		}
		for name, data := range want {
			expectContent(t, filepath.Join(top, name), data)
		}
		if got := below(t, top); len(got) != len(want) {
			t.Errorf("there are %q", got)
		}
	}
	if count.peak != count.most || count.now != 0 {
		t.Errorf("%d requests in flight at most, want %d; %d at the end", count.peak, count.most, count.now)
	}
}

// TestCollectionChanges: what is removed or replaced between the listing and the download.
func TestCollectionChanges(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "d/e", "z"} {
		w.request("PUT", "/c/"+name, "old")
	}
	var once sync.Once
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			once.Do(func() {
				w.request("DELETE", "/c/b", "")
				w.request("DELETE", "/c/d/e", "")
				w.request("PUT", "/c/z", "new and longer")
			})
		}
		return false
	})
	c := w.client()
	c.Connections = 1
	dir := filepath.Join(t.TempDir(), "c")
	if err := c.DownloadCollection(t.Context(), w.url+"/c/", dir, nil); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	expectContent(t, filepath.Join(dir, "a"), []byte("old"))
	expectContent(t, filepath.Join(dir, "z"), []byte("new and longer"))
	if got := below(t, dir); !slices.Equal(got, []string{"a", "z"}) {
		t.Errorf("there are %q", got)
	}
	if err := c.DownloadCollection(t.Context(), w.url+"/c/", dir, nil); err != nil {
		t.Error(err)
	}
}

// TestCollectionGivenUp: a resource of which no request gets an answer does not keep the others from being downloaded. A
// server that does not answer at all does.
func TestCollectionGivenUp(t *testing.T) {
	w := newWorld(t)
	const n = 20
	for i := range n {
		w.request("PUT", fmt.Sprintf("/c/%02d", i), "x")
	}
	for _, dead := range []bool{false, true} {
		w.on(func(rw http.ResponseWriter, r *http.Request) bool {
			if dead && r.URL.Path != "/c/" || r.Method == http.MethodGet && r.URL.Path == "/c/07" {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		c := w.client()
		c.Connections, c.Retry.Attempts = 2, 2
		begun := 0
		o := &CollectionOptions{Begin: func(Entry, string) (*DownloadOptions, func(*State, error)) {
			begun++
			return nil, nil
		}}
		dir := t.TempDir()
		err := c.DownloadCollection(t.Context(), w.url+"/c/", dir, o)
		if e := asError(err); e == nil || e.Status != 0 {
			t.Errorf("dead %v: %v", dead, err)
		}
		switch got := below(t, dir); {
		case dead && (begun > 2 || len(got) > 0):
			t.Errorf("%d downloads were begun, and there are %q", begun, got)
		case !dead && begun != n, !dead && len(got) != n-1+2: // what there is of the one that failed stays
			t.Errorf("%d downloads were begun, and there are %q", begun, got)
		}
	}
}

// TestFoldsNames: the file that finds it out is removed.
func TestFoldsNames(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	fold, err := foldsNames(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := below(t, dir); len(got) > 0 {
		t.Errorf("there are %q", got)
	}
	for _, name := range []string{"a", "A"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := below(t, dir); fold != (len(got) == 1) {
		t.Errorf("%v, and there are %q", fold, got)
	}
}
