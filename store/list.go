package store

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// An Entry is a child in a listing: a resource, or the common part of the
// names of resources further down.
type Entry struct {
	Name string // the full name; that of a collection ends in "/"
	// Info describes a resource; nil for a collection. Of the ranges of one
	// that is incomplete, Info.Received need not have those above Info.Offset.
	Info *Info
}

// List yields the direct children of a collection, whose name prefix ends in
// "/", in ascending order of names, those after the name after (empty: all).
// Each entry is the published state at the moment it is yielded. Memory use
// does not depend on how many there are.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for next := max(prefix, successor(after)); ; {
			name, info, err := s.nextEntry(ctx, next, prefix)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if name == "" {
				return
			}
			if i := strings.IndexByte(name[len(prefix):], '/'); i >= 0 {
				dir := name[:len(prefix)+i+1]
				if dir != after && !yield(Entry{Name: dir}, nil) {
					return
				}
				next = dir[:len(dir)-1] + "0" // '0' follows '/'
				continue
			}
			next = name + "\x00"
			if info != nil && !yield(Entry{Name: name, Info: info}, nil) {
				return
			}
		}
	}
}

// nextEntry returns the least name from start on, among those that begin with
// prefix, and what it has if it is a direct child and still there. An empty
// name means that there are no more.
func (s *Store) nextEntry(ctx context.Context, start, prefix string) (name string, info *Info, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return "", nil, ErrClosed
	}
	s.active.Add(1)
	s.mu.Unlock()
	defer s.active.Done()
	name, ok, err := s.nextName(start, prefix)
	if err != nil || !ok {
		return "", nil, err
	}
	if !strings.Contains(name[len(prefix):], "/") {
		info, err = s.peek(name)
	}
	return name, info, err
}

// successor is the least name after all that a listing which ended at name
// has shown: those below it too, if it is a collection.
func successor(name string) string {
	switch {
	case name == "":
		return ""
	case strings.HasSuffix(name, "/"):
		return name[:len(name)-1] + "0"
	}
	return name + "\x00"
}

// nextName returns the least name from start on, among those that begin with
// prefix, that has a resource in its published state. What pebble shows may
// be ahead of that for names with a commit in flight; their slots know better.
func (s *Store) nextName(start, prefix string) (string, bool, error) {
	bound := upperBound(nameKey(prefix))
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: nameKey(start), UpperBound: bound})
	if err != nil {
		return "", false, err
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		name := string(it.Key()[1:])
		if sl := s.inUse(name); sl != nil && sl.pub.Load() == nil {
			continue
		}
		if mem, ok := s.leavingName(start, name, prefix); ok {
			return mem, true, nil
		}
		return name, true, nil
	}
	if err := it.Error(); err != nil {
		return "", false, err
	}
	mem, ok := s.leavingName(start, "", prefix)
	return mem, ok, nil
}

// leavingName returns the least name in [start, end) whose published state
// has a resource although pebble may have forgotten it: its deletion is in
// flight. An empty end is no bound.
func (s *Store) leavingName(start, end, prefix string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.leaving {
		if name >= start && (end == "" || name < end) && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", false
	}
	return slices.Min(names), true
}

// inUse returns the slot of a name if it is loaded.
func (s *Store) inUse(name string) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[name]
	if sl == nil || !sl.ready.Load() {
		return nil
	}
	return sl
}

// peek describes what a name has, for an [Entry], without loading its
// extents; nil: nothing.
func (s *Store) peek(name string) (*Info, error) {
	// What is in the snapshot of the map is durable if nobody uses the name
	// afterwards: a commit in flight uses it until then.
	snap := s.db.NewSnapshot()
	defer snap.Close()
	if sl := s.inUse(name); sl != nil {
		return describe(sl.pub.Load()), nil
	}
	v, err := getFrom(snap, nameKey(name))
	if err != nil || len(v) != 16 {
		return nil, err
	}
	rec, err := loadRecord(snap, ID(v))
	if err != nil {
		return nil, err
	}
	st := &state{record: rec, maxAge: s.opts.IncompleteMaxAge}
	end := rec.length
	if !rec.complete {
		if end, err = prefixEnd(snap, rec.id); err != nil {
			return nil, err
		}
	}
	st.covered = ranges.NewSet(ranges.Range{End: end})
	return st.seal().info, nil
}

// prefixEnd returns the end of the extents from 0 on that have no hole between
// them.
func prefixEnd(from pebble.Reader, id ID) (end int64, err error) {
	prefix := idKey(kindExtent, id)
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		r, _, err := decodeExtent(it.Key(), it.Value())
		if err != nil {
			return 0, errors.Join(err, it.Close())
		}
		if r.Start != end {
			break
		}
		end = r.End
	}
	return end, it.Close()
}
