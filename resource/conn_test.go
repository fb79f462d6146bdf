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
	"time"
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

// A meter knows how far the handler is with requests that have an X-Id field, so that a test can wait for it instead of
// for some time, and which connections were closed.
type meter struct {
	h http.Handler

	mu     sync.Mutex // guards what follows
	moved  *sync.Cond
	calls  map[string]*metered
	open   int                // connections
	closed map[string]bool    // connections, by the address of the client
	taken  map[string]*intake // likewise, if the server listens with listener
}

// An intake is what the server has taken from a connection.
type intake struct {
	n     int  // octets
	waits bool // the server waits for more
}

// A metered is one request.
type metered struct {
	read     int       // octets of content that the handler has taken
	waits    bool      // the handler waits for more
	deadline time.Time // for content, as the handler set it last; over HTTP/2 it sets none but one that is past
	http2    bool
	returned bool
	control  *http.ResponseController
}

func newMeter(h http.Handler) *meter {
	m := &meter{h: h, calls: make(map[string]*metered), closed: make(map[string]bool), taken: make(map[string]*intake)}
	m.moved = sync.NewCond(&m.mu)
	return m
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("X-Id"); id != "" {
		m.set(id, func(c *metered) { c.control, c.http2 = http.NewResponseController(w), r.ProtoMajor == 2 })
		defer m.set(id, func(c *metered) { c.returned = true })
		r = r.WithContext(r.Context())
		r.Body = &meteredBody{r.Body, m, id}
		w = &meteredWriter{w, m, id}
	}
	m.h.ServeHTTP(w, r)
}

// set changes what is known of the request id.
func (m *meter) set(id string, change func(*metered)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.call(id))
	m.moved.Broadcast()
}

// call returns what is known of the request id. The caller holds m.mu.
func (m *meter) call(id string) *metered {
	c := m.calls[id]
	if c == nil {
		c = new(metered)
		m.calls[id] = c
	}
	return c
}

// until returns when reached is true of the request id.
func (m *meter) until(id string, reached func(*metered) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !reached(m.call(id)) {
		m.moved.Wait()
	}
}

// wait returns when the handler has taken n octets of the content of the request id.
func (m *meter) wait(id string, n int) {
	m.until(id, func(c *metered) bool { return c.read >= n })
}

// read returns how many octets of the content of the request id the handler has taken.
func (m *meter) read(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.call(id).read
}

// starve returns when the handler has taken n octets of the content of the request id, and waits for more.
func (m *meter) starve(id string, n int) {
	m.until(id, func(c *metered) bool { return c.read >= n && c.waits })
}

// end returns when the handler is done with the request id, and forgets the request.
func (m *meter) end(id string) {
	m.until(id, func(c *metered) bool { return c.returned })
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.calls, id)
}

// expire has the time pass that the handler lets the request id wait for content. It reports whether that is bounded,
// which over HTTP/2 TestHTTP2Stall shows. The handler waits.
func (m *meter) expire(id string) bool {
	m.mu.Lock()
	c := *m.call(id)
	m.mu.Unlock()
	return (c.http2 || !c.deadline.IsZero()) && c.control.SetReadDeadline(time.Unix(1, 0)) == nil
}

func (m *meter) conn(c net.Conn, s http.ConnState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch s {
	case http.StateNew:
		m.open++
	case http.StateClosed:
		m.open--
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

// alone returns when the server has closed all connections.
func (m *meter) alone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.open > 0 {
		m.moved.Wait()
	}
}

// listener returns l such that took knows what the server takes from its connections.
func (m *meter) listener(l net.Listener) net.Listener { return &meteredListener{l, m} }

// took returns when the server has taken n octets from the connection c of a client, and waits for more.
func (m *meter) took(c net.Conn, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if in := m.taken[c.LocalAddr().String()]; in != nil && in.n == n && in.waits {
			return
		}
		m.moved.Wait()
	}
}

type meteredListener struct {
	net.Listener
	m *meter
}

func (l *meteredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	in := new(intake)
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.taken[c.RemoteAddr().String()] = in
	return &meteredConn{c.(*net.TCPConn), l.m, in}, nil
}

type meteredConn struct {
	*net.TCPConn
	m  *meter
	in *intake // guarded by m.mu
}

func (c *meteredConn) Read(p []byte) (int, error) {
	c.set(0, true)
	n, err := c.TCPConn.Read(p)
	c.set(n, false)
	return n, err
}

func (c *meteredConn) set(n int, waits bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.in.n += n
	c.in.waits = waits
	c.m.moved.Broadcast()
}

type meteredBody struct {
	io.ReadCloser
	m  *meter
	id string
}

func (b *meteredBody) Read(p []byte) (int, error) {
	b.m.set(b.id, func(c *metered) { c.waits = true })
	n, err := b.ReadCloser.Read(p)
	b.m.set(b.id, func(c *metered) { c.read, c.waits = c.read+n, false })
	return n, err
}

type meteredWriter struct {
	http.ResponseWriter
	m  *meter
	id string
}

func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *meteredWriter) SetReadDeadline(t time.Time) error {
	w.m.set(w.id, func(c *metered) { c.deadline = t })
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

// An inflight is a request on a connection of its own, whose content a test sends piece by piece.
type inflight struct {
	w    *world
	c    net.Conn
	head string
	id   string
	sent int // octets of content that the handler has taken
	size int // octets of the request that were written

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
	f.size += len(s)
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
