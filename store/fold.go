package store

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"github.com/infill-http/infill/ranges"
)

// Folding keeps what overwrites leave behind in bounds. Overwrites of a
// complete resource go to overlay files, so its map grows by two extents for
// each, and bytes that nothing names any more stay in files that others are
// still named in. In the background, and never in a request, a fold copies
// committed bytes to one new place, in logical order, and lets the map name
// that; files that nothing names then go. It makes no new version.
//
// A resource is looked at when its map or the files it names are too many,
// and after a share of it was overwritten.
const (
	foldFiles  = 64       // files that a resource may name
	foldChurn  = 16 << 20 // bytes overwritten, at least, between two looks
	foldWindow = 64 << 20 // bytes copied for one commit, at most
	foldMinGap = 4 << 20  // size from which a file half of whose bytes are dead is folded
	foldZero   = 64 << 10 // longest run of zeros that is written out to join what is around it
)

// A folder runs folds, one at a time.
type folder struct {
	mu      sync.Mutex
	queued  map[*slot]bool
	todo    []*slot
	busy    bool
	ran     chan struct{} // closed, and replaced, whenever a fold has ended
	wake    chan struct{}
	stopped chan struct{}
	done    chan struct{}
}

func (s *Store) startFolder() {
	f := &s.folder
	f.queued = make(map[*slot]bool)
	f.wake, f.ran = make(chan struct{}, 1), make(chan struct{})
	f.stopped, f.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(f.done)
		for {
			select {
			case <-f.stopped:
				return
			case <-f.wake:
			}
			for sl := f.next(); sl != nil; sl = f.next() {
				if err := s.fold(sl); err != nil && !errors.Is(err, ErrClosed) {
					s.opts.Logger.Warn("cannot fold", "name", sl.name, "err", err)
				}
				s.release(sl)
				f.ended()
			}
		}
	}()
}

func (f *folder) next() *slot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.todo) == 0 {
		return nil
	}
	sl := f.todo[0]
	f.todo, f.busy = f.todo[1:], true
	delete(f.queued, sl)
	return sl
}

func (f *folder) ended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
	close(f.ran)
	f.ran = make(chan struct{})
}

// stopFolder ends folding after the window at hand.
func (s *Store) stopFolder() {
	close(s.folder.stopped)
	<-s.folder.done
	for sl := s.folder.next(); sl != nil; sl = s.folder.next() {
		s.release(sl)
	}
}

// churned follows every commit to a complete resource; n is how many bytes of
// the map it touched. The caller uses the slot and leads its queue.
func (s *Store) churned(sl *slot, st *state, n int64) {
	if s.opts.FoldExtents < 0 || !st.complete {
		return
	}
	sl.churn += n
	// What a fold could not join is not tried again before it has grown by half.
	many := st.extents.Len() > max(s.opts.FoldExtents, sl.folded+sl.folded/2)
	if !many && st.inlined <= s.opts.inlined(foldInline) && len(st.files) <= foldFiles && sl.churn < max(foldChurn, st.length/4) {
		return
	}
	sl.churn, sl.folded = 0, st.extents.Len()
	f := &s.folder
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queued[sl] {
		return
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		sl.users++
	}
	s.mu.Unlock()
	if closed {
		return
	}
	f.queued[sl] = true
	f.todo = append(f.todo, sl)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// fold does what a resource needs.
func (s *Store) fold(sl *slot) error {
	st := s.pinned(sl)
	if st == nil {
		return nil
	}
	defer s.files.unpin(st)
	if !st.complete {
		return nil
	}
	for _, window := range windows(s.foldable(st)) {
		if err := s.Writable(); err != nil {
			return err
		}
		select {
		case <-s.folder.stopped:
			return ErrClosed
		default:
		}
		if err := s.foldRanges(sl, st, window); err != nil {
			return err
		}
	}
	return nil
}

// foldable returns the ranges of st that are to be copied: those in files of
// which most is dead, those in the smallest files if there are too many, and
// the most fragmented parts of a map that is too large.
func (s *Store) foldable(st *state) ranges.Set {
	var fold ranges.Set
	victims := make(map[fileID]bool)
	for id, live := range st.files {
		info, err := s.opts.FS.Stat(s.files.path(id))
		if err == nil && info.Size() >= foldMinGap && live < info.Size()/2 {
			victims[id] = true
		}
	}
	if len(st.files) > foldFiles {
		ids := make([]fileID, 0, len(st.files))
		for id := range st.files {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b fileID) int { return cmp.Compare(st.files[a], st.files[b]) })
		for _, id := range ids[:len(ids)-foldFiles/4] {
			victims[id] = true
		}
	}
	for r, p := range st.extents.All() {
		if victims[p.file] || p.kind == placeInline && st.inlined > s.opts.inlined(foldInline) {
			fold.Add(r)
		}
	}
	if st.extents.Len() > s.opts.FoldExtents {
		fold = fold.Union(fragmented(st))
	}
	return fold
}

