package client

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Defaults of Retry.
const (
	DefaultAttempts   = 10
	DefaultMinBackoff = 200 * time.Millisecond
	DefaultMaxBackoff = 30 * time.Second
	DefaultMaxWait    = 10 * time.Minute
)

// Retry says when a transfer that was interrupted goes on. The zero value has the defaults.
type Retry struct {
	// Attempts is how many times in a row a transfer may fail without any progress in between, before it is given up. 1
	// never tries again. Failures of several connections at the same time count once. Default: DefaultAttempts.
	Attempts int

	// MinBackoff is the time to wait after the first failure. It doubles with each further one, up to MaxBackoff. The
	// time that is waited is random, from half of that to all of it, so that clients which were cut off together do not
	// come back together. Defaults: DefaultMinBackoff, DefaultMaxBackoff.
	MinBackoff, MaxBackoff time.Duration

	// MaxWait is the longest Retry-After that is obeyed; if the server asks for more, the transfer is given up. Default:
	// DefaultMaxWait.
	MaxWait time.Duration

	// Notify, if it is not nil, is told of each failure after which the transfer goes on, and the time until then. It
	// may be called by several goroutines.
	Notify func(err error, wait time.Duration)
}

// pause returns how long to wait after the n-th failure in a row, the first one being 1, with err. The error is final.
func (r *Retry) pause(n int, err error) (time.Duration, error) {
	var e *Error
	if !errors.As(err, &e) || !e.Temporary() {
		return 0, err
	}
	if n >= r.attempts() {
		if n > 1 {
			err = fmt.Errorf("given up after %d attempts: %w", n, err)
		}
		return 0, err
	}
	after := e.retryAfter(time.Now())
	if longest := cmp.Or(r.MaxWait, DefaultMaxWait); after > longest {
		return 0, fmt.Errorf("the server asks to come back after %v: %w", after.Round(time.Second), err)
	}
	return max(r.backoff(n), after), nil
}

func (r *Retry) attempts() int { return cmp.Or(r.Attempts, DefaultAttempts) }

// backoff returns how long to wait after the n-th failure in a row, if nobody asks for more.
func (r *Retry) backoff(n int) time.Duration {
	d := cmp.Or(r.MinBackoff, DefaultMinBackoff)
	most := max(d, cmp.Or(r.MaxBackoff, DefaultMaxBackoff))
	for range n - 1 {
		if d = min(most, 2*d); d == most {
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

// again waits until the next attempt after the n-th failure in a row. The error is final.
func (c *Client) again(ctx context.Context, n int, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d, err2 := c.Retry.pause(n, err)
	if err2 != nil {
		return err2
	}
	if c.Retry.Notify != nil {
		c.Retry.Notify(err, d)
	}
	return c.wait(ctx, d)
}

// wait waits for d, or until ctx ends.
func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.sleep != nil {
		return c.sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retry calls f until it succeeds or its error is final.
func (c *Client) retry(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		if err := c.again(ctx, n, err); err != nil {
			return err
		}
	}
}

// randomKey returns a value of Idempotency-Key that does not come twice.
func randomKey() string { return crand.Text() }

// random returns a random number from 0 to n-1.
func (c *Client) random(n int64) int64 {
	if c.seed != nil {
		return c.seed(n)
	}
	return rand.Int64N(n)
}
