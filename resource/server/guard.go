package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// preface is what a client sends first on an HTTP/2 connection (RFC 9113, Section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// How long a connection is still read after its last response, so that a client
// that is writing a request gets to read why it was refused (RFC 9112, Section 9.6).
const (
	lingerTime = 5 * time.Second // in all
	lingerIdle = time.Second     // without an octet
)

// A Listener accepts connections whose inbound HTTP/1.1 framing is checked as the
// package comment says. Make one with [NewListener]. The fields must not change once
// Accept was called.
type Listener struct {
	net.Listener
	// WriteIdleTimeout and MinWriteRate bound how slowly a client may take what it is
	// sent, as those of [Server] do. Defaults: none.
	WriteIdleTimeout time.Duration
	MinWriteRate     int64
	// MaxConnections bounds the connections that are open at a time: at the bound,
	// Accept waits for one to close. Default: none.
	MaxConnections int

	logger *slog.Logger
	http2  bool
	drains calls // connections that are closed, but still read
	slots  slots // of MaxConnections
}

// NewListener returns a listener for cleartext HTTP over l. With http2, connections
// that begin with the HTTP/2 preface are passed through unchanged; without, they
// are refused as malformed HTTP/1.1. Connections that are refused are logged at
// Debug to logger; nil means [slog.Default]. A listener whose connections are TLS
// must not be wrapped, for net/http would not recognize them.
func NewListener(l net.Listener, http2 bool, logger *slog.Logger) *Listener {
	if logger == nil {
		logger = slog.Default()
	}
	return &Listener{Listener: l, logger: logger, http2: http2}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	if err := l.slots.take(l.MaxConnections, l.logger); err != nil {
		return nil, err
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.slots.put()
		return nil, err
	}
	limit := pace.Limit{Idle: l.WriteIdleTimeout, Rate: l.MinWriteRate}
	return &conn{
		Conn: c, listener: l, sniffed: !l.http2, outbound: outbound{limit: limit, meter: pace.NewMeter(limit)},
	}, nil
}

// Close stops accepting. Connections stay open.
func (l *Listener) Close() error {
	l.slots.close()
	return l.Listener.Close()
}

// conn is a connection with a guarded inbound stream. Its other direction is bounded
// in time, see outbound.go. Its addresses are those of the connection below.
//
// Like any user of a net.Conn here, net/http has at most one Read under way;
// the fields without a note belong to it.
type conn struct {
	net.Conn
	listener *Listener

	framing framing
	sniffed bool   // it is known which protocol this is
	through bool   // it is HTTP/2
	refused bool   // nothing is read any more
	out     []byte // to be returned before anything is read
	seen    int    // octets of the preface that were seen

	outbound outbound

	linger atomic.Bool // the client may be in the middle of a request
	closed atomic.Bool // Close was called
	ended  atomic.Bool // the connection below was closed
}

// Read reads octets that net/http understands as they were meant.
func (c *conn) Read(p []byte) (int, error) {
	if !c.sniffed {
		if err := c.sniff(); err != nil {
			return 0, err
		}
	}
	if len(c.out) > 0 {
		n := copy(p, c.out)
		c.out = c.out[n:]
		return n, nil
	}
	if c.refused {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if c.through || n == 0 {
		return n, err
	}
	good, bad := c.framing.next(p[:n])
	c.linger.Store(bad != nil || c.framing.state != atMessage)
	switch {
	case bad == nil:
		return n, err
	case good > 0:
		c.refuse(bad)
		return good, nil
	}
	c.refuse(bad)
	return c.Read(p)
}

// sniff reads until it is known whether the connection is HTTP/2. An error
// leaves what was read for the next call: it may be that of a deadline.
func (c *conn) sniff() error {
	var buf [len(preface)]byte
	copy(buf[:], preface[:c.seen])
	for c.seen < len(preface) {
		n, err := c.Conn.Read(buf[c.seen:])
		for i := range n {
			if buf[c.seen+i] != preface[c.seen+i] {
				c.begin(buf[:c.seen+n])
				return nil
			}
		}
		c.seen += n
		if err != nil && c.seen < len(preface) {
			return err
		}
	}
	c.sniffed, c.through = true, true
	c.out = buf[:]
	return nil
}

// begin takes the first octets of an HTTP/1 connection.
func (c *conn) begin(b []byte) {
	c.sniffed = true
	good, bad := c.framing.next(b)
	c.out = b[:good:good]
	c.linger.Store(bad != nil || c.framing.state != atMessage)
	if bad != nil {
		c.refuse(bad)
	}
}

// refuse ends the inbound stream in a way that net/http takes for an error.
func (c *conn) refuse(reason error) {
	c.refused = true
	c.out = append(c.out, c.framing.refusal()...)
	c.listener.logger.LogAttrs(context.Background(), slog.LevelDebug, "refused message framing",
		slog.String("remote", c.RemoteAddr().String()), slog.Any("err", reason))
}

// CloseWrite ends the outbound stream, if the connection below can do that alone.
func (c *conn) CloseWrite() error {
	if cw, ok := c.Conn.(closeWriter); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}

type closeWriter interface{ CloseWrite() error }

// NetConn returns the connection below. Who reads from it bypasses the guard.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Close closes the connection. If the client may be writing a request of which the
// rest is not wanted, or has sent more requests that nobody will read, reading goes
// on for a short time after Close has returned, so that the client gets to read the
// response: closing at once would reset the connection and destroy the response on
// its way. A second call closes at once.
func (c *conn) Close() error {
	if c.closed.Swap(true) || !c.linger.Load() && unread(c.Conn) == 0 || !c.listener.drains.begin() {
		return c.end()
	}
	go func() {
		defer c.listener.drains.end()
		c.drain()
		c.end()
	}()
	return nil
}

// end closes the connection below.
func (c *conn) end() error {
	err := c.Conn.Close()
	if !c.ended.Swap(true) {
		c.listener.slots.put()
	}
	return err
}

// drain ends the outbound stream and reads until the client has ended its own.
func (c *conn) drain() {
	if c.CloseWrite() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	buf := make([]byte, 16<<10)
	for {
		deadline := time.Now().Add(lingerIdle)
		if deadline.After(end) {
			deadline = end
		}
		if c.Conn.SetReadDeadline(deadline) != nil {
			return
		}
		if _, err := c.Conn.Read(buf); err != nil {
			return
		}
	}
}
