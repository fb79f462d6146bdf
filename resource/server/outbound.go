package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// outbound is the side of a connection that the server writes. Writes to it are given up when the client is too slow to
// take them: what counts is what the client has acknowledged, since the buffers of this side take much at once, and then
// nothing for long.
type outbound struct {
	limit pace.Limit

	mu     sync.Mutex // held while writing; guards what follows
	meter  pace.Meter
	sent   int64         // octets given to the connection
	taken  int64         // of them, acknowledged when that was last asked for
	waited time.Duration // in writes since then

	deadlineMu sync.Mutex // guards what follows, and deadlines of the connection
	deadline   time.Time  // that the user of the connection has set for writes
}

// Write writes all of p, unless the client takes it too slowly.
func (c *conn) Write(p []byte) (int, error) {
	if !c.outbound.limit.Limits() {
		return c.Conn.Write(p)
	}
	done := 0
	err := c.write(func() (int64, error) {
		n, err := c.Conn.Write(p[done:])
		done += n
		return int64(n), err
	})
	return done, err
}

// ReadFrom copies from r to the connection, with sendfile if the connection below can and r is a file, or an
// [io.LimitedReader] of one.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	rf, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	if !c.outbound.limit.Limits() {
		return rf.ReadFrom(r)
	}
	limited, _ := r.(*io.LimitedReader)
	var most int64
	source := r
	if limited != nil {
		most, source = limited.N, limited.R
	}
	seeker, ok := source.(io.Seeker)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	var done int64
	again := false
	err = c.write(func() (int64, error) {
		if again {
			// Where sendfile cannot be used, more may have been read than was written.
			if _, err := seeker.Seek(start+done, io.SeekStart); err != nil {
				return 0, err
			}
			if limited != nil {
				limited.N = most - done
			}
		}
		again = true
		n, err := rf.ReadFrom(r)
		done += n
		return n, err
	})
	return done, err
}

// write calls f, which writes to the connection below and goes on where its last call ended, for as long as all that ends
// it are deadlines that were set here, and the client is fast enough.
func (c *conn) write(f func() (int64, error)) error {
	o := &c.outbound
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		begin := time.Now()
		// Parts of the window, to see the client take something or not in each of them.
		deadline := begin.Add(min(o.meter.Left(), o.limit.Window()/4))
		own, err := c.setDeadline(deadline)
		if err != nil {
			return err
		}
		n, err := f()
		o.sent += n
		o.waited += time.Since(begin)
		timeout := own && errors.Is(err, os.ErrDeadlineExceeded)
		if timeout || o.waited > o.limit.Window()/64 {
			taken := max(o.taken, o.sent-unacknowledged(c.Conn))
			o.meter.Add(o.waited, taken-o.taken)
			o.taken, o.waited = taken, 0
		}
		if !timeout || o.meter.Left() <= 0 {
			return err
		}
	}
}

// setDeadline sets a deadline for the next write, and reports whether it comes before the one that the user of the
// connection has set.
func (c *conn) setDeadline(t time.Time) (bool, error) {
	c.outbound.deadlineMu.Lock()
	defer c.outbound.deadlineMu.Unlock()
	user := c.outbound.deadline
	if !user.IsZero() && user.Before(t) {
		return false, c.Conn.SetWriteDeadline(user)
	}
	return true, c.Conn.SetWriteDeadline(t)
}

// SetWriteDeadline sets the deadline for writes, for one that is under way too.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.outbound.deadlineMu.Lock()
	defer c.outbound.deadlineMu.Unlock()
	c.outbound.deadline = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets the deadlines for reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.SetWriteDeadline(t))
}

var _ net.Conn = (*conn)(nil)
