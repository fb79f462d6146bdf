package store

import (
	"errors"
	"runtime"
	"slices"
	"testing"
)

// await returns when n tickets are waiting behind the leader.
func (q *queue) await(n int) {
	for {
		q.mu.Lock()
		have := len(q.waiting)
		q.mu.Unlock()
		if have >= n {
			return
		}
		runtime.Gosched()
	}
}

// TestQueueBatches: what waits while somebody leads is taken together and in
// order, up to a ticket that wants to be alone.
func TestQueueBatches(t *testing.T) {
	var q queue
	first := &ticket{}
	if !q.enter(first) {
		t.Fatal("the first does not lead an empty queue")
	}
	if got := q.take(); !slices.Equal(got, []*ticket{first}) {
		t.Fatalf("took %v", got)
	}
	tickets := []*ticket{{}, {}, {alone: true}, {}}
	roles := make([]chan bool, len(tickets))
	for i, tk := range tickets {
		roles[i] = make(chan bool, 1)
		go func() { roles[i] <- q.enter(tk) }()
		q.await(i + 1)
	}
	q.leave()
	if lead := <-roles[0]; !lead {
		t.Fatal("the next in line does not lead")
	}
	if got := q.take(); !slices.Equal(got, tickets[:2]) {
		t.Fatalf("took %d tickets, want the two before the one alone", len(got))
	}
	tickets[1].err = errors.New("dealt with")
	tickets[1].wake <- false
	if lead := <-roles[1]; lead {
		t.Fatal("who was dealt with leads")
	}
	q.leave()
	if lead := <-roles[2]; !lead {
		t.Fatal("the one alone does not lead")
	}
	if got := q.take(); !slices.Equal(got, tickets[2:3]) {
		t.Fatalf("took %d tickets with the one alone", len(got))
	}
	q.leave()
	if lead := <-roles[3]; !lead {
		t.Fatal("the last does not lead")
	}
	q.take()
	q.leave()
	if q.led || len(q.waiting) > 0 {
		t.Fatal("the empty queue is led")
	}
}
