package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// The workloads of this file do small operations for some time.

func prepareCreate(_ context.Context, t *target, c *Config) (round, error) {
	return t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		_, err := t.driver.create(ctx, cl, t.name(), c.Small)
		return c.Small, err
	}), nil
}

func prepareOverwrite(ctx context.Context, t *target, c *Config) (round, error) {
	w, ok := t.driver.(rangeWriter)
	if !ok {
		return nil, errNotPossible
	}
	url, err := t.driver.create(ctx, t.clients[0], t.name(), c.Size)
	if err != nil {
		return nil, err
	}
	return t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		return c.Small, w.segment(ctx, cl, url, cl.position(c.Size, c.Small), c.Small, c.Size)
	}), nil
}

// position returns a random multiple of n at which there are n bytes of a resource.
func (c *client) position(length, n int64) int64 { return c.rng.Int64N(length/n) * n }

func prepareRanges(ctx context.Context, t *target, c *Config) (round, error) {
	url, err := t.driver.create(ctx, t.clients[0], t.name(), c.Size)
	if err != nil {
		return nil, err
	}
	return t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		return c.Range, cl.get(ctx, url, cl.position(c.Size, c.Range), c.Range, c.Size)
	}), nil
}

func prepareHead(ctx context.Context, t *target, c *Config) (round, error) {
	var url string
	var err error
	if c.Islands == 0 {
		url, err = t.driver.create(ctx, t.clients[0], t.name(), c.Small)
	} else {
		var a *archipelago
		if a, err = newArchipelago(ctx, t, c); err == nil {
			url = a.url
		}
	}
	if err != nil {
		return nil, err
	}
	return t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		_, err := cl.do(ctx, http.StatusOK, http.MethodHead, url, nil)
		return 0, err
	}), nil
}

func prepareIslands(ctx context.Context, t *target, c *Config) (round, error) {
	a, err := newArchipelago(ctx, t, c)
	if err != nil {
		return nil, err
	}
	return t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		return c.Small, a.lengthen(ctx, cl)
	}), nil
}

// An archipelago is a resource with many separate ranges. Each can be lengthened a
// number of times, after which there still is a hole before the next one.
//
//	0        first      first+small                 stride
//	| island | 1st write | 2nd write | …  | hole    | island | …
type archipelago struct {
	writer  rangeWriter
	url     string
	first   int64 // bytes of an island at first
	small   int64 // bytes of each write
	stride  int64 // from one island to the next
	islands []island
}

type island struct {
	writing sync.Mutex // held by the client that lengthens the island
	mu      sync.Mutex // guards written
	written int64      // writes that were begun
}

const (
	// leastWrites is how many writes there is room for at each island, and
	// leastWritesInAll at all of them together. What is only declared takes no space.
	leastWrites      = 256
	leastWritesInAll = 4 << 20

	// islandTries is how often a client looks for an island that no other one
	// lengthens. If writes of one island overtake each other, there is one range more
	// for a moment, which may be one too many for the server.
	islandTries = 8
)

var errNoRoom = errors.New("no room for more writes between the islands")

func newArchipelago(ctx context.Context, t *target, c *Config) (*archipelago, error) {
	w, ok := t.driver.(rangeWriter)
	if !ok {
		return nil, fmt.Errorf("%w: resources have no separate ranges", errNotPossible)
	}
	count := max(c.Islands, 1)
	a := &archipelago{
		writer:  w,
		first:   min(c.Small, 4<<10),
		small:   c.Small,
		islands: make([]island, count),
	}
	a.stride = a.first + c.Small*(1+max(leastWrites, int64(leastWritesInAll/count)))
	a.url = w.locate(t.clients[0], t.name())
	return a, w.scatter(ctx, t.clients[0], a.url, count, a.first, a.stride)
}

// lengthen adds to a random island.
func (a *archipelago) lengthen(ctx context.Context, c *client) error {
	var at int
	for range islandTries {
		at = c.rng.IntN(len(a.islands))
		if a.islands[at].writing.TryLock() {
			defer a.islands[at].writing.Unlock()
			break
		}
	}
	i := &a.islands[at]
	i.mu.Lock()
	off := a.first + i.written*a.small
	i.written++
	i.mu.Unlock()
	if off+2*a.small > a.stride {
		return errNoRoom
	}
	return a.writer.patch(ctx, c, a.url, int64(at)*a.stride+off, a.small, int64(len(a.islands))*a.stride)
}

func prepareMixed(ctx context.Context, t *target, c *Config) (round, error) {
	large, err := t.driver.create(ctx, t.clients[0], t.name(), c.Size)
	if err != nil {
		return nil, err
	}
	// small has, for each client, what it made and did not delete.
	small := make(map[*client]*[]string, len(t.clients))
	for _, cl := range t.clients {
		small[cl] = new([]string)
	}
	turn := t.repeat(c.Duration, func(ctx context.Context, cl *client) (int64, error) {
		mine := small[cl]
		switch k := cl.rng.IntN(10); {
		case k < 5:
			return c.Range, cl.get(ctx, large, cl.position(c.Size, c.Range), c.Range, c.Size)
		case k < 7:
			url, err := t.driver.create(ctx, cl, t.name(), c.Small)
			if err == nil {
				*mine = append(*mine, url)
			}
			return c.Small, err
		case k < 9 || len(*mine) == 0:
			_, err := cl.do(ctx, http.StatusOK, http.MethodHead, large, nil)
			return 0, err
		}
		url := (*mine)[0]
		*mine = (*mine)[1:]
		_, err := cl.do(ctx, 0, http.MethodDelete, url, nil)
		if err == nil {
			t.forget(url)
		}
		return 0, err
	})
	return func(ctx context.Context, r *recorder) error {
		for _, mine := range small {
			*mine = nil // what an earlier round made was deleted after it
		}
		return turn(ctx, r)
	}, nil
}
