package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// A target is a server, its clients, and what they made on it.
type target struct {
	Target
	driver  driver
	clients []*client
	prefix  string // of all names

	mu    sync.Mutex     // guards what follows
	made  map[string]int // URL of each resource: depth of the stage that it is kept for
	stage int
	names int // that were given
	left  int // resources that could not be deleted
}

// errNotPossible is a workload that a protocol cannot do.
var errNotPossible = errors.New("not possible")

// newTarget returns a target whose clients have not yet connected.
func newTarget(t Target, c *Config, prefix string) (*target, error) {
	d, err := newDriver(t, c.S3)
	if err != nil {
		return nil, err
	}
	tgt := &target{Target: t, driver: d, prefix: prefix, made: make(map[string]int)}
	for i := range c.Connections {
		tgt.clients = append(tgt.clients, newClient(tgt, i, c.HTTP2))
	}
	return tgt, nil
}

// probe finds out whether the target can be used: whether a resource can be made
// and deleted.
func (t *target) probe(ctx context.Context) error {
	ctx, cancel := outlast(ctx, grace)
	defer cancel()
	c := t.clients[0]
	if err := t.driver.open(ctx, c); err != nil {
		return fmt.Errorf("%s (%s): %w", t.URL, t.Protocol, err)
	}
	_, err := t.driver.create(ctx, c, t.name(), 1)
	if err != nil {
		err = fmt.Errorf("%s (%s): cannot make a resource: %w", t.URL, t.Protocol, err)
	}
	// It may be there although it is not as it should be.
	if lerr := t.leave(ctx); lerr != nil && err == nil {
		err = fmt.Errorf("%s (%s): cannot delete a resource: %w", t.URL, t.Protocol, lerr)
	}
	return err
}

// name returns a name that was not used before. It has no "/", so that nothing has
// to exist above it.
func (t *target) name() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names++
	return fmt.Sprintf("%s%d", t.prefix, t.names)
}

// keep remembers a resource that is to be deleted at the end of the stage. Where the
// client chooses the URL, this comes before the request that makes the resource.
func (t *target) keep(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made[url] = t.stage
}

// forget is called when a resource was deleted.
func (t *target) forget(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.made, url)
}

// enter begins a stage inside of the present one, leave ends it: all that was made in
// it is deleted. The error is that of the first resource that stays.
func (t *target) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stage++
}

func (t *target) leave(ctx context.Context) error {
	t.mu.Lock()
	var urls []string
	for url, stage := range t.made {
		if stage == t.stage {
			urls = append(urls, url)
		}
	}
	t.stage--
	t.mu.Unlock()
	errs := make([]error, len(t.clients))
	share(t.clients, len(urls), func(c *client, worker, i int) {
		if err := c.remove(ctx, urls[i]); err != nil {
			errs[worker] = err
			t.mu.Lock()
			t.left++
			t.mu.Unlock()
		}
		t.forget(urls[i])
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// share lets the clients call f with each of the numbers below n, once, and waits
// until all have returned.
func share(clients []*client, n int, f func(c *client, worker, i int)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for worker, c := range clients[:min(n, len(clients))] {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				f(c, worker, i)
			}
		})
	}
	wg.Wait()
}

// Times for which a resource is tried to be deleted.
const (
	removeTries = 5
	removePause = 200 * time.Millisecond
)

// remove deletes a resource, and tries again if the server is still busy with an
// upload to it that was interrupted. That there is none is no error.
func (c *client) remove(ctx context.Context, url string) error {
	for try := 1; ; try++ {
		_, err := c.do(ctx, 0, http.MethodDelete, url, nil)
		var status *statusError
		if err == nil || errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone) {
			return nil
		}
		if try == removeTries || status == nil || ctx.Err() != nil {
			return err
		}
		switch status.code {
		case http.StatusConflict, http.StatusLocked, http.StatusServiceUnavailable:
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(removePause):
		}
	}
}

// close ends the connections.
func (t *target) close() {
	for _, c := range t.clients {
		c.http.CloseIdleConnections()
	}
}
