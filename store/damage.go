package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// Bytes that a disk does not return as they were written are damaged. Whoever
// finds some (a read that verifies, a fold, a comparison, a digest, the scrub)
// notes their place here, and from then on nobody in this process gets them.
// In the background every resource that names the place is cut: its map
// names the bytes no more, so what is damaged is a hole, after a restart too.
//
//	incomplete   |#####|xx|########|....|   ->   |#####|..|########|....|   a hole like any other
//	complete     |#####|xx|###############|   ->   |#####|..|###############|   complete, and not all of it can be read
//
// A write to the hole heals it. It goes to another place: the home file is not
// written again.

// damage is what was found since the store was opened.
type damage struct {
	found atomic.Uint64 // how often anything was; written under mu, after it was noted

	mu    sync.Mutex // guards what follows
	cond  sync.Cond
	bad   map[fileID]ranges.Set
	todo  []fileID // with damage that the map has not heard of yet
	busy  bool
	stop  bool
	ended chan struct{}
}

func (s *Store) startMender() {
	d := &s.damage
	d.bad = make(map[fileID]ranges.Set)
	d.cond.L = &d.mu
	d.ended = make(chan struct{})
	if s.opts.ReadOnly {
		d.stop = true
	}
	go func() {
		defer close(d.ended)
		for file, ok := d.next(); ok; file, ok = d.next() {
			if err := s.mend(file); err != nil && !errors.Is(err, ErrClosed) {
				s.opts.Logger.Error("cannot take damaged bytes out of the map", "file", dataPath(file), "err", err)
			}
		}
	}()
}

// stopMender ends it after the file at hand. What it has not done is found again.
func (s *Store) stopMender() {
	d := &s.damage
	d.mu.Lock()
	d.stop = true
	d.cond.Broadcast()
	d.mu.Unlock()
	<-d.ended
}

func (d *damage) next() (fileID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy = false
	d.cond.Broadcast()
	for len(d.todo) == 0 && !d.stop {
		d.cond.Wait()
	}
	if d.stop {
		return 0, false
	}
	file := d.todo[0]
	d.todo, d.busy = d.todo[1:], true
	return file, true
}

// settle waits until the map has heard of all that was found.
func (d *damage) settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for (len(d.todo) > 0 || d.busy) && !d.stop {
		d.cond.Wait()
	}
}

// damaged notes that the bytes r of a file are not what was written, and
// returns the error for whoever found it.
func (s *Store) damaged(file fileID, r ranges.Range, cause error) error {
	d := &s.damage
	d.mu.Lock()
	defer d.mu.Unlock()
	bad := d.bad[file]
	if !bad.Covers(r) {
		s.opts.Logger.Error("damaged bytes", "file", dataPath(file), "range", r.String(), "err", cause)
		bad.Add(r)
		d.bad[file] = bad
		if !slices.Contains(d.todo, file) {
			d.todo = append(d.todo, file)
		}
		d.found.Add(1)
		d.cond.Broadcast()
	}
	return fmt.Errorf("%w: %v of %s: %w", ErrDamaged, r, dataPath(file), cause)
}