// fragmented returns the half of the map that has its extents closest
// together, in cells of a few extents each. Long runs of zeros stay as they are.
func fragmented(st *state) ranges.Set {
	const cell = 64 // extents
	var cells []ranges.Range
	n := cell
	for r, p := range st.extents.All() {
		if p.kind == placeZero && r.Len() > foldZero {
			n = cell
			continue
		}
		if n == cell {
			cells, n = append(cells, r), 0
		}
		cells[len(cells)-1].End = r.End
		n++
	}
	slices.SortFunc(cells, func(a, b ranges.Range) int { return cmp.Compare(a.Len(), b.Len()) })
	var fold ranges.Set
	for _, c := range cells[:(len(cells)+1)/2] {
		fold.Add(c)
	}
	return fold
}

// windows cuts a set into pieces of at most foldWindow bytes, in order.
func windows(set ranges.Set) []ranges.Set {
	var out []ranges.Set
	room := int64(0)
	for r := range set.All() {
		for !r.Empty() {
			if room == 0 {
				out, room = append(out, ranges.Set{}), foldWindow
			}
			n := min(room, r.Len())
			out[len(out)-1].Add(ranges.Range{Start: r.Start, End: r.Start + n})
			r.Start += n
			room -= n
		}
	}
	return out
}

// foldRanges copies the bytes of a window to one new place and lets the map
// name it wherever the map still says what st says. The caller has pinned st.
func (s *Store) foldRanges(sl *slot, st *state, window ranges.Set) error {
	sl.mu.Lock()
	cur := sl.pub.Load() // may be a later state, with another home file
	if cur == nil || cur.id != st.id {
		sl.mu.Unlock()
		return nil
	}
	sp := s.spaceFor(sl, cur)
	sl.mu.Unlock()
	defer sl.leave(sp)

	df, off, err := sp.append(window.Size())
	if err != nil {
		return err
	}
	defer s.files.release(df)
	var copied ranges.Map[place]
	var sums crcPieces
	src := checkedReader{s: s} // a new checksum must not make damage good
	defer src.close()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for w := range window.All() {
		for r, p := range st.extents.Within(w) {
			for r.Start < r.End {
				b := (*buf)[:min(r.Len(), int64(len(*buf)))]
				if err := src.read(p, b); err != nil {
					return err
				}
				if err := s.files.write(df, b, off); err != nil {
					return err
				}
				n := int64(len(b))
				sums.add(off, b)
				copied = copied.Set(ranges.Range{Start: r.Start, End: r.Start + n}, place{placeFile, df.id, off})
				r.Start, p, off = r.Start+n, p.Cut(n), off+n
			}
		}
	}
	if err := s.files.sync(df); err != nil {
		return err
	}
	return s.commit(sl, &ticket{eval: func(cur *state, b *batch) (*state, error) {
		if cur == nil || cur.id != st.id || sp.wasLost() {
			return cur, nil // a resource that came back has another space
		}
		next := cur.next()
		for r, p := range copied.All() {
			for old, q := range st.extents.Within(r) {
				for now, c := range cur.extents.Within(old) {
					if c == q.Cut(now.Start-old.Start) {
						next.put(now, p.Cut(now.Start-r.Start))
						b.touched.Add(now)
					}
				}
			}
		}
		if next.files[next.home] == 0 {
			next.home, next.homeHigh = 0, 0
		}
		b.addSums(df.id, sums)
		sl.folded = next.extents.Len()
		return next.seal(), nil
	}})
}
