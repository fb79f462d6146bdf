package server

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

// slotsWarnEvery is the least time between two warnings about the limit of connections.
const slotsWarnEvery = time.Minute

// slots counts open connections, and makes those wait who would open one too many. The zero value has none open.
type slots struct {
	mu     sync.Mutex
	freed  *sync.Cond // of mu; nil until somebody has waited
	open   int        // guarded by mu
	closed bool       // guarded by mu
	warned time.Time  // guarded by mu
}

// take waits until fewer than most slots are taken, and takes one. With most 0 it does not wait. It returns
// [net.ErrClosed] once close was called.
func (s *slots) take(most int, logger *slog.Logger) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.freed == nil {
		s.freed = sync.NewCond(&s.mu)
	}
	for !s.closed && most > 0 && s.open >= most {
		if time.Since(s.warned) >= slotsWarnEvery {
			s.warned = time.Now()
			logger.Warn("as many connections as may be are open: others wait", "max", most)
		}
		s.freed.Wait()
	}
	if s.closed {
		return net.ErrClosed
	}
	s.open++
	return nil
}

// put gives one slot back.
func (s *slots) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.freed != nil {
		s.freed.Signal()
	}
}

// close lets nobody take a slot any more, or wait for one.
func (s *slots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.freed != nil {
		s.freed.Broadcast()
	}
}
