package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// The workloads of this file move a large resource once in each round.

// transfer returns a round that is one operation over n bytes with one client.
func (t *target) transfer(n int64, op func(ctx context.Context, c *client) error) round {
	return func(ctx context.Context, r *recorder) error {
		start := time.Now()
		err := op(ctx, t.clients[0])
		r.done(ctx, start, n, err)
		if err != nil {
			return errCounted
		}
		return nil
	}
}

func preparePut(_ context.Context, t *target, c *Config) (round, error) {
	return t.transfer(c.Size, func(ctx context.Context, cl *client) error {
		_, err := t.driver.create(ctx, cl, t.name(), c.Size)
		return err
	}), nil
}

func preparePatch(_ context.Context, t *target, c *Config) (round, error) {
	w, ok := t.driver.(rangeWriter)
	if !ok {
		return nil, errNotPossible
	}
	return t.transfer(c.Size, func(ctx context.Context, cl *client) error {
		return w.patch(ctx, cl, w.locate(cl, t.name()), 0, c.Size, c.Size)
	}), nil
}

func prepareRead(ctx context.Context, t *target, c *Config) (round, error) {
	url, err := t.driver.create(ctx, t.clients[0], t.name(), c.Size)
	if err != nil {
		return nil, err
	}
	return t.transfer(c.Size, func(ctx context.Context, cl *client) error {
		return cl.get(ctx, url, 0, c.Size, c.Size)
	}), nil
}

// A lane is the bytes [start, end) of a fill that one client sends, in order.
type lane struct{ start, end int64 }

// lanes cuts n bytes into at most the given number of lanes, which are as equal as
// they can be if all segments but the last one have the given length.
func lanes(n, segment int64, most int) []*lane {
	segments := (n + segment - 1) / segment
	count := min(int64(most), segments)
	list := make([]*lane, count)
	for i := range count {
		list[i] = &lane{
			start: segments * i / count * segment,
			end:   min(n, segments*(i+1)/count*segment),
		}
	}
	return list
}

func sortLanes(list []*lane) {
	slices.SortFunc(list, func(a, b *lane) int { return int(min(max(a.start-b.start, -1), 1)) })
}

func prepareFill(ctx context.Context, t *target, c *Config) (round, error) {
	f, ok := t.driver.(filler)
	if !ok {
		return nil, errNotPossible
	}
	return func(ctx context.Context, r *recorder) error {
		filling, err := f.fill(ctx, t.clients[0], t.name(), c.Size, c.Segment)
		if err != nil {
			return err
		}
		if err := t.fillLanes(ctx, r, filling, c); err != nil {
			return err
		}
		start := time.Now()
		if err := filling.complete(ctx, t.clients[0]); err != nil {
			return err
		}
		r.assembled(time.Since(start))
		return nil
	}, nil
}

// fillLanes lets each client send a lane. It ends early with the first error.
func (t *target) fillLanes(ctx context.Context, r *recorder, f filling, c *Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i, l := range lanes(c.Size, c.Segment, len(t.clients)) {
		wg.Go(func() {
			for off := l.start; off < l.end && ctx.Err() == nil; off += c.Segment {
				n := min(c.Segment, l.end-off)
				start := time.Now()
				err := f.write(ctx, t.clients[i], l, off, n)
				r.done(ctx, start, n, err)
				if err != nil {
					cancel(errCounted)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
