package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// Defaults of the fields of [Server].
const (
	DefaultReadHeaderTimeout    = 10 * time.Second
	DefaultIdleTimeout          = 2 * time.Minute
	DefaultWriteIdleTimeout     = time.Minute
	DefaultMinWriteRate         = 256
	DefaultPingInterval         = time.Minute
	DefaultMaxHeaderBytes       = 64 << 10
	DefaultShutdownGrace        = 30 * time.Second
	DefaultMaxConcurrentStreams = 128

	// Over a round trip of 50 ms, the largest window that net/http promises to take lets a connection send 80 MB/s, and
	// the former 2 MiB half of that. One request gets a quarter, so that requests which are not read leave something for
	// the others, and so that 64 connections with one upload each stay within 200 MiB on a disk that is slower than they
	// are; with 2 MiB it is 240. Near by, a larger window makes one connection no faster.
	DefaultStreamWindow = 1 << 20
	DefaultConnWindow   = MaxWindow
)

// Bounds of the windows of a [Server], in bytes: those that net/http promises to take.
const (
	MinStreamWindow = 16 << 10
	MinConnWindow   = 64 << 10
	MaxWindow       = 4<<20 - 1
)

// maxFrameSize is the largest HTTP/2 frame that is taken, in bytes: the least that may be announced (RFC 9113, Section
// 4.2). net/http reads a whole frame before a handler sees any of it, and keeps a buffer of that size for each connection;
// with its own limit of 1 MiB, a client that sends 10 KiB a second would look idle for a minute and a half.
const maxFrameSize = 16 << 10

// closeWait bounds how long Serve waits for handlers whose connections it closed.
const closeWait = 5 * time.Second

// ErrCutOff is returned by [Server.Serve] when requests in flight did not end
// within the grace time and were cut off.
var ErrCutOff = errors.New("requests in flight were cut off")

// A Server serves HTTP/1.1 and HTTP/2, with prior knowledge (RFC 9113, Section 3.3)
// as well. There is no limit on how long a body may take: a handler bounds the
// idleness of its body with [http.ResponseController.SetReadDeadline]. The fields
// must not change once Serve was called. Handlers must not hijack connections.
type Server struct {
	// Listener accepts the connections. Serve closes it. Connections are cleartext;
	// their HTTP/1.1 framing is guarded, see the package comment. Required.
	Listener net.Listener
	// Handler answers the requests. Required.
	Handler http.Handler
	// Logger receives structured messages. Default: slog.Default().
	Logger *slog.Logger
	// ReadHeaderTimeout bounds the time a client takes for a header section.
	// Default: 10 s; negative: none.
	ReadHeaderTimeout time.Duration
	// IdleTimeout bounds the time between two requests on a connection.
	// Default: 2 min; negative: none.
	IdleTimeout time.Duration
	// WriteIdleTimeout bounds the time in which a client takes nothing of a response
	// while the server waits to send more; then its connection is closed, or its HTTP/2
	// stream reset. How long the whole takes does not matter. A client that does not
	// read can so keep what the handler holds, open files for instance, for this long
	// and a quarter of it. Default: 1 min; negative: none.
	WriteIdleTimeout time.Duration
	// MinWriteRate is the least rate, in bytes per second, at which a client has to take
	// a response while the server waits to send more, on average over WriteIdleTimeout,
	// or over a minute if there is none. Default: 256, which the slowest of links
	// exceeds, shared by as many streams as a connection may have; negative: none.
	MinWriteRate int64
	// PingInterval is the time without a frame after which an HTTP/2 client is asked if
	// it is still there (RFC 9113, Section 6.7); it has the same time again to answer,
	// which has to suffice for what is buffered on the way to it. Then the connection is
	// closed. Default: 1 min; negative: never.
	PingInterval time.Duration
	// MaxConnections bounds the connections that are open at a time. Those beyond wait
	// to be accepted until another one closes: unlike one that is refused with 503, a
	// connection that waits takes no descriptor, and its client need not know how to try
	// again. Default: none.
	MaxConnections int
	// MaxHeaderBytes bounds a header section in bytes; net/http adds 4 KiB
	// to it. Default: 64 KiB.
	MaxHeaderBytes int
	// ShutdownGrace is the time that requests in flight have to end once the
	// context of Serve is done. Default: 30 s; negative: none.
	ShutdownGrace time.Duration
	// MaxConcurrentStreams bounds the requests in flight on one HTTP/2
	// connection. Default: 128.
	MaxConcurrentStreams int
	// StreamWindow and ConnWindow bound the bytes that one HTTP/2 request and
	// one HTTP/2 connection may send ahead of what handlers have read (RFC 9113,
	// Section 5.2), from MinStreamWindow and MinConnWindow to MaxWindow. A client
	// sends at most that much in one round trip. A disk that is slower than the
	// clients, or stalls, makes all connections together hold up to ConnWindow
	// times their number in memory. Defaults: 1 MiB, 4 MiB less one byte.
	StreamWindow int
	ConnWindow   int

	calls calls // of Handler
}

