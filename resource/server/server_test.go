package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

// running is a server under test.
type running struct {
	addr string
	stop context.CancelFunc
	done chan error // what Serve returned
}

// start serves handler until the test ends. edit may change the server before it starts.
func start(t *testing.T, handler http.HandlerFunc, edit func(*Server)) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Listener: l, Handler: handler, Logger: discard}
	if edit != nil {
		edit(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{addr: l.Addr().String(), stop: cancel, done: make(chan error, 1)}
	go func() {
		r.done <- s.Serve(ctx)
		close(r.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// dial connects to the server, for at most the time that a test may take.
func (r *running) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// echo answers with the content of the request, or 400 if that is not whole.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.Write(b)
}

// responses reads the responses on c to its end.
func responses(t *testing.T, c io.Reader) (status []int, content []string) {
	t.Helper()
	br := bufio.NewReader(c)
	for {
		if _, err := br.Peek(1); err == io.EOF {
			return status, content
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("after %d: %v", status, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		status = append(status, resp.StatusCode)
		content = append(content, string(b))
	}
}

// TestRefusalByNetHTTP checks what is left to net/http.
func TestRefusalByNetHTTP(t *testing.T) {
	r := start(t, echo, func(s *Server) { s.MaxHeaderBytes = 8 << 10 })
	for _, tt := range []struct {
		name    string
		message string
		want    int
	}{
		{"gzip, chunked", head("PUT", "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501},
		{"HTTP/3.0", "GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
		{"large header section", head("GET", "X: "+strings.Repeat("x", 16<<10)), 431},
		{"unknown expectation", head("GET", "Expect: rain"), 417},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial(t)
			if _, err := io.WriteString(c, tt.message); err != nil {
				t.Fatal(err)
			}
			if status, _ := responses(t, c); len(status) != 1 || status[0] != tt.want {
				t.Errorf("got %d, want %d", status, tt.want)
			}
		})
	}
}

// TestReadHeaderTimeout checks that a slow header section ends its connection,
// also when it is not the first.
func TestReadHeaderTimeout(t *testing.T) {
	r := start(t, echo, func(s *Server) { s.ReadHeaderTimeout = 20 * time.Millisecond })
	for _, stream := range []string{"P", "PUT / HT", head("GET") + "GET / HTTP/1.1\r\nHost: h\r\n"} {
		c := r.dial(t)
		if _, err := io.WriteString(c, stream); err != nil {
			t.Fatal(err)
		}
		status, _ := responses(t, c) // net/http may call what it has a bad request
		if good := strings.Count(stream, "\r\n\r\n"); len(status) < good || len(status) > good && status[good] != 400 {
			t.Errorf("%q: got %d", stream, status)
		}
	}
}

// TestShutdown checks that a request in flight may end, and that nothing begins.
func TestShutdown(t *testing.T) {
	begun := make(chan context.Context, 1)
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- r.Context()
		echo(w, r)
	}, nil)
	idle := r.dial(t)
	if _, err := io.WriteString(idle, head("GET")); err != nil {
		t.Fatal(err)
	}
	<-begun
	if resp, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}

	c := r.dial(t)
	if _, err := io.WriteString(c, head("PUT", "Content-Length: 10")+"hello"); err != nil {
		t.Fatal(err)
	}
	ctx := <-begun
	r.stop()
	if n, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("idle connection: read %d, %v", n, err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.Close()
		t.Error("the server still accepts connections")
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("the context of the request in flight: %v", err)
	}
	select {
	case err := <-r.done:
		t.Fatalf("Serve returned %v before the request ended", err)
	default:
	}
	if _, err := io.WriteString(c, "world"); err != nil {
		t.Fatal(err)
	}
	if status, content := responses(t, c); len(status) != 1 || content[0] != "helloworld" {
		t.Errorf("got %d %q", status, content)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestShutdownHTTP2 checks that a stream in flight may end.
func TestShutdownHTTP2(t *testing.T) {
	begun := make(chan struct{})
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		echo(w, r)
	}, nil)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	body, send := io.Pipe()
	go func() {
		io.WriteString(send, "hello")
		<-begun
		r.stop()
		io.WriteString(send, "world")
		send.Close()
	}()
	resp, err := (&http.Client{Transport: transport}).Post("http://"+r.addr+"/", "", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "helloworld" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := <-r.done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestShutdownCutsOff checks that requests end with the grace time, and that Serve
// waits for their handlers.
func TestShutdownCutsOff(t *testing.T) {
	begun := make(chan struct{})
	var ended atomic.Bool
	r := start(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the body of a request that was cut off ended well")
		}
		ended.Store(true)
	}, func(s *Server) { s.ShutdownGrace = 10 * time.Millisecond })
	c := r.dial(t)
	if _, err := io.WriteString(c, head("PUT", "Content-Length: 10")+"hello"); err != nil {
		t.Fatal(err)
	}
	<-begun
	r.stop()
	if err := <-r.done; !errors.Is(err, ErrCutOff) {
		t.Errorf("Serve: %v, want %v", err, ErrCutOff)
	}
	if !ended.Load() {
		t.Error("Serve returned before the handler")
	}
}

// TestAcceptError checks that a listener that fails ends Serve.
func TestAcceptError(t *testing.T) {
	r := start(t, echo, func(s *Server) { s.Listener.Close() })
	if err := <-r.done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want %v", err, net.ErrClosed)
	}
}

// TestPanic checks that a handler that panics costs one request, and is logged once.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	r := start(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("oh\nno")
	}, func(s *Server) { s.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	for _, path := range []string{"/abort", "/panic"} {
		if resp, err := http.Get("http://" + r.addr + path); err == nil {
			resp.Body.Close()
			t.Errorf("%s: got %s", path, resp.Status)
		}
	}
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), `"panic":"oh\nno"`) {
		t.Errorf("logged %d lines: %s", n, &log)
	}
}

// TestMaxConnections checks that connections beyond the limit wait, without a descriptor of the server, until another
// one closes; that they are accepted then; and that the shutdown does not wait for them.
func TestMaxConnections(t *testing.T) {
	var log bytes.Buffer
	accepted := make(chan net.Conn, 8)
	r := start(t, echo, func(s *Server) {
		s.Listener = tellingListener{s.Listener, accepted}
		s.MaxConnections = 2
		s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	ask := func(c net.Conn) {
		t.Helper()
		if _, err := io.WriteString(c, head("GET")); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	first, second := r.dial(t), r.dial(t)
	ask(first)
	ask(second)
	third, fourth := r.dial(t), r.dial(t)
	if len(accepted) != 2 {
		t.Errorf("%d connections were accepted, want 2", len(accepted))
	}
	first.Close()
	ask(third)
	if len(accepted) != 3 {
		t.Errorf("%d connections were accepted, want 3", len(accepted))
	}
	if _, err := io.WriteString(fourth, "GARBAGE\r\n"); err != nil {
		t.Fatal(err)
	}
	second.Close()
	if status, _ := responses(t, fourth); len(status) != 1 || status[0] != 400 { // which lingers
		t.Errorf("got %d, want 400", status)
	}
	fourth.Close()
	fifth := r.dial(t)
	ask(fifth)
	r.dial(t) // waits
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "max=2") {
		t.Errorf("logged %s", &log)
	}
}

// tellingListener tells of the connections that it has accepted.
type tellingListener struct {
	net.Listener
	accepted chan net.Conn
}

func (l tellingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- c
	}
	return c, err
}
