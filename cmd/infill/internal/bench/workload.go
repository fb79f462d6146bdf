package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

// Units of rates.
const (
	unitBytes = "MiB/s"
	unitOps   = "ops/s"
)

// A workload is one kind of work.
type workload struct {
	about func(c *Config) string // one line
	unit  string

	// prepare makes on a target what the rounds need, and returns what one round is.
	// The error wraps errNotPossible if the protocol has nothing to do this with.
	prepare func(ctx context.Context, t *target, c *Config) (round, error)
}

// A round does some work and records it. An error says that the round has no rate; it
// is errCounted if the operation that failed was recorded.
type round func(ctx context.Context, r *recorder) error

var errCounted = errors.New("an operation failed")

// names has the workloads in the order in which they are told.
var names = []string{"put", "patch", "fill", "create", "overwrite", "read", "ranges", "head", "islands", "mixed"}

// WorkloadNames returns the names of all workloads.
func WorkloadNames() []string { return slices.Clone(names) }

// About returns a line on what a workload does under a Config, or "" if there is none
// of that name.
func About(name string, c *Config) string {
	w, ok := workloads[name]
	if !ok {
		return ""
	}
	return w.about(c)
}

var workloads = map[string]workload{
	"put": {
		about:   func(c *Config) string { return "upload of " + size(c.Size) + " over one connection" },
		unit:    unitBytes,
		prepare: preparePut,
	},
	"patch": {
		about:   func(c *Config) string { return "one patch document of " + size(c.Size) + " that makes the resource" },
		unit:    unitBytes,
		prepare: preparePatch,
	},
	"fill": {
		about: func(c *Config) string {
			return fmt.Sprintf("%s in segments of %s over %d connections", size(c.Size), size(c.Segment), c.Connections)
		},
		unit:    unitBytes,
		prepare: prepareFill,
	},
	"create": {
		about:   func(c *Config) string { return rated("new resources of "+size(c.Small), c) },
		unit:    unitOps,
		prepare: prepareCreate,
	},
	"overwrite": {
		about: func(c *Config) string {
			return rated("random overwrites of "+size(c.Small)+" in one resource of "+size(c.Size), c)
		},
		unit:    unitOps,
		prepare: prepareOverwrite,
	},
	"read": {
		about:   func(c *Config) string { return "download of " + size(c.Size) + " over one connection" },
		unit:    unitBytes,
		prepare: prepareRead,
	},
	"ranges": {
		about: func(c *Config) string {
			return rated("random reads of "+size(c.Range)+" in one resource of "+size(c.Size), c)
		},
		unit:    unitOps,
		prepare: prepareRanges,
	},
	"head": {
		about: func(c *Config) string {
			if c.Islands == 0 {
				return rated("HEAD of a complete resource", c)
			}
			return rated(fmt.Sprintf("HEAD of a resource that has %d separate ranges", c.Islands), c)
		},
		unit:    unitOps,
		prepare: prepareHead,
	},
	"islands": {
		about: func(c *Config) string {
			return rated(fmt.Sprintf("patches of %s that each lengthen one of %d separate ranges", size(c.Small), max(c.Islands, 1)), c)
		},
		unit:    unitOps,
		prepare: prepareIslands,
	},
	"mixed": {
		about: func(c *Config) string {
			return rated("of ten 5 random reads of "+size(c.Range)+", 2 new resources of "+size(c.Small)+", 2 HEAD, 1 DELETE", c)
		},
		unit:    unitOps,
		prepare: prepareMixed,
	},
}

// rated completes the line of a workload that goes on for some time.
func rated(what string, c *Config) string {
	return fmt.Sprintf("%s, %d connections, %v", what, c.Connections, c.Duration)
}

// size returns a number of bytes with a unit.
func size(n int64) string {
	for _, u := range []struct {
		name string
		unit int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.unit && n%u.unit == 0 {
			return humanize.Comma(n/u.unit) + " " + u.name
		}
	}
	return humanize.Comma(n) + " bytes"
}

// all does f with every client at the same time, and waits until all have returned.
func (t *target) all(f func(c *client)) {
	var wg sync.WaitGroup
	for _, c := range t.clients {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

// repeat returns a round in which every client does op again and again for d, and at
// least once. An operation that was begun goes on at the end, and for a while even if
// ctx ends: what an interrupted request makes could come after its deletion. op
// returns the bytes that it moved.
func (t *target) repeat(d time.Duration, op func(ctx context.Context, c *client) (int64, error)) round {
	return func(ctx context.Context, r *recorder) error {
		lasting, cancel := outlast(ctx, grace)
		defer cancel()
		end := time.Now().Add(d)
		t.all(func(c *client) {
			for ctx.Err() == nil && !r.hopeless() {
				start := time.Now()
				n, err := op(lasting, c)
				r.done(lasting, start, n, err)
				if time.Now().After(end) {
					return
				}
			}
		})
		return ctx.Err()
	}
}

// grace is how long a small request may go on when Run is to end. What it makes can
// then be deleted.
const grace = 10 * time.Second

// outlast returns a context that ends d after ctx.
func outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return lasting, func() { stop(); cancel() }
}
