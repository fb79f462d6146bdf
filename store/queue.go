package store

import "sync"

// A queue orders the commits to one name. Commits that wait while another is
// written are evaluated in order and written as one batch by the first of
// them. No lock is held while a batch is written, only the lead.
type queue struct {
	mu      sync.Mutex
	led     bool
	waiting []*ticket
}

// A ticket is a place in a queue.
type ticket struct {
	// eval returns the state that follows cur (cur itself: nothing to do; nil:
	// absent), noting in b what the batch needs beyond the difference of
	// states. It is called once, by whoever leads.
	eval func(cur *state, b *batch) (*state, error)
	// alone keeps the ticket from being taken with others: its owner leads,
	// does what it has to, and leaves.
	alone bool

	err  error
	wake chan bool // true: lead; false: done
}

// enter queues a ticket and returns when its owner leads (true) or when
// somebody else has dealt with it (false).
func (q *queue) enter(t *ticket) (lead bool) {
	q.mu.Lock()
	q.waiting = append(q.waiting, t)
	if !q.led {
		q.led = true
		q.mu.Unlock()
		return true
	}
	t.wake = make(chan bool, 1)
	q.mu.Unlock()
	return <-t.wake
}

// take removes from the queue what the leader, whose ticket is the first,
// deals with now.
func (q *queue) take() []*ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 1
	if !q.waiting[0].alone {
		for n < len(q.waiting) && !q.waiting[n].alone {
			n++
		}
	}
	ts := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return ts
}

// leave hands the lead to the next in the queue, if any.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.led, q.waiting = false, nil
		return
	}
	q.waiting[0].wake <- true
}
