package store

import (
	"errors"
	"runtime"
	"testing"
)

// TestGroup: a run serves those who asked before it started, all of them, and
// nobody who asked after.
func TestGroup(t *testing.T) {
	var g group
	started, finish := make(chan int), make(chan error)
	runs := 0
	f := func() error {
		runs++
		started <- runs
		return <-finish
	}
	results := make(chan error)
	ask := func() { results <- g.do(f) }

	go ask()
	<-started // 1 is under way: it does not serve who asks now
	for range 3 {
		go ask()
	}
	for waiting := false; !waiting; runtime.Gosched() {
		g.mu.Lock()
		waiting = g.next != nil
		g.mu.Unlock()
	}
	select {
	case err := <-results:
		t.Fatalf("somebody was served by a run that has not ended: %v", err)
	default:
	}
	first := errors.New("first")
	finish <- first
	if err := <-results; err != first {
		t.Fatalf("got %v", err)
	}
	second := errors.New("second")
	served := 0
	for served < 3 {
		select {
		case <-started:
			finish <- second
		case err := <-results:
			if err != second {
				t.Fatalf("served by the first run: %v", err)
			}
			served++
		}
	}
	if runs < 2 || runs > 4 {
		t.Errorf("%d runs", runs)
	}
}
