package store

import "time"

// A clock is where a store has the time from. Tests have one of their own.
type clock interface {
	now() time.Time
	// wait returns a channel that gets a value at a time, and a function that
	// ends the wait.
	wait(until time.Time) (<-chan time.Time, func())
}

type systemClock struct{}

func (systemClock) now() time.Time { return time.Now() }

func (systemClock) wait(until time.Time) (<-chan time.Time, func()) {
	t := time.NewTimer(time.Until(until))
	return t.C, func() { t.Stop() }
}

// now is the time as records keep it.
func (s *Store) now() time.Time { return s.opts.clock.now().Truncate(time.Microsecond) }
