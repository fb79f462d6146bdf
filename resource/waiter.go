package resource

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// A waiter reads the content of one request as long as it comes fast enough. What counts is the time inside of read: while
// this server does something else with the content, more of it waits in the buffers of the connection, and comes at once.
// One goroutine uses it.
type waiter struct {
	content io.Reader
	control *http.ResponseController
	limit   pace.Limit
	meter   pace.Meter

	// Of HTTP/2: a deadline of net/http would end the content also when it passes while nobody reads, and the content of
	// other requests can take up the window of the connection.
	shares bool
	turn   *pace.Turn
	timer  *time.Timer // runs during a read; nil before the first one

	mu      sync.Mutex // guards what follows, and meter where shares is true
	reading bool
	begin   time.Time // of the latest read
}

func (w *waiter) init(r *http.Request, control *http.ResponseController, limit pace.Limit) {
	w.content, w.control, w.limit, w.meter = r.Body, control, limit, pace.NewMeter(limit)
	w.shares = r.ProtoMajor > 1
	if w.shares && limit.Limits() {
		w.turn = pace.FromContext(r.Context()).Begin(time.Now())
	}
}

// end is called after the last read, or instead of it.
func (w *waiter) end() {
	w.turn.End(time.Now())
	w.turn = nil
}

// read reads content. The error wraps os.ErrDeadlineExceeded if it came too slowly.
func (w *waiter) read(p []byte) (int, error) {
	switch {
	case !w.limit.Limits():
		return w.content.Read(p)
	case w.shares:
		return w.readShared(p)
	}
	begin := time.Now()
	deadline := begin.Add(w.meter.Left())
	// A server without deadlines, as in a test, has no such limits either.
	_ = w.control.SetReadDeadline(deadline)
	n, err := w.content.Read(p)
	w.meter.Add(time.Since(begin), int64(n))
	switch {
	case err == nil:
	case err == io.EOF:
		_ = w.control.SetReadDeadline(time.Time{}) // or it would end the wait for the next request
	case !time.Now().Before(deadline):
		// In the trailer section, net/http calls every error an unexpected end.
		err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	return n, err
}

// readShared is read for HTTP/2.
func (w *waiter) readShared(p []byte) (int, error) {
	begin := time.Now()
	w.turn.Wait(begin)
	w.mu.Lock()
	w.begin, w.reading = begin, true
	if left := w.meter.Left(); w.timer == nil {
		w.timer = time.AfterFunc(left, w.expire)
	} else {
		w.timer.Reset(left)
	}
	w.mu.Unlock()

	n, err := w.content.Read(p)

	w.timer.Stop()
	now := time.Now()
	w.turn.Took(now)
	w.mu.Lock()
	w.reading = false
	w.meter.Add(now.Sub(w.turn.From(begin, now)), int64(n))
	w.mu.Unlock()
	if err != nil {
		w.end()
	}
	return n, err
}

// expire ends the content if it has been waited for too long.
func (w *waiter) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reading {
		return
	}
	now := time.Now()
	if left := w.meter.Left() - now.Sub(w.turn.From(w.begin, now)); left > 0 {
		w.timer.Reset(left)
		return
	}
	_ = w.control.SetReadDeadline(now.Add(-time.Second)) // a time that is past ends it at once
}
