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
	sender *sender       // nil: none was made yet, or none can be
	copies bool          // shared files cannot be sent, so they are copied

	deadlineMu sync.Mutex // guards what follows, and deadlines of the connection
	deadline   time.Time  // that the user of the connection has set for writes
	own        time.Time  // that was set here for the last write; zero: none is
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
// [io.LimitedReader] of one or of a sharedFile.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if done, copied, err := c.sendShared(r); !copied {
		return done, err
	}
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

// A sharedFile reads a file that others read too, at offsets of their own, so that one descriptor does for many
// responses, and no request has to open one.
type sharedFile interface {
	io.Reader
	// FileAt returns the file, or nil if there is none, and the offset of the byte that is to be read next.
	FileAt() (f *os.File, off int64)
	// Seek says which byte is read next.
	io.Seeker
}

// sendShared sends what r reads if that is some of a sharedFile, with sendfile. If it reports that r has to be copied,
// nothing was sent and nothing was read.
func (c *conn) sendShared(r io.Reader) (done int64, copied bool, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok || limited.N <= 0 {
		return 0, true, nil
	}
	shared, ok := limited.R.(sharedFile)
	if !ok {
		return 0, true, nil
	}
	f, start := shared.FileAt()
	if f == nil {
		return 0, true, nil
	}
	most := limited.N
	err = c.write(func() (int64, error) {
		o := &c.outbound
		if o.sender == nil && !o.copies {
			o.sender = newSender(c.Conn)
		}
		if copied = o.sender == nil; copied {
			o.copies = true
			return 0, nil
		}
		n, err := o.sender.send(f, start+done, most-done)
		done += n
		if copied = done == 0 && refused(err); copied {
			err = nil
		}
		return n, err
	})
	if copied || err != nil {
		return done, copied, err
	}
	limited.N -= done
	_, err = shared.Seek(start+done, io.SeekStart)
	return done, false, err
}

// write calls f, which writes to the connection below and goes on where its last call ended, for as long as all that ends
// it are deadlines that were set here, and the client is fast enough.
func (c *conn) write(f func() (int64, error)) error {
	o := &c.outbound
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.limit.Limits() {
		_, err := f()
		return err
	}
	for {
		begin := time.Now()
		// Parts of the window, to see the client take something or not in each of them.
		deadline := begin.Add(min(o.meter.Left(), o.limit.Window()/4))
		own, err := c.setDeadline(begin, deadline)
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

// setDeadline sets a deadline for a write that begins now, and reports whether it comes before the one that the user of the
// connection has set. It may be up to twice as near as t: that of the write before stays if it does, because to set one
// costs much of what it costs to write a little.
func (c *conn) setDeadline(now, t time.Time) (bool, error) {
	o := &c.outbound
	o.deadlineMu.Lock()
	defer o.deadlineMu.Unlock()
	if !o.deadline.IsZero() && o.deadline.Before(t) {
		o.own = time.Time{}
		return false, c.Conn.SetWriteDeadline(o.deadline)
	}
	if !o.own.After(t) && o.own.Sub(now) > t.Sub(now)/2 {
		return true, nil
	}
	o.own = t
	return true, c.Conn.SetWriteDeadline(t)
}

// SetWriteDeadline sets the deadline for writes, for one that is under way too.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.outbound.deadlineMu.Lock()
	defer c.outbound.deadlineMu.Unlock()
	c.outbound.deadline, c.outbound.own = t, time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets the deadlines for reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.SetWriteDeadline(t))
}

var _ net.Conn = (*conn)(nil)
