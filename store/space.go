package store

import (
	"sync"

	"github.com/infill-http/infill/ranges"
)

// A space hands out the places that the transactions of one resource write
// to, so that no two of them write the same byte and no committed byte is
// written again (invariant 6).
//
//	logical   0        K                            N
//	          |########|.....|####|.................|
//	home      |########|.....|####|.................|   same offsets
//	                     ^ a hole is reserved by one writer at a time
//	overlay   |===|==|========|                         in order of asking
//
// Range writes that begin while a name is absent share one space, and so the
// identity of the resource that the first of them to commit creates.
type space struct {
	files *files
	id    ID
	// private: of a transaction that makes its own resource. Until its first
	// commit, what is published under the name is none of its business.
	private bool

	mu       sync.Mutex
	txs      int // transactions using the space
	born     bool
	home     region
	high     int64      // end of the home bytes that were ever committed
	reserved ranges.Set // home bytes that a transaction in flight writes
	overlay  region
	next     int64 // end of the overlay bytes handed out
}

// A region is a data file that a space writes to: open while transactions
// use the space, known by its id between them.
type region struct {
	id    fileID
	df    *dataFile // nil: not open
	named bool      // a published state has named it, so commits decide when it goes
}

// overlaySize is the size in bytes from which on an overlay file is left for
// a new one, so that old ones can go when what is in them was overwritten.
const overlaySize = 256 << 20

// open returns the file of the region for writing, making it if need be. A
// sealed file is given up for a new one.
func (r *region) open(fl *files) (df *dataFile, fresh bool, err error) {
	if r.df != nil && r.df.seal(nil) != nil {
		fl.release(r.df)
		*r = region{}
	}
	switch {
	case r.df != nil:
		return r.df, false, nil
	case r.id != 0:
		r.df, err = fl.acquire(r.id, r.named)
		return r.df, false, err
	}
	if r.df, err = fl.make(); err != nil {
		return nil, false, err
	}
	r.id = r.df.id
	return r.df, true, nil
}

// close lets go of the file between transactions. A file that no state ever
// named goes away; one that st names no more is not written again.
func (r *region) close(fl *files, st *state) {
	if r.id == 0 {
		return
	}
	if !r.named {
		fl.discard(r.id)
	}
	if r.df != nil {
		fl.release(r.df)
		r.df = nil
	}
	if st == nil || st.files[r.id] == 0 {
		*r = region{}
	}
}

// published takes in a state of the resource that is published now.
func (sp *space) published(st *state) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.home.named = sp.home.named || st.files[sp.home.id] > 0
	sp.overlay.named = sp.overlay.named || st.files[sp.overlay.id] > 0
	if st.home != 0 && st.home == sp.home.id {
		sp.high = max(sp.high, st.homeHigh)
	}
}

func (sp *space) homeID() fileID {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.home.id
}

// place decides where the first bytes of want go. It returns the part of want
// that the answer holds for and its place, which only the caller writes to
// until it releases the space. The file is held for the caller.
func (sp *space) place(sl *slot, want ranges.Range) (ranges.Range, place, *dataFile, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	st := sl.pub.Load()
	if st != nil && st.id != sp.id {
		if !sp.private || sp.born {
			return ranges.Range{}, place{}, nil, ErrReplaced
		}
		st = nil
	} else if st == nil && sp.born {
		return ranges.Range{}, place{}, nil, ErrReplaced
	}
	part, free := sp.hole(st, want)
	if free {
		df, fresh, err := sp.home.open(sp.files)
		if err != nil {
			return ranges.Range{}, place{}, nil, err
		}
		if fresh {
			sp.high = 0
		}
		sp.files.hold(df)
		sp.reserved.Add(part)
		return part, place{placeFile, df.id, part.Start}, df, nil
	}
	df, off, err := sp.appendLocked(part.Len())
	if err != nil {
		return ranges.Range{}, place{}, nil, err
	}
	return part, place{placeFile, df.id, off}, df, nil
}

// append hands out the next n bytes of the overlay. The file is held for the caller.
func (sp *space) append(n int64) (*dataFile, int64, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.appendLocked(n)
}

func (sp *space) appendLocked(n int64) (*dataFile, int64, error) {
	if sp.next >= overlaySize {
		sp.overlay.close(sp.files, nil)
	}
	df, fresh, err := sp.overlay.open(sp.files)
	if err != nil {
		return nil, 0, err
	}
	if fresh {
		sp.next = 0
	}
	sp.files.hold(df)
	off := sp.next
	sp.next += n
	return df, off, nil
}

// hole returns the first part of want, and whether its home bytes are free:
// never committed and not reserved.
func (sp *space) hole(st *state, want ranges.Range) (ranges.Range, bool) {
	taken := []ranges.Set{sp.reserved}
	if st != nil && st.complete {
		if sp.home.id == 0 {
			return want, false // a new home would be no better than an overlay
		}
		taken = append(taken, ranges.NewSet(ranges.Range{End: sp.high}))
	} else if st != nil {
		taken = append(taken, st.covered)
	}
	part := want
	for _, set := range taken {
		gap := ranges.Range{Start: want.End, End: want.End}
		for g := range set.Gaps(want) {
			gap = g
			break
		}
		if gap.Start > want.Start {
			return ranges.Range{Start: want.Start, End: min(want.End, gap.Start)}, false
		}
		part.End = min(part.End, gap.End)
	}
	return part, true
}

// free gives back home bytes that a transaction reserved; they are either
// committed and published by now, or will never be.
func (sp *space) free(reserved ranges.Set) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for r := range reserved.All() {
		sp.reserved.Sub(r)
	}
}

// join counts one more transaction. The caller holds slot.mu, or is alone.
func (sp *space) join() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.txs++
}

// leave ends what join began.
func (sl *slot) leave(sp *space) {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.txs--; sp.txs > 0 {
		return
	}
	st := sl.pub.Load()
	if st != nil && st.id != sp.id {
		st = nil
	}
	sp.home.close(sp.files, st)
	sp.overlay.close(sp.files, st)
	if st == nil && sl.space == sp {
		sl.space = nil
	}
}

// spaceFor returns the space that a transaction on the published state of the
// slot uses, joined. The caller holds slot.mu.
func (s *Store) spaceFor(sl *slot, st *state) *space {
	sp := sl.space
	if sp == nil {
		sp = &space{files: &s.files}
		if st == nil {
			sp.id = newID()
		} else {
			sp.id, sp.born = st.id, true
			sp.home = region{id: st.home, named: st.home != 0}
			sp.high = st.homeHigh
		}
		sl.space = sp
	}
	sp.join()
	return sp
}
