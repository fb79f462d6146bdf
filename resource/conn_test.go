package resource

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// dial opens a raw connection to the server.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.srv.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// raw writes a request in HTTP/1.1 and returns its final response. The text has \n for line ends of the header section.
func (w *world) raw(c net.Conn, head, body string) reply {
	w.t.Helper()
	if _, err := io.WriteString(c, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n"+body); err != nil {
		w.t.Fatal(err)
	}
	return w.response(c, head)
}

func (w *world) response(c net.Conn, head string) reply {
	w.t.Helper()
	method, _, _ := strings.Cut(head, " ")
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%q: %v", head, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%q: %v", head, err)
	}
	return reply{res, string(b)}
}

// A meter counts the content that the handler has read of requests that have an X-Id field, so that a test can wait for
// it, and the connections that were closed.
type meter struct {
	h http.Handler

	mu     sync.Mutex // guards what follows
	moved  *sync.Cond
	read   map[string]int
	closed map[string]bool // by the address of the client
}

func newMeter(h http.Handler) *meter {
	m := &meter{h: h, read: make(map[string]int), closed: make(map[string]bool)}
	m.moved = sync.NewCond(&m.mu)
	return m
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("X-Id"); id != "" {
		r = r.WithContext(r.Context())
		r.Body = &meteredBody{r.Body, m, id}
	}
	m.h.ServeHTTP(w, r)
}

func (m *meter) add(id string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read[id] += n
	m.moved.Broadcast()
}

// wait returns when the handler has taken n octets of the content of the request id.
func (m *meter) wait(id string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.read[id] < n {
		m.moved.Wait()
	}
}

func (m *meter) conn(c net.Conn, s http.ConnState) {
	if s == http.StateClosed {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.closed[c.RemoteAddr().String()] = true
		m.moved.Broadcast()
	}
}

// gone returns when the server has closed the connection c of a client.
func (m *meter) gone(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.closed[c.LocalAddr().String()] {
		m.moved.Wait()
	}
}

type meteredBody struct {
	io.ReadCloser
	m  *meter
	id string
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.add(b.id, n)
	return n, err
}

// An inflight is a request on a connection of its own, whose content a test sends piece by piece.
type inflight struct {
	w    *world
	c    net.Conn
	head string
	id   string
	sent int

	chunked bool
}

// start sends the header section of s, for content of n octets, or chunked if n is negative, and with it the given octets.
func (w *world) start(s step, n int, content ...string) *inflight {
	w.t.Helper()
	f := &inflight{w: w, c: w.dial(), head: s.req + " HTTP/1.1\n", id: rand.Text(), chunked: n < 0}
	text := f.head + "Host: x\nX-Id: " + f.id + "\n"
	for _, h := range s.header {
		text += w.expand(h) + "\n"
	}
	if n >= 0 {
		text += fmt.Sprintf("Content-Length: %d\n", n)
	} else {
		text += "Transfer-Encoding: chunked\n"
	}
	f.raw(strings.ReplaceAll(text+"\n", "\n", "\r\n") + strings.Join(content, ""))
	return f
}

// write sends content, a chunk if it is chunked.
func (f *inflight) write(s string) {
	f.w.t.Helper()
	if f.chunked {
		s = fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
	}
	f.raw(s)
}

// last sends the last chunk.
func (f *inflight) last() { f.raw("0\r\n\r\n") }

func (f *inflight) raw(s string) {
	f.w.t.Helper()
	if _, err := io.WriteString(f.c, s); err != nil {
		f.w.t.Fatal(err)
	}
}

// send sends content, and returns when the handler has taken it.
func (f *inflight) send(s string) *inflight {
	f.w.t.Helper()
	f.write(s)
	f.sent += len(s)
	f.w.meter.wait(f.id, f.sent)
	return f
}

// end returns the response.
func (f *inflight) end(s step) reply {
	f.w.t.Helper()
	r := f.w.response(f.c, f.head)
	f.w.compare(s, r)
	return r
}

// cut ends the sending half of the connection.
func (f *inflight) cut() *inflight {
	f.w.t.Helper()
	if err := f.c.(*net.TCPConn).CloseWrite(); err != nil {
		f.w.t.Fatal(err)
	}
	return f
}

// reset breaks the connection, and returns when the server has noticed.
func (f *inflight) reset() {
	f.w.t.Helper()
	if err := f.c.(*net.TCPConn).SetLinger(0); err != nil {
		f.w.t.Fatal(err)
	}
	f.c.Close()
	f.w.meter.gone(f.c)
}
