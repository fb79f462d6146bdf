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
	headStart time.Duration // after this, one that sends no longer keeps another from it
}

var defaultNear = near{5 * time.Millisecond, 250 * time.Millisecond}

// A pace keeps the connections of an upload out of step. Left alone, they all hash, then they all send, and end
// together, since each gets an equal share of the network; and then they all wait for the disk of the server, which had
// nothing to do while they hashed and has nothing to do when they begin anew. So only some hash at a time, and only some
// begin to send to a server near by, which few connections keep busy while the others wait for its acknowledgements.
// Further away it takes all of them, and they are out of step by themselves.
type pace struct {
	near             near
	hashing, sending slots
}

func newPace(n *near) pace {
	return pace{near: *n, hashing: make(slots, max(1, runtime.GOMAXPROCS(0)/2))}
}

// learn takes note of how long the server took to respond to a request without content.
func (p *pace) learn(took time.Duration) {
	p.sending = nil
	if took < p.near.response {
		p.sending = make(slots, max(2, runtime.GOMAXPROCS(0)/2))
	}
}

// begin waits until one more connection may begin to send. The function that it returns says that it has sent all.
func (p *pace) begin(ctx context.Context) (sent func(), err error) {
	back, err := p.sending.take(ctx)
	if err != nil || p.sending == nil {
		return back, err
	}
	timer := time.AfterFunc(p.near.headStart, back)
	return func() {
		timer.Stop()
		back()
	}, nil
}
