package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// pours returns a handler that sends n octets, from a file if it is asked for /file or /shared, and tells how that ended.
func pours(t *testing.T, n int64) (http.HandlerFunc, chan error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, n); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		var source io.Reader = zeros{}
		if r.URL.Path != "/" {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			source = f
			if r.URL.Path == "/shared" {
				source = &part{f: f, as: f}
			}
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(n))
		_, err := io.CopyN(w, source, n)
		ended <- err
	}, ended
}

// TestNoReader checks that a client that does not read its response loses it in time: on a connection that takes no
// more, and on an HTTP/2 stream that it grants no room, while others on the same connection go on.
func TestNoReader(t *testing.T) {
	handler, ended := pours(t, 1<<30)
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "HEAD" {
			return
		}
		handler(w, r)
	}, func(s *Server) { s.WriteIdleTimeout = 50 * time.Millisecond })

	for _, path := range []string{"/", "/file", "/shared"} {
		c := r.dial(t)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
		if err := <-ended; err == nil {
			t.Errorf("%s: all of the response went to a client that did not read it", path)
		}
		if n, err := io.Copy(io.Discard, c); n >= 1<<30 {
			t.Errorf("%s: read %d octets, %v", path, n, err)
		}
	}

	// A large window, and nothing is read.
	c := r.frames(t, 0, 4, 0x7f, 0xff, 0xff, 0xff)
	if err := c.send(frame{8, 0, 0, []byte{0x7f, 0, 0, 0}}, request(1, "GET", flagEndStream)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("HTTP/2: all of the response went to a client that did not read it")
	}
	if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
		t.Errorf("HTTP/2: the connection stays open: %v", err)
	}

	// No window.
	c = r.frames(t, 0, 4, 0, 0, 0, 0)
	if err := c.send(request(1, "GET", flagEndStream)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("HTTP/2: all of the response went into a window of nothing")
	}
	if f, err := c.next(frameReset); err != nil || f.stream != 1 {
		t.Errorf("HTTP/2: got %v, %v, want a reset of the stream", f, err)
	}
	if err := c.send(request(3, "HEAD", flagEndStream)); err != nil {
		t.Fatal(err)
	}
	if f, err := c.next(frameHeaders); err != nil || f.stream != 3 {
		t.Errorf("HTTP/2: got %v, %v, want the response of the next stream", f, err)
	}
}

// TestNoReaderOfLittle checks the same for a response that is small enough to be written after its handler has returned.
func TestNoReaderOfLittle(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
		func(s *Server) { s.WriteIdleTimeout = 50 * time.Millisecond })
	c := r.frames(t, 0, 4, 0, 0, 0, 0)
	if err := c.send(request(1, "GET", flagEndStream)); err != nil {
		t.Fatal(err)
	}
	if f, err := c.next(frameReset); err != nil || f.stream != 1 {
		t.Errorf("got %v, %v, want a reset of the stream", f, err)
	}
}

// TestMinWriteRate checks that a client that never stops to read loses its response all the same if it is too slow.
func TestMinWriteRate(t *testing.T) {
	handler, ended := pours(t, 1<<40)
	r := start(t, handler, func(s *Server) {
		// Octets are worth next to nothing.
		s.WriteIdleTimeout, s.MinWriteRate = 200*time.Millisecond, 1<<50
	})
	for _, http2 := range []bool{false, true} {
		var c net.Conn
		if http2 {
			f := r.frames(t, 0, 4, 0x7f, 0xff, 0xff, 0xff)
			if err := f.send(frame{8, 0, 0, []byte{0x7f, 0, 0, 0}}, request(1, "GET", flagEndStream)); err != nil {
				t.Fatal(err)
			}
			c = f
		} else {
			c = r.dial(t)
			io.WriteString(c, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n")
		}
		go io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 512))
		if err := <-ended; err == nil {
			t.Errorf("HTTP/2 is %t: all of the response was sent", http2)
		}
	}
}

// fixedBuffers is a listener whose connections do not take all of a response at once.
type fixedBuffers struct{ net.Listener }

func (l fixedBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(256 << 10)
	}
	return c, err
}

// TestSteadyReader checks that a client that reads slowly and steadily gets all of it, and that it is right, although the
// write of it takes longer than the client may be idle, and is interrupted by deadlines.
func TestSteadyReader(t *testing.T) {
	want := make([]byte, 768<<10)
	for i := range want {
		want[i] = byte(i >> 4)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/file", "/shared"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(want)))
				if r.URL.Path == "/" {
					w.Write(want)
					return
				}
				f, err := os.Open(name)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				var source io.Reader = f
				if r.URL.Path == "/shared" {
					source = &part{f: f, as: f}
				}
				io.CopyN(w, source, int64(len(want)))
			}, func(s *Server) {
				s.Listener = fixedBuffers{s.Listener}
				s.WriteIdleTimeout = 500 * time.Millisecond
			})
			c := r.dial(t)
			if err := c.SetReadBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			var got bytes.Buffer
			for {
				<-tick.C
				if _, err := io.CopyN(&got, c, 2<<10); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("after %d octets: %v", got.Len(), err)
				}
			}
			if !bytes.HasSuffix(got.Bytes(), want) {
				t.Errorf("got %d octets, not those that were sent", got.Len())
			}
		})
	}
}

// TestUserDeadline checks that the deadlines of a handler count too.
func TestUserDeadline(t *testing.T) {
	handler, ended := pours(t, 1<<30)
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		handler(w, r)
	}, nil) // a minute
	for _, path := range []string{"/file", "/shared"} {
		c := r.dial(t)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
		if err := <-ended; !os.IsTimeout(err) {
			t.Errorf("%s: got %v, want a timeout", path, err)
		}
	}
}

// TestPing checks that an HTTP/2 client that does not answer loses its connection, and one that does keeps it.
func TestPing(t *testing.T) {
	r := start(t, echo, func(s *Server) { s.PingInterval = 50 * time.Millisecond })
	c := r.frames(t)
	for range 3 {
		f, err := c.next(framePing)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.send(frame{framePing, flagAck, 0, f.payload}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.next(framePing); err != nil {
		t.Fatal(err)
	}
	if _, err := c.next(framePing); err == nil || os.IsTimeout(err) {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

// TestResetFlood checks that a client that opens streams and resets them at once, again and again, costs no goroutines,
// little memory, and keeps nobody else from being served.
func TestResetFlood(t *testing.T) {
	var running, most atomic.Int64
	r := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != "PUT" {
			return
		}
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		io.Copy(io.Discard, r.Body)
	}, func(s *Server) { s.MaxConcurrentStreams = 100 })
	other := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				other <- nil
				return
			default:
			}
			resp, err := http.Get("http://" + r.addr + "/")
			if err != nil {
				other <- err
				return
			}
			resp.Body.Close()
		}
	}()
	sent := 0
	for sent < 10_000 {
		c := r.frames(t)
		go io.Copy(io.Discard, c.TCPConn)
		for id := uint32(1); sent < 10_000; id += 2 {
			if err := c.send(request(id, "PUT", 0), frame{frameReset, 0, id, []byte{0, 0, 0, 8}}); err != nil {
				break // the server had enough of it (RFC 9113, Section 10.5)
			}
			sent++
		}
		c.Close()
	}
	close(stop)
	if err := <-other; err != nil {
		t.Errorf("another client: %v", err)
	}
	r.stop()
	if err := <-r.done; err != nil { // after all handlers
		t.Error(err)
	}
	if n := most.Load(); n > 10*100 {
		t.Errorf("%d handlers ran at a time", n)
	}
}
