package pace

import (
	"context"
	"sync"
	"time"
)

// stall is for how long a transfer is left alone before that counts for others.
const stall = time.Second

// A Shared is what the transfers share that go over one connection and one window of flow control: while one of them is
// not taken from, because the disk stalls for instance, what was sent of it can use up the window, and keep the peer from
// sending anything of the others. That is not held against them. It is safe for concurrent use.
type Shared struct {
	mu    sync.Mutex
	turns map[*Turn]struct{} // guarded by mu
	last  time.Time          // guarded by mu; when the latest stall ended
}

type sharedKey struct{}

// NewContext returns a context for a connection, with a Shared of its own.
func NewContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, sharedKey{}, &Shared{turns: make(map[*Turn]struct{})})
}

// FromContext returns the Shared of ctx, or nil if it has none.
func FromContext(ctx context.Context) *Shared {
	s, _ := ctx.Value(sharedKey{}).(*Shared)
	return s
}

// A Turn is the part of one transfer in a Shared. A nil Turn is alone.
type Turn struct {
	shared *Shared
	since  time.Time // guarded by shared.mu; since when nothing is taken, zero while the peer is waited for
}

// Begin adds a transfer that is not taken from yet. It must be ended.
func (s *Shared) Begin(now time.Time) *Turn {
	if s == nil {
		return nil
	}
	t := &Turn{shared: s, since: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turns[t] = struct{}{}
	return t
}

// Wait notes that the peer is waited for from now on.
func (t *Turn) Wait(now time.Time) {
	if t == nil {
		return
	}
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	t.endLocked(now)
}

// Took notes that the peer is waited for no more.
func (t *Turn) Took(now time.Time) {
	if t == nil {
		return
	}
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	t.since = now
}

// End removes t, which keeps nobody from sending any more.
func (t *Turn) End(now time.Time) {
	if t == nil {
		return
	}
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	t.endLocked(now)
	delete(t.shared.turns, t)
}

func (t *Turn) endLocked(now time.Time) {
	if !t.since.IsZero() && now.Sub(t.since) >= stall {
		t.shared.last = now
	}
	t.since = time.Time{}
}

// From returns from when on the time since begin counts as waiting for the peer: from the end of the latest stall of
// another transfer, which is now if it lasts.
func (t *Turn) From(begin, now time.Time) time.Time {
	if t == nil {
		return begin
	}
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	for other := range t.shared.turns {
		if other != t && !other.since.IsZero() && now.Sub(other.since) >= stall {
			return now
		}
	}
	if t.shared.last.After(begin) {
		return t.shared.last
	}
	return begin
}
