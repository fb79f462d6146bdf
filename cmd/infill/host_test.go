package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/store"
)

// A host is what infill serve runs, in the process of the test, so that its memory and its goroutines can be looked at.
type host struct {
	t     *testing.T
	addr  string
	dir   string
	store *store.Store
}

// startHost serves a new directory of fs with the given flags until the test ends. Data files that are open are then
// those that are held for a client, unless a flag says otherwise.
func startHost(t *testing.T, fs vfs.FS, flags ...string) *host {
	t.Helper()
	dir := t.TempDir()
	o := optionsFrom(t, append([]string{"--min-free", "0", "--max-open-files", "0"}, flags...)...)
	quiet := slog.New(slog.DiscardHandler)
	so := o.storeOptions()
	so.FS, so.Logger = fs, quiet
	s, err := store.Open(dir, so)
	if err != nil {
		t.Fatal(err)
	}
	l, err := o.listenConfig().Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := o.handler()
	handler.Store, handler.Logger = resource.FromStore(s), quiet
	srv := o.server()
	srv.Listener, srv.Handler, srv.Logger = l, handler, quiet
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &host{t, l.Addr().String(), dir, s}
}

// dial connects to addr, for at most the time that a test may take.
func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// clientTo returns a client that has connections of its own to addr, whatever the URL, with HTTP/2 or HTTP/1.1.
func clientTo(t *testing.T, addr string, http2 bool) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	tr := &http.Transport{
		Protocols:          &protocols,
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// do sends a request of another client, and returns the status and the content of the response.
func (h *host) do(method, path, content string, fields ...string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequest(method, "http://"+h.addr+path, strings.NewReader(content))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, ": ")
		req.Header.Set(k, v)
	}
	req.Close = true
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(b)
}

// held returns what the server holds for its clients: goroutines that serve, and descriptors of data files.
func (h *host) held() string {
	h.t.Helper()
	buf := make([]byte, 1<<20)
	for n := runtime.Stack(buf, true); n == len(buf); n = runtime.Stack(buf, true) {
		buf = make([]byte, 2*len(buf))
	}
	serving := 0
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "net/http.(*conn).serve(") || strings.Contains(stack, "net/http.(*http2serverConn)") ||
			strings.Contains(stack, "resource.(*Handler).ServeHTTP(") || strings.Contains(stack, "resource/server.(*conn).drain(") {
			serving++
		}
	}
	files := 0
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && strings.HasPrefix(name, filepath.Join(h.dir, "data")+"/") {
			files++
		}
	}
	return fmt.Sprintf("%d goroutines, %d data files", serving, files)
}

// released waits until the server holds nothing for any client.
func (h *host) released() {
	h.t.Helper()
	h.until("the server holds nothing any more", func() bool {
		return h.held() == "0 goroutines, 0 data files"
	})
}

// until waits until something is so that no event tells of.
func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			h.t.Fatalf("waited too long until %s: %s", what, h.held())
		}
	}
}

// memory returns the bytes that heap and stacks take after a collection.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
