package client

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/store"
)

// A world is a server with its store, between which and the client a test can put faults.
type world struct {
	t       *testing.T
	url     string
	dir     string // of the store
	handler *resource.Handler
	patched atomic.Int64 // content of PATCH requests that the server has read, in bytes
	mu      sync.Mutex
	before  func(w http.ResponseWriter, r *http.Request) bool // answers the request itself if it returns true
	seen    map[string]int                                    // requests by method
}

func newWorld(t *testing.T) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	s, err := store.Open(dir, &store.Options{Logger: quiet, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, handler: &resource.Handler{Store: resource.FromStore(s), Logger: quiet}, seen: map[string]int{}}
	srv := httptest.NewServer(w)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w.url = srv.URL
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen[r.Method]++
	before := w.before
	w.mu.Unlock()
	if r.Method == http.MethodPatch {
		r.Body = &countedBody{r.Body, &w.patched}
	}
	if before != nil && before(rw, r) {
		return
	}
	w.handler.ServeHTTP(rw, r)
}

// on sets what happens before each request.
func (w *world) on(f func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

// requests returns how many requests with the method there were since the last call, and forgets all.
func (w *world) requests(method string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.seen[method]
	clear(w.seen)
	return n
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// client returns a client with small segments, whose pauses take no time.
func (w *world) client() *Client {
	return &Client{
		Connections: 4, Segment: 64 << 10, MinSegment: 64 << 10, MaxSegment: 1 << 20,
		sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
	}
}

// content returns n bytes that no one can guess.
func content(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n)})
	rng.Read(b)
	return b
}

// expect fails the test unless the complete resource has these bytes.
func (w *world) expect(path string, want []byte) {
	w.t.Helper()
	resp, err := http.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %s, %v", path, resp.Status, err)
	}
	if resp.Header.Get("Upload-Complete") == "?0" {
		w.t.Errorf("GET %s: not complete", path)
	}
	if !bytes.Equal(got, want) {
		w.t.Errorf("GET %s: %d bytes, not the %d that were sent", path, len(got), len(want))
	}
}

// request sends a request of somebody else.
func (w *world) request(method, path, body string, header ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

func parseRange(field string) (ranges.Range, error) {
	c, err := ranges.ParseContentRange(field)
	return c.Range, err
}