// in returns what was found in a file.
func (d *damage) in(file fileID) ranges.Set {
	if d.found.Load() == 0 {
		return ranges.Set{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bad[file]
}

// spared returns ErrDamaged if any of the n bytes at p was found damaged.
func (d *damage) spared(p place, n int64) error {
	if p.kind != placeFile || d.found.Load() == 0 {
		return nil
	}
	if r := (ranges.Range{Start: p.off, End: p.off + n}); d.in(p.file).Overlaps(r) {
		return fmt.Errorf("%w: in %v of %s", ErrDamaged, r, dataPath(p.file))
	}
	return nil
}

// sparedMap is spared for all that m names.
func (d *damage) sparedMap(m ranges.Map[place]) error {
	if d.found.Load() == 0 {
		return nil
	}
	for r, p := range m.All() {
		if err := d.spared(p, r.Len()); err != nil {
			return err
		}
	}
	return nil
}

// withoutDamage returns st without the extents of bytes that were found
// damaged, and the ranges that it lost; or st itself. An incomplete resource
// gets a new version, because it tells what it has; the representation of a
// complete one is still the same, though not all of it can be read. It walks
// the map of st only if something was found since that was done for the state
// that st was made of. The caller leads the queue of the slot.
func (s *Store) withoutDamage(st *state) (*state, ranges.Set) {
	var lost ranges.Set
	if st == nil {
		return st, lost
	}
	found := s.damage.found.Load()
	if st.spared == found {
		return st, lost
	}
	st.spared = found
	bad := make(map[fileID]ranges.Set)
	for file := range st.files {
		if set := s.damage.in(file); !set.Empty() {
			bad[file] = set
		}
	}
	if len(bad) == 0 {
		return st, lost
	}
	for r, p := range st.extents.All() {
		if p.kind != placeFile {
			continue
		}
		for part := range bad[p.file].Within(ranges.Range{Start: p.off, End: p.off + r.Len()}) {
			lost.Add(ranges.Range{Start: r.Start + part.Start - p.off, End: r.Start + part.End - p.off})
		}
	}
	if lost.Empty() {
		return st, lost
	}
	next := st.next()
	for r := range lost.All() {
		next.cut(r)
	}
	next.suspect = true
	// At the place of a hole, the home file may have damaged bytes, or bytes
	// that were found equal to those in an overlay, with their checksums.
	next.home, next.homeHigh = 0, 0
	if !next.complete {
		next.base, next.baseRange = st.version(), ranges.Range{}
		next.revision++
		next.epoch++ // what was hashed of it does not count
		next.mismatch = false
	}
	return next.seal(), lost
}

// cut returns the state that a batch goes on with: old, which is what the
// name has at this point of the batch, without damaged bytes. The caller leads
// the queue of the slot.
func (s *Store) cut(sl *slot, old *state, b *batch) *state {
	st, lost := s.withoutDamage(old)
	if st == old {
		return old
	}
	for r := range lost.All() {
		b.touched.Add(r)
	}
	if st.home != old.home {
		sl.mu.Lock()
		if sl.space != nil && sl.space.id == old.id {
			sl.space.retire(old.home)
		}
		sl.mu.Unlock()
	}
	s.opts.Logger.Error("bytes of a resource are lost until they are written again",
		"name", sl.name, "id", st.id, "ranges", lost.String(), "complete", st.complete)
	return st
}

// mend takes damaged bytes of a file out of every resource that names them,
// and then forgets their checksums. Those of bytes that are found meanwhile
// stay: the file is on the list again, and until the map has heard of them,
// nothing else tells of the damage after a restart.
func (s *Store) mend(file fileID) error {
	held := s.files.pin(file)
	defer s.files.unpinFile(file)
	bad := s.damage.in(file)
	mended := make(map[ID]bool)
	for more := true; more; {
		ids, err := s.naming(file)
		if err != nil {
			return err
		}
		// A copy that was on its way may come behind this list, made of what
		// the list has. It is there before its source is mended, so the next
		// list has it, and in the end there is none with anything new.
		more = false
		for _, id := range ids {
			if mended[id] {
				continue
			}
			if err := s.mendResource(id); err != nil {
				return err
			}
			mended[id], more = true, true
		}
	}
	if named, err := has(s.db, fileKey(kindRef, file)); err != nil || !named && !held {
		return err // the janitor forgets all of it
	}
	return s.dropSums(file, bad)
}

// naming returns the resources that name a file.
func (s *Store) naming(file fileID) (ids []ID, err error) {
	prefix := fileKey(kindRef, file)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		ids = append(ids, ID(it.Key()[len(prefix):]))
	}
	return ids, it.Close()
}

// mendResource cuts a resource: with nothing to do but to lead, as every batch
// begins with a cut.
func (s *Store) mendResource(id ID) error {
	for {
		v, err := s.get(idKey(kindRecord, id))
		if err != nil || v == nil {
			return err
		}
		rec, err := decodeRecord(id, v)
		if err != nil {
			return err
		}
		sl, err := s.acquire(context.Background(), rec.name)
		if err != nil {
			return err
		}
		there := false
		err = s.commit(sl, &ticket{eval: func(cur *state, _ *batch) (*state, error) {
			there = cur != nil && cur.id == id
			return cur, nil
		}})
		s.release(sl)
		if err != nil || there {
			return err
		}
		// It was moved or deleted since its record was read.
	}
}
