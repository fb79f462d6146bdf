package store

import (
	"context"

	"github.com/infill-http/infill/ranges"
)

// Delete removes the resource that a name has, if cond (which may be nil)
// agrees. Transactions on it fail with ErrReplaced at their commit; open
// snapshots go on. It works below Options.MinFree. ErrNotFound: no resource.
func (s *Store) Delete(ctx context.Context, name string, cond Cond) error {
	sl, err := s.acquire(ctx, name)
	if err != nil {
		return err
	}
	defer s.release(sl)
	return s.commit(sl, &ticket{eval: func(cur *state, _ *batch) (*state, error) {
		if cur == nil {
			return nil, ErrNotFound
		}
		if cond != nil {
			if err := cond(cur.info, nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}})
}

// Move gives the complete resource that from has the name to, in place of
// what has it, as one step: at no moment has to no resource if it had one
// (ErrSameName: from is to, ErrIncomplete: it is incomplete). The resource
// keeps its ID and gets a new revision. cond is evaluated on the
// source, dest on what the destination has (nil: absent); both may be nil.
// Transactions on either name fail at their commit. Result.Created says that
// the destination was absent. Its cost does not depend on the bytes.
func (s *Store) Move(ctx context.Context, from, to string, cond, dest Cond) (Result, error) {
	return s.relocate(ctx, from, to, cond, dest, func(src *state, next *state) *state {
		next.base = src.version()
		return nil
	})
}

// Copy makes a new resource with the bytes and the metadata of the complete
// resource that from has, and gives it the name to as Move does. The two
// share their bytes until one of them is changed: its cost is that of the
// extent map.
func (s *Store) Copy(ctx context.Context, from, to string, cond, dest Cond) (Result, error) {
	return s.relocate(ctx, from, to, cond, dest, func(src *state, next *state) *state {
		next.id, next.revision, next.base = newID(), 0, Version{}
		return src
	})
}

// relocate gives the name to to a successor of what from has; finish makes
// the successor's identity and returns what from has afterwards.
func (s *Store) relocate(ctx context.Context, from, to string, cond, dest Cond, finish func(src, next *state) *state) (Result, error) {
	if from == to {
		return Result{}, ErrSameName
	}
	if err := s.Writable(); err != nil {
		return Result{}, err
	}
	src, err := s.acquire(ctx, from)
	if err != nil {
		return Result{}, err
	}
	defer s.release(src)
	dst, err := s.acquire(ctx, to)
	if err != nil {
		return Result{}, err
	}
	defer s.release(dst)
	slots := []*slot{src, dst}
	if to < from {
		slots = []*slot{dst, src}
	}
	var res Result
	err = s.alone(slots, func() error {
		old, over := src.pub.Load(), dst.pub.Load()
		if old == nil {
			return ErrNotFound
		}
		if cond != nil {
			if err := cond(old.info, nil); err != nil {
				return err
			}
		}
		if !old.complete {
			return ErrIncomplete
		}
		if dest != nil {
			if err := dest(describe(over), nil); err != nil {
				return err
			}
		}
		next := old.next()
		next.name = to
		// Transactions in flight on the source may still write to its home file.
		next.home, next.homeHigh = 0, 0
		next.baseRange = ranges.Range{}
		left := finish(old, next)
		if over != nil && over.modified.After(next.modified) {
			next.modified = over.modified
		}
		next.bump(s.now())
		next.seal()
		res = Result{Info: next.info, Created: over == nil, Changed: true}
		return s.write(new(batch),
			transition{sl: src, old: old, new: left},
			transition{sl: dst, old: over, new: next})
	})
	return res, err
}
