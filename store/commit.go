package store

import (
	"errors"
	"maps"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// A batch collects what the commits that are written together need beyond
// the difference of states.
type batch struct {
	touched ranges.Set            // where extents of a resource that stays may differ
	sums    map[fileID][]crcPiece // of bytes that extents name from now on
	inline  []inlinePiece         // bytes that go to the map
	space   *space                // of the resource that has the name from now on
}

// A transition is what a batch does to one name.
type transition struct {
	sl       *slot
	old, new *state // nil: absent
	space    *space // of new, if it is another resource than old
}

// commit queues a ticket for one name and returns when the batch that holds
// it is durable and published, or with the ticket's error.
func (s *Store) commit(sl *slot, t *ticket) error {
	if !sl.queue.enter(t) {
		return t.err
	}
	defer sl.queue.leave()
	ts := sl.queue.take()
	b := new(batch)
	old := sl.pub.Load()
	cur := s.cut(sl, old, b)
	for _, t := range ts {
		next, err := t.eval(cur, b)
		for errors.Is(err, ErrDamaged) {
			// It may have found that. Then the bytes are a hole now.
			less := s.cut(sl, cur, b)
			if less == cur {
				break
			}
			cur = less
			next, err = t.eval(cur, b)
		}
		if err != nil {
			t.err = err
		} else {
			cur = next
		}
	}
	var err error
	if cur != old {
		if err = s.write(b, transition{sl: sl, old: old, new: cur, space: b.space}); err != nil {
			for _, t := range ts {
				if t.err == nil {
					t.err = err
				}
			}
		}
	}
	if b.space != nil && (cur == old || err != nil) {
		sl.disown()
	}
	for _, follower := range ts[1:] {
		follower.wake <- false
	}
	return t.err
}

// disown takes from an absent name the space of a resource that never got it:
// it went again within the batch that made it, or the batch failed.
func (sl *slot) disown() {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	if sp := sl.space; sp != nil && sl.pub.Load() == nil && sp.wasBorn() {
		sp.lost()
		sl.space = nil
	}
}

// alone runs f while the caller leads the queues of all slots, which must be
// distinct and in ascending order of names.
func (s *Store) alone(slots []*slot, f func() error) error {
	for _, sl := range slots {
		sl.queue.enter(&ticket{alone: true})
		sl.queue.take()
		defer sl.queue.leave()
	}
	for _, sl := range slots {
		b := new(batch)
		if old := sl.pub.Load(); old != nil {
			if cur := s.cut(sl, old, b); cur != old {
				if err := s.write(b, transition{sl: sl, old: old, new: cur}); err != nil {
					return err
				}
			}
		}
	}
	return f()
}

// write makes transitions durable as one pebble batch and publishes them. The
// caller leads the queue of every slot, and has synced the bytes (invariant 1).
func (s *Store) write(b *batch, ts ...transition) error {
	if err := s.writable(); err != nil {
		return err
	}
	olds, news := make(map[ID]*state), make(map[ID]*state)
	for _, t := range ts {
		if t.old != nil {
			olds[t.old.id] = t.old
		}
		if t.new != nil {
			news[t.new.id] = t.new
		}
	}
	pb := s.db.NewBatchWithSize(b.size())
	defer pb.Close()
	for _, t := range ts {
		switch {
		case t.new == nil:
			pb.Delete(nameKey(t.sl.name), nil)
		case t.old == nil || t.old.id != t.new.id:
			pb.Set(nameKey(t.sl.name), t.new.id[:], nil)
		}
	}
	for id, old := range olds {
		if news[id] == nil {
			if err := s.erase(pb, old); err != nil {
				return err
			}
		}
	}
	for id, st := range news {
		putResource(pb, olds[id], st, b.touched)
	}
	s.sums.RLock()
	defer s.sums.RUnlock()
	if err := s.putSums(pb, b.sums); err != nil {
		return err
	}
	named, dropped := refChanges(olds, news)
	putInline(pb, b.inline, news)
	for _, r := range named {
		pb.Set(refKey(r.file, r.id), nil, nil)
	}
	s.leave(ts, 1)
	defer s.leave(ts, -1)
	// Until the new states are published, others see the old ones, while a batch
	// on another name may find that nothing refers to their files any more.
	s.files.pinRefs(dropped)
	defer s.files.unpinRefs(dropped)
	garbage, err := s.apply(pb, named, dropped)
	if err != nil {
		return err
	}
	s.publish(ts, named)
	s.doom(garbage)
	for _, t := range ts {
		if t.new != nil {
			s.churned(t.sl, t.new, b.touched.Size())
		}
	}
	return nil
}

// leave notes for listings which names lose their resource, as pebble will
// show before it is published.
func (s *Store) leave(ts []transition, delta int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range ts {
		if t.new != nil {
			continue
		}
		if s.leaving[t.sl.name] += delta; s.leaving[t.sl.name] == 0 {
			delete(s.leaving, t.sl.name)
		}
	}
}

// A ref says that a resource names a file.
type ref struct {
	file fileID
	id   ID
}

// refChanges returns the references that come and go with a change of states.
func refChanges(olds, news map[ID]*state) (named, dropped []ref) {
	diff := func(from, to map[ID]*state) (refs []ref) {
		for id, st := range from {
			for f := range st.files {
				if o := to[id]; o == nil || o.files[f] == 0 {
					refs = append(refs, ref{f, id})
				}
			}
		}
		return refs
	}
	return diff(news, olds), diff(olds, news)
}

// apply commits the batch after adding the end of the dropped references, and
// that of the garbage entries of the named files, and returns the files that
// no resource names any more. An error means that nothing was committed: one
// of the commit itself ends the process.
func (s *Store) apply(pb *pebble.Batch, named, dropped []ref) ([]fileID, error) {
	if fresh := s.files.onlyFresh(named); fresh && len(dropped) == 0 {
		return nil, pb.Commit(pebble.Sync)
	}
	// Two resources may drop the same file at once, or one drop it while the
	// other, which dropped it before, names it again with bytes that a
	// transaction compared with. Each must see the other's batch or be seen by
	// it; the log keeps the order across a crash.
	s.drops.Lock()
	garbage, err := s.dropRefs(pb, named, dropped)
	if err == nil {
		err = s.db.ApplyNoSyncWait(pb, pebble.Sync)
	}
	s.drops.Unlock()
	if err != nil {
		return nil, err
	}
	if err := pb.SyncWait(); err != nil {
		// The map shows the batch, and would show it to readers.
		s.opts.fatal("the map cannot be synced", err)
	}
	return garbage, nil
}

func (s *Store) dropRefs(pb *pebble.Batch, named, dropped []ref) (garbage []fileID, err error) {
	gone := make(map[ref]bool)
	kept := make(map[fileID]bool)
	for _, r := range named {
		kept[r.file] = true
		pb.Delete(fileKey(kindGarbage, r.file), nil)
	}
	for _, r := range dropped {
		gone[r] = true
		pb.Delete(refKey(r.file, r.id), nil)
	}
	for _, r := range dropped {
		if kept[r.file] {
			continue
		}
		kept[r.file] = true // decided
		prefix := fileKey(kindRef, r.file)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
		if err != nil {
			return nil, err
		}
		shared := false
		for ok := it.First(); ok && !shared; ok = it.Next() {
			shared = !gone[ref{r.file, ID(it.Key()[len(prefix):])}]
		}
		if err := it.Close(); err != nil {
			return nil, err
		}
		if !shared {
			garbage = append(garbage, r.file)
			pb.Set(fileKey(kindGarbage, r.file), nil, nil)
		}
	}
	return garbage, nil
}

// publish shows the new states to requests.
func (s *Store) publish(ts []transition, named []ref) {
	for _, t := range ts {
		t.sl.mu.Lock()
		defer t.sl.mu.Unlock()
		if sp := t.sl.space; sp != nil && (t.new == nil || t.new.id != sp.id) {
			sp.lost()
		}
		if t.new == nil {
			t.sl.space = nil
		} else if t.old == nil || t.old.id != t.new.id {
			t.sl.space = t.space
		}
		if t.sl.space != nil {
			t.sl.space.published(t.new)
		}
	}
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	for _, t := range ts {
		t.sl.pub.Store(t.new)
	}
	for _, r := range named {
		delete(s.files.doomed, r.file)
	}
}

// doom lets go of files that a batch, which is durable and published now, left
// without a reference, unless a later batch has named them again. If one does
// so from now on, its transaction has had them pinned all the time.
func (s *Store) doom(garbage []fileID) {
	if len(garbage) == 0 {
		return
	}
	s.drops.Lock()
	defer s.drops.Unlock()
	for _, f := range garbage {
		named, err := has(s.db, fileKey(kindRef, f))
		if err != nil {
			s.opts.Logger.Error("cannot remove data file", "file", uint64(f), "err", err)
		} else if !named {
			s.files.discard(f)
		}
	}
}

// erase adds the deletion of all that a resource has but its name and its references.
func (s *Store) erase(pb *pebble.Batch, st *state) error {
	pb.Delete(idKey(kindRecord, st.id), nil)
	if len(st.declared) > 0 {
		pb.Delete(idKey(kindHash, st.id), nil)
		pb.Delete(idKey(kindVerify, st.id), nil)
	}
	if st.idle != 0 {
		pb.Delete(idleKey(st.idle, st.id), nil)
	}
	return deletePrefix(s.db, pb, idKey(kindExtent, st.id))
}

// putResource adds the record of st and the extents that old does not have.
func putResource(pb *pebble.Batch, old, st *state, touched ranges.Set) {
	pb.Set(idKey(kindRecord, st.id), st.encode(), nil)
	switch was := old != nil && old.unverified(); {
	case st.unverified():
		pb.Set(idKey(kindVerify, st.id), []byte(st.name), nil)
	case was:
		pb.Delete(idKey(kindVerify, st.id), nil)
	}
	if old != nil && len(old.declared) > 0 && len(st.declared) == 0 {
		pb.Delete(idKey(kindHash, st.id), nil)
	}
	if old != nil && old.idle != 0 && old.idle != st.idle {
		pb.Delete(idleKey(old.idle, st.id), nil)
	}
	if st.idle != 0 && (old == nil || old.idle != st.idle) {
		pb.Set(idleKey(st.idle, st.id), []byte(st.name), nil)
	}
	if old == nil {
		for r, p := range st.extents.All() {
			pb.Set(extentKey(st.id, r.Start), encodeExtent(r.Len(), p), nil)
		}
		return
	}
	for w := range touched.All() {
		for r := range old.extents.Touching(w) {
			if now, _, ok := st.extents.Lookup(r.Start); !ok || now.Start != r.Start {
				pb.Delete(extentKey(st.id, r.Start), nil)
			}
		}
		for r, p := range st.extents.Touching(w) {
			pb.Set(extentKey(st.id, r.Start), encodeExtent(r.Len(), p), nil)
		}
	}
}

// withDigest returns st with one more known digest; it is no new version.
func (st *state) withDigest(alg Algorithm, sum []byte) *state {
	next := st.next()
	next.known = maps.Clone(st.known)
	if next.known == nil {
		next.known = make(map[Algorithm][]byte)
	}
	next.known[alg] = sum
	return next.seal()
}
