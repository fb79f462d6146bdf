package server

import (
	"net/http"
	"sync"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// Sizes in bytes of the pieces in which a stream is written, so that a slow client can be seen to take some of them: a
// write of net/http shows nothing before its end.
const (
	minPiece = 8 << 10
	maxPiece = 64 << 10
)

// A stream is the response of one HTTP/2 request. It is given up when the client is too slow to take it, be it that it
// grants no room for this stream alone (RFC 9113, Section 5.2), of which the connection knows nothing.
type stream struct {
	http.ResponseWriter
	control *http.ResponseController
	limit   pace.Limit
	meter   pace.Meter
	piece   int
	timer   *time.Timer

	mu      sync.Mutex // guards what follows
	waiting bool       // a write is under way
	until   time.Time  // when it is given up
}

func newStream(w http.ResponseWriter, limit pace.Limit) *stream {
	s := &stream{
		ResponseWriter: w, control: http.NewResponseController(w), limit: limit, meter: pace.NewMeter(limit), piece: minPiece,
	}
	s.timer = time.AfterFunc(limit.Window(), s.expire)
	s.timer.Stop()
	return s
}

// Unwrap returns what s writes to, for [http.ResponseController].
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Write writes p in pieces.
func (s *stream) Write(p []byte) (int, error) {
	done := 0
	for {
		piece := p[done:min(len(p), done+s.piece)]
		n, waited, err := s.inTime(func() (int, error) { return s.ResponseWriter.Write(piece) })
		done += n
		if err != nil || done == len(p) {
			return done, err
		}
		if waited > s.limit.Window()/8 {
			s.piece = minPiece
		} else {
			s.piece = min(2*s.piece, maxPiece)
		}
	}
}

// FlushError sends what is buffered.
func (s *stream) FlushError() error {
	_, _, err := s.inTime(func() (int, error) { return 1, s.control.Flush() }) // 1: the client took something
	return err
}

// Flush is FlushError for those who look for an [http.Flusher].
func (s *stream) Flush() { _ = s.FlushError() }

// inTime calls write, and resets the stream if that takes too long, which ends it.
func (s *stream) inTime(write func() (int, error)) (int, time.Duration, error) {
	begin := time.Now()
	left := s.meter.Left()
	s.mu.Lock()
	s.waiting, s.until = true, begin.Add(left)
	s.timer.Reset(left)
	s.mu.Unlock()

	n, err := write()

	s.mu.Lock()
	s.waiting = false
	s.timer.Stop()
	s.mu.Unlock()
	waited := time.Since(begin)
	s.meter.Add(waited, int64(n))
	return n, waited, err
}

// expire resets the stream if a write is under way that takes too long. A timer that was stopped may still run it.
func (s *stream) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.waiting && !now.Before(s.until) {
		// The response is still there, as its handler runs. A write that ends well at this moment finds itself reset.
		_ = s.control.SetWriteDeadline(now.Add(-time.Second))
	}
}

// end bounds the time for what net/http writes after the handler has returned: the end of the response, which may be all
// of a short one.
func (s *stream) end() {
	_ = s.control.SetWriteDeadline(time.Now().Add(max(time.Millisecond, s.meter.Left())))
}
