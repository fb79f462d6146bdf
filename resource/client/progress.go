package client

import (
	"sync"
	"time"
)

// Progress is how far a transfer is.
type Progress struct {
	Size  int64 // bytes of the whole, -1 if that is not known
	Done  int64 // bytes that are there for good: committed on the server, or written to the file; by whomever
	Moved int64 // bytes that this client has sent or received, whether they arrived or not
}

// progressEvery is how often a callback is called at most.
const progressEvery = 50 * time.Millisecond

// A reporter calls a callback, one call at a time.
type reporter struct {
	mu   sync.Mutex
	f    func(Progress) // may be nil
	now  Progress
	last time.Time
}

// moved counts bytes.
func (r *reporter) moved(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Moved += int64(n)
	r.call(false)
}

// total returns how many bytes were moved.
func (r *reporter) total() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now.Moved
}

// done says what is there for good. If end is set, the callback is called in any case.
func (r *reporter) done(n int64, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Done = n
	r.call(end)
}

// stop ends all calls. A connection that is closed may still hand out bytes for a moment.
func (r *reporter) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.f = nil
}

func (r *reporter) call(end bool) {
	if r.f == nil {
		return
	}
	if now := time.Now(); end || now.Sub(r.last) >= progressEvery {
		r.last = now
		r.f(r.now)
	}
}
