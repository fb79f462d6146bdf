package client

import (
	"context"
	"sync"
	"time"

	"github.com/infill-http/infill/ranges"
)

// A transfer lets several connections work on one plan, and holds all of them when one fails, until the state is known
// anew.
type transfer struct {
	mu       sync.Mutex
	plan     plan
	digest   Digest        // of the whole, once it is known
	changed  chan struct{} // closed, and replaced, when waiting for work may be over
	failures int           // in a row, without progress
	epoch    int           // failures that were counted
	paused   bool          // one connection finds out the state
	ended    bool          // the transfer is complete
}

// A claim is work that one connection has to do.
type claim struct {
	ranges.Range
	epoch   int
	begun   time.Time
	latency time.Duration // until the first byte of the response; 0 if that is not known
}

// wake lets those that wait look again. The mutex is held.
func (t *transfer) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// claim returns work, and false if there is none left. It waits while all that is left is in the hands of others.
func (t *transfer) claim(ctx context.Context) (claim, bool) {
	for ctx.Err() == nil {
		t.mu.Lock()
		if t.ended {
			t.mu.Unlock()
			return claim{}, false
		}
		if !t.paused {
			if r, ok := t.plan.next(); ok {
				cl := claim{Range: r, epoch: t.epoch, begun: time.Now()}
				t.mu.Unlock()
				return cl, true
			}
			if t.plan.busy.Empty() && t.plan.held.Empty() {
				t.mu.Unlock()
				return claim{}, false
			}
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return claim{}, false
}

// work lets n connections do claims until there are none left. f does one, and its error ends the whole transfer.
func (t *transfer) work(ctx context.Context, n int, f func(context.Context, claim) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for {
				cl, ok := t.claim(ctx)
				if !ok {
					return
				}
				if err := f(ctx, cl); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// succeeded notes that all of cl was done.
func (t *transfer) succeeded(cl claim) {
	t.mu.Lock()
	defer t.mu.Unlock()
	took := time.Since(cl.begun)
	if t.plan.fast == fastFetch && cl.latency > took/10 {
		took = 0 // it waited more than it received
	}
	t.plan.done(cl.Range, took)
	t.failures = 0
	t.wake()
}

// learn notes that the bytes of s are done.
func (t *transfer) learn(s ranges.Set) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plan.learn(s) {
		t.failures = 0
		t.wake()
	}
}

// failed notes that cl was not done because of err. If no other connection has failed since cl was claimed, it waits and
// calls recover, which finds out the state, again and again until that succeeds; meanwhile nobody gets work. The error is
// final.
func (t *transfer) failed(ctx context.Context, c *Client, cl claim, err error, recover func() error) error {
	t.mu.Lock()
	t.plan.failed(cl.Range)
	first := cl.epoch == t.epoch
	if first {
		t.epoch++
		t.paused = true
	}
	t.wake()
	t.mu.Unlock()
	if !first {
		if temporary(err) {
			return nil
		}
		return err
	}
	for {
		t.mu.Lock()
		t.failures++
		n := t.failures
		t.mu.Unlock()
		if err = c.again(ctx, n, err); err != nil {
			return err
		}
		if err = recover(); err == nil {
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = false
	t.wake()
	return nil
}
