package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Failures are the errors of a command that goes on with other files after one. The command ends with the first one; the
// others are shown as they come.
type failures struct {
	d *display

	mu     sync.Mutex
	n      int
	first  error
	status int // exit status of all of them, exitFailure if they differ
}

// note counts a failure with an exit status.
func (f *failures) note(ctx context.Context, err error, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.first == nil {
		f.first, f.status = err, status
		return
	}
	if f.status != status {
		f.status = exitFailure
	}
	if ctx.Err() == nil {
		f.d.message("infill: %v", err)
	}
}

// count returns how many there are.
func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// err returns what the command ends with.
func (f *failures) err(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case f.n > 1:
		return &statusError{f.status, fmt.Errorf("%d files failed; the first: %w", f.n, f.first)}
	}
	return f.first
}

// errInterrupted is what a command ends with after a signal.
var errInterrupted = errors.New("interrupted")
