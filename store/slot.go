package store

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// A slot is a name in memory: the published state of the resource that has
// the name, its write space, and the queue of commits to it. While anyone
// uses a name it has exactly one slot, and what the slot has published is the
// truth, whatever pebble already shows.
type slot struct {
	name string

	// Guarded by Store.mu.
	users int
	idle  *list.Element // in Store.idle while nobody uses the slot
	cost  int           // counted in Store.cached while idle

	load  sync.Mutex  // held while the state is read from the map
	ready atomic.Bool // it was read; written under load

	queue queue
	// For fold.go; guarded by the lead of queue.
	churn  int64 // bytes overwritten since the last look
	folded int   // extents at the last look, or after the last fold

	mu    sync.Mutex            // lock order: slot.mu, space.mu, files.mu
	pub   atomic.Pointer[state] // nil: absent. Written under mu and files.mu
	space *space                // guarded by mu; of the published resource, or of one pending
}

// acquire returns the slot of a name, loaded. The caller releases it.
func (s *Store) acquire(ctx context.Context, name string) (*slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	sl := s.slots[name]
	if sl == nil {
		sl = &slot{name: name}
		s.slots[name] = sl
	}
	if sl.users++; sl.users == 1 {
		s.active.Add(1)
		if sl.idle != nil {
			s.idle.Remove(sl.idle)
			s.cached -= sl.cost
			sl.idle = nil
		}
	}
	s.mu.Unlock()

	sl.load.Lock()
	defer sl.load.Unlock()
	if sl.ready.Load() {
		return sl, nil
	}
	st, err := s.loadName(name)
	if err != nil {
		s.release(sl)
		return nil, err
	}
	sl.pub.Store(st)
	sl.ready.Store(true)
	if st != nil && st.unverified() {
		s.verifyLater(sl)
	}
	return sl, nil
}

// release gives up a slot. Slots that nobody uses stay cached within
// Options.CacheExtents; those of absent names do not.
func (s *Store) release(sl *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl.users--; sl.users > 0 {
		return
	}
	s.active.Done()
	st := sl.pub.Load()
	if st == nil {
		delete(s.slots, sl.name)
		return
	}
	sl.idle = s.idle.PushBack(sl)
	sl.cost = slotCost + st.extents.Len()
	for s.cached += sl.cost; s.cached > s.opts.CacheExtents; {
		oldest := s.idle.Remove(s.idle.Front()).(*slot)
		oldest.idle = nil
		s.cached -= oldest.cost
		delete(s.slots, oldest.name)
	}
}

// slotCost is what a cached slot costs beside its extents, in extents of 76
// bytes each: 1.2 KiB.
const slotCost = 16

// loadName reads a resource from the map, or returns nil if the name has none.
func (s *Store) loadName(name string) (*state, error) {
	v, err := s.get(nameKey(name))
	if err != nil || v == nil {
		return nil, err
	}
	if len(v) != 16 {
		return nil, fmt.Errorf("%w: name key of %q", ErrCorrupt, name)
	}
	return s.loadState(s.db, ID(v))
}

func loadRecord(r pebble.Reader, id ID) (record, error) {
	v, err := getFrom(r, idKey(kindRecord, id))
	if err != nil {
		return record{}, err
	}
	if v == nil {
		return record{}, fmt.Errorf("%w: no record of %v", ErrCorrupt, id)
	}
	return decodeRecord(id, v)
}

// loadState reads a resource as this store is to show it.
func (s *Store) loadState(from pebble.Reader, id ID) (*state, error) {
	st, err := loadID(from, id)
	if err != nil {
		return nil, err
	}
	st.maxAge = s.opts.IncompleteMaxAge
	return st.seal(), nil
}

// loadID reads a resource as it is in the map.
func loadID(from pebble.Reader, id ID) (*state, error) {
	rec, err := loadRecord(from, id)
	if err != nil {
		return nil, err
	}
	st := &state{record: rec}
	prefix := idKey(kindExtent, id)
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var extents ranges.Builder[place]
	var covered ranges.SetBuilder
	end := int64(0)
	for ok := it.First(); ok; ok = it.Next() {
		r, p, err := decodeExtent(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if r.Start < end || (rec.length >= 0 && r.End > rec.length) {
			return nil, fmt.Errorf("%w: extent %v of %v", ErrCorrupt, r, id)
		}
		end = r.End
		extents.Append(r, p)
		covered.Append(r)
		st.count(p, r.Len())
	}
	if err := it.Error(); err != nil {
		return nil, err
	}
	st.extents, st.covered = extents.Map(), covered.Set()
	return st.seal(), nil
}

// get returns a copy of the value of a key, or nil if there is none.
func (s *Store) get(key []byte) ([]byte, error) { return getFrom(s.db, key) }

func getFrom(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v = append(make([]byte, 0, len(v)), v...)
	return v, closer.Close()
}

// pinned returns the published state with its files pinned, or nil.
func (s *Store) pinned(sl *slot) *state {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	st := sl.pub.Load()
	if st != nil {
		s.files.pinLocked(st)
	}
	return st
}
