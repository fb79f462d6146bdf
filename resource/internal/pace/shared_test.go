package pace

import (
	"testing"
	"time"
)

// A wait counts from the end of the latest stall of another transfer, and of no other pause.
func TestShared(t *testing.T) {
	base := time.Now()
	at := func(s float64) time.Time { return base.Add(time.Duration(s * float64(time.Second))) }
	s := FromContext(NewContext(t.Context()))
	a, b := s.Begin(at(0)), s.Begin(at(0))
	from := func(what string, begin, now, want float64) {
		t.Helper()
		if got := a.From(at(begin), at(now)); !got.Equal(at(want)) {
			t.Errorf("%s: from %v on, want %v", what, got.Sub(base), at(want).Sub(base))
		}
	}
	a.Wait(at(0))
	b.Wait(at(0))
	from("both are waited for", 0, 5, 0)
	b.Took(at(5))
	from("a short pause", 0, 5.5, 0)
	from("a stall that lasts", 0, 8, 8)
	b.Wait(at(9))
	from("a stall that ended", 0, 20, 9)
	from("a wait that began after it", 10, 20, 10)
	b.Took(at(20))
	b.Wait(at(20.5))
	from("a short pause that ended", 10, 30, 10)
	b.Took(at(30))
	b.End(at(32))
	from("a stall that ended with its transfer", 10, 40, 32)
	a.Took(at(40))
	from("its own pause", 41, 50, 41)
	a.End(at(60))
	if len(s.turns) > 0 {
		t.Errorf("%d turns are left", len(s.turns))
	}

	alone := FromContext(t.Context()).Begin(at(0))
	alone.Wait(at(1))
	alone.Took(at(2))
	if got := alone.From(at(3), at(9)); !got.Equal(at(3)) {
		t.Error("a transfer that shares nothing")
	}
	alone.End(at(9))
}
