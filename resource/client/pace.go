package client

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// Slots bound how many goroutines do something at the same time: as many as the channel has room for. Nil is no bound.
type slots chan struct{}

// take waits for a slot. The function that it returns gives it back, the first time that it is called.
func (s slots) take(ctx context.Context) (back func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	select {
	case s <- struct{}{}:
		return sync.OnceFunc(func() { <-s }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A near says what a pace does about a server near by.
type near struct {
	response  time.Duration // its first response takes less than this
	headStart time.Duration // after this, a connection no longer keeps others from what it does
}

var defaultNear = near{5 * time.Millisecond, 250 * time.Millisecond}

// A pace keeps the connections of an upload to a server near by out of step. Left alone, they all hash, then they all
// send, and end together, since each gets an equal share of the network; and then they all wait for the disk of the
// server, which had nothing to do while they hashed and has nothing to do when they begin anew. So only some send at a
// time, which is enough to keep the server busy while the others wait for its acknowledgements, and one more hashes what
// is sent next: digests that are ahead of that take the processors from those who send. Where this is not enough,
// because the source is slow or each connection is, those that take long do not count. Servers further away get all that
// there is. The zero pace keeps nobody back.
type pace struct {
	near    near
	turns   slots // of those who hash and then send, until all is sent
	sending slots // of those who send
}

// learn takes note of how long the server took to respond to a request without content.
func (p *pace) learn(took time.Duration) {
	p.turns, p.sending = nil, nil
	if took < p.near.response {
		senders := max(2, runtime.GOMAXPROCS(0)/2)
		p.turns, p.sending = make(slots, senders+1), make(slots, senders)
	}
}

// begin waits until one more connection may begin with what s bounds. The function that it returns says that it is done
// with it.
func (p *pace) begin(ctx context.Context, s slots) (done func(), err error) {
	back, err := s.take(ctx)
	if err != nil || s == nil {
		return back, err
	}
	timer := time.AfterFunc(p.near.headStart, back)
	return func() {
		timer.Stop()
		back()
	}, nil
}
