package store

import "sync"

// A group lets callers that want the same effect share one run of it. A run
// serves exactly those that asked before it started, so that a sync covers
// every write that had returned by then. Runs do not overlap: whatever a
// failed run marks is seen by the next.
type group struct {
	run  sync.Mutex // held while the effect runs
	mu   sync.Mutex // guards next
	next *groupRun  // asked for and not started
}

type groupRun struct {
	done chan struct{}
	err  error
}

// do runs f, or waits for a run that starts after this call and returns its error.
func (g *group) do(f func() error) error {
	g.mu.Lock()
	if r := g.next; r != nil {
		g.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &groupRun{done: make(chan struct{})}
	g.next = r
	g.mu.Unlock()

	g.run.Lock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	defer close(r.done)
	defer g.run.Unlock()
	r.err = f()
	return r.err
}
