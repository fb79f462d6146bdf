package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// TestLeaks: calls that fail, in each way, leave no goroutine, no open file and no connection that is not idle.
func TestLeaks(t *testing.T) {
	w := newWorld(t)
	data := content(3 << 20)
	w.upload(w.client(), "/d", data, nil)
	dir := t.TempDir()
	var open atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: conn, open: &open}, nil
	}}
	c := w.client()
	c.HTTP = &http.Client{Transport: transport}
	c.Retry.Attempts = 2
	faults := map[string]func(http.ResponseWriter, *http.Request) bool{
		"refused": func(rw http.ResponseWriter, r *http.Request) bool {
			if r.ContentLength > 1000 || r.Header.Get("Range") != "" {
				rw.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		},
		"lost": func(rw http.ResponseWriter, r *http.Request) bool {
			if r.ContentLength > 1000 || r.Header.Get("Range") != "" {
				panic(http.ErrAbortHandler)
			}
			return false
		},
		"short": func(rw http.ResponseWriter, r *http.Request) bool {
			if r.ContentLength > 1000 {
				io.CopyN(io.Discard, r.Body, 1000)
				rw.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			if r.Header.Get("Range") != "" {
				w.handler.ServeHTTP(altered{rw, func(hd http.Header, status int) int {
					hd.Set("Content-Length", "70000")
					return status
				}}, r)
				return true
			}
			return false
		},
		"cancelled": nil,
	}
	for range 3 {
		for name, fault := range faults {
			ctx, cancel := context.WithCancel(t.Context())
			progress := func(Progress) {}
			if fault == nil {
				progress = func(Progress) { cancel() }
			}
			w.on(fault)
			path := filepath.Join(dir, "f")
			_, up := c.Upload(ctx, w.url+"/u", bytes.NewReader(data), 3<<20, &UploadOptions{Progress: progress})
			_, stream := c.UploadStream(ctx, w.url+"/s", io.MultiReader(bytes.NewReader(data[:1<<20]), iotest.ErrReader(errors.New("broke"))), &StreamOptions{Progress: progress})
			_, down := c.Download(ctx, w.url+"/d", path, &DownloadOptions{Progress: progress})
			for _, err := range []error{up, stream, down} {
				if err == nil {
					t.Errorf("%s: success", name)
				}
			}
			if st, err := os.Stat(path); err == nil {
				t.Errorf("%s: there is a file of %d bytes", name, st.Size())
			}
			cancel()
			w.on(nil)
			w.request("DELETE", "/u", "")
			w.request("DELETE", "/s", "")
		}
	}
	descriptors, _ := filepath.Glob("/proc/self/fd/*") // none where the system does not tell
	for _, fd := range descriptors {
		if file, err := os.Readlink(fd); err == nil && strings.HasPrefix(file, dir) {
			t.Errorf("%s is open", file)
		}
	}
	// The ends of connections take a moment.
	for limit := time.Now().Add(10 * time.Second); ours() > 0 || open.Load() > 0; runtime.Gosched() {
		transport.CloseIdleConnections()
		if time.Now().After(limit) {
			t.Fatalf("%d connections and %d goroutines of the client are left:\n%s", open.Load(), ours(), stacks())
		}
	}
}

// A countedConn counts itself until it is closed.
type countedConn struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<22)
	return string(buf[:runtime.Stack(buf, true)])
}

// ours counts the goroutines that run code of this package, other than tests.
func ours() (n int) {
	for stack := range strings.SplitSeq(stacks(), "\n\n") {
		if strings.Contains(stack, "/resource/client.") && !strings.Contains(stack, "testing.tRunner") && !strings.Contains(stack, "net/http.(*conn).serve") {
			n++
		}
	}
	return n
}