// Serve accepts connections and answers requests until ctx is done, then stops
// accepting, lets requests in flight end within ShutdownGrace, and closes what is
// left. It returns once no handler runs any more: nil after a shutdown without
// losses, [ErrCutOff] if requests were cut off, otherwise the error that ended
// accepting. The contexts of requests keep the values of ctx, but do not end
// with it. Serve may be called once.
func (s *Server) Serve(ctx context.Context) error {
	logger := s.Logger
	if logger == nil {
		logger = slog.Default()
	}
	listener := NewListener(s.Listener, true, logger)
	listener.WriteIdleTimeout, listener.MinWriteRate = s.slowest().Idle, s.slowest().Rate
	listener.MaxConnections = max(0, s.MaxConnections)
	srv := s.httpServer(ctx, logger)

	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		listener.drains.wait(0)
		err = errors.Join(fmt.Errorf("accept connections: %w", err), srv.Close())
		s.calls.wait(closeWait)
		return err
	case <-ctx.Done():
	}

	end := time.Now().Add(max(0, cmp.Or(s.ShutdownGrace, DefaultShutdownGrace)))
	grace, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	defer cancel()
	err := srv.Shutdown(grace)
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		listener.drains.wait(0)
		err = errors.Join(ErrCutOff, srv.Close())
	} else {
		listener.drains.wait(time.Until(end))
	}
	if !s.calls.wait(closeWait) {
		err = errors.Join(err, errors.New("handlers still run after their connections were closed"))
	}
	return err
}

// slowest returns how slowly a client may take a response.
func (s *Server) slowest() pace.Limit {
	return pace.Limit{
		Idle: max(0, cmp.Or(s.WriteIdleTimeout, DefaultWriteIdleTimeout)),
		Rate: max(0, cmp.Or(s.MinWriteRate, DefaultMinWriteRate)),
	}
}

// httpServer returns the server of net/http that does the work.
func (s *Server) httpServer(ctx context.Context, logger *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	ping := max(0, cmp.Or(s.PingInterval, DefaultPingInterval))
	return &http.Server{
		Handler:           s.handler(logger),
		Protocols:         &protocols,
		ReadHeaderTimeout: max(0, cmp.Or(s.ReadHeaderTimeout, DefaultReadHeaderTimeout)),
		IdleTimeout:       max(0, cmp.Or(s.IdleTimeout, DefaultIdleTimeout)),
		MaxHeaderBytes:    cmp.Or(s.MaxHeaderBytes, DefaultMaxHeaderBytes),
		// OPTIONS * is a matter of the handler.
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          cmp.Or(s.MaxConcurrentStreams, DefaultMaxConcurrentStreams),
			MaxReceiveBufferPerStream:     cmp.Or(s.StreamWindow, DefaultStreamWindow),
			MaxReceiveBufferPerConnection: cmp.Or(s.ConnWindow, DefaultConnWindow),
			MaxReadFrameSize:              maxFrameSize,
			SendPingTimeout:               ping,
			PingTimeout:                   ping,
		},
		// What requests of one connection share; of use for HTTP/2.
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return pace.NewContext(ctx) },
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:    slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// handler returns s.Handler with its panics logged, its calls counted, and its HTTP/2
// responses bounded in time.
func (s *Server) handler(logger *slog.Logger) http.Handler {
	slowest := s.slowest()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.calls.begin() {
			panic(http.ErrAbortHandler)
		}
		defer s.calls.end()
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				logger.ErrorContext(r.Context(), "handler panicked",
					"method", r.Method, "path", r.URL.EscapedPath(), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
		}()
		if r.ProtoMajor != 2 || !slowest.Limits() {
			s.Handler.ServeHTTP(w, r)
			return
		}
		st := newStream(w, slowest)
		s.Handler.ServeHTTP(st, r)
		st.end()
	})
}

// calls counts calls that are running, and stops new ones at the end. The zero value
// lets calls begin. (A sync.WaitGroup does not allow that while another goroutine waits.)
type calls struct {
	mu      sync.Mutex
	running int           // guarded by mu
	idle    chan struct{} // guarded by mu; not nil: no call may begin; closed when none runs
}

// begin notes the begin of a call, unless none may begin any more.
func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle != nil {
		return false
	}
	c.running++
	return true
}

// end notes the end of a call.
func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if c.idle != nil && c.running == 0 {
		close(c.idle)
	}
}

// wait lets no call begin any more and reports whether all have ended within d.
func (c *calls) wait(d time.Duration) bool {
	c.mu.Lock()
	c.idle = make(chan struct{})
	if c.running == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
	select {
	case <-c.idle:
		return true
	case <-time.After(d):
		return false
	}
}
