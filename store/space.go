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
	txs      int  // transactions using the space
	born     bool // a commit has made the resource; it may not be published yet
	gone     bool // the resource has lost the name, or its chance of it
	home     region
	high     int64      // end of the home bytes that were ever committed
	reserved ranges.Set // home bytes that a transaction in flight writes
	overlay  appended
	inline   appended
}

// A region is a data file that a space writes to: open while transactions
// use the space, known by its id between them.
type region struct {
	id     fileID
	df     *dataFile // nil: not open
	inline bool      // an inline file
	named  bool      // a published state has named it, so commits decide when it goes
}

// overlaySize is the size in bytes from which on an overlay file is left for
// a new one, so that old ones can go when what is in them was overwritten.
const overlaySize = 256 << 20

// open returns the file of the region for writing, making it if need be. A
// sealed file is given up for a new one.
func (r *region) open(fl *files) (df *dataFile, fresh bool, err error) {
	if r.df == nil && r.id != 0 {
		if r.inline {
			r.df = fl.acquireInline(r.id)
		} else if r.df, err = fl.acquire(r.id, r.named); err != nil {
			return nil, false, err
		}
	}
	if r.df != nil && r.df.fault() == nil {
		return r.df, false, nil
	}
	r.abandon(fl)
	if r.inline {
		r.df, err = fl.makeInline()
	} else {
		r.df, err = fl.make()
	}
	if err != nil {
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
		*r = region{inline: r.inline}
	}
}

// abandon leaves the file to those who hold it: nobody else writes to it.
func (r *region) abandon(fl *files) {
	if r.df != nil {
		fl.release(r.df)
	}
	*r = region{inline: r.inline}
}

// An appended is a region whose bytes are handed out in order.
type appended struct {
	region
	next int64 // end of the bytes handed out
	size int64 // from which on a file is left for a new one
}

// append hands out the next n bytes. The file is held for the caller.
func (a *appended) append(fl *files, n int64) (*dataFile, int64, error) {
	if a.next >= a.size {
		a.close(fl, nil)
	}
	df, fresh, err := a.open(fl)
	if err != nil {
		return nil, 0, err
	}
	if fresh {
		a.next = 0
	}
	fl.hold(df)
	off := a.next
	a.next += n
	return df, off, nil
}

func newSpace(fl *files, id ID) *space {
	return &space{
		files: fl, id: id,
		overlay: appended{size: overlaySize},
		inline:  appended{size: fl.opts.inlined(maxInline), region: region{inline: true}},
	}
}

// published takes in a state that is published now. A file that was named and
// is no more may be removed at any time, so it is left.
func (r *region) published(fl *files, st *state) {
	switch {
	case r.id == 0:
	case st.files[r.id] > 0:
		r.named = true
	case r.named:
		r.abandon(fl)
	}
}

// published takes in a state of the resource that is published now.
func (sp *space) published(st *state) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.home.named && st.home != sp.home.id {
		sp.home.abandon(sp.files) // it is not to be written again
	}
	sp.home.published(sp.files, st)
	sp.overlay.published(sp.files, st)
	sp.inline.published(sp.files, st)
	if st.home != 0 && st.home == sp.home.id {
		sp.high = max(sp.high, st.homeHigh)
	}
}

// retire leaves the home file, if it is id, for another one.
func (sp *space) retire(id fileID) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.home.id == id {
		sp.home.abandon(sp.files)
	}
}

// lost notes that the resource has the name no more, or that another took the
// name before there was one.
func (sp *space) lost() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.gone = true
}

// wasLost reports whether the resource has lost the name. It may have come
// back since, by way of another, but then has another space.
func (sp *space) wasLost() bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.gone
}

// wasBorn reports whether a commit has made the resource of the space.
func (sp *space) wasBorn() bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.born
}

func (sp *space) homeID() fileID {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.home.id
}

// A window is a range of a resource and the place that its bytes go to, which
// nobody else writes to.
type window struct {
	ranges.Range
	at   place
	df   *dataFile
	home bool // reserved in the home file
}

// place decides where the first bytes of want go, as far as the answer is the
// same for all of them; small says that they are all of a small write. The
// file is held for the caller.
func (sp *space) place(sl *slot, want ranges.Range, small bool) (window, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	st := sl.pub.Load()
	if st != nil && st.id != sp.id {
		if !sp.private {
			return window{}, ErrReplaced
		}
		st = nil
	}
	if sp.gone {
		return window{}, ErrReplaced
	}
	if small && sp.mayInline(st, want.Len()) {
		df, off, err := sp.inline.append(sp.files, want.Len())
		if err != nil {
			return window{}, err
		}
		return window{want, place{placeInline, df.id, off}, df, false}, nil
	}
	part, free := sp.hole(st, want)
	if free {
		df, fresh, err := sp.home.open(sp.files)
		if err != nil {
			return window{}, err
		}
		if fresh {
			sp.high = 0
		}
		sp.files.hold(df)
		sp.reserved.Add(part)
		return window{part, place{placeFile, df.id, part.Start}, df, true}, nil
	}
	df, off, err := sp.overlay.append(sp.files, part.Len())
	if err != nil {
		return window{}, err
	}
	return window{part, place{placeFile, df.id, off}, df, false}, nil
}

// mayInline reports whether a small write of n bytes may go to the map.
func (sp *space) mayInline(st *state, n int64) bool {
	o := sp.files.opts
	return sp.txs <= inlineWriters && (st == nil || st.inlined+n <= o.inlined(maxInline)) &&
		(sp.inline.df == nil || sp.inline.df.inline.room(n, o))
}

// append hands out the next n bytes of the overlay. The file is held for the caller.
func (sp *space) append(n int64) (*dataFile, int64, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.overlay.append(sp.files, n)
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
	sp.inline.close(sp.files, st)
	if st == nil && sl.space == sp {
		sl.space = nil
	}
}

// spaceFor returns the space that a transaction on the published state of the
// slot uses, joined. The caller holds slot.mu.
func (s *Store) spaceFor(sl *slot, st *state) *space {
	sp := sl.space
	if sp == nil {
		if st == nil {
			sp = newSpace(&s.files, newID())
		} else {
			sp = newSpace(&s.files, st.id)
			sp.born = true
			sp.home = region{id: st.home, named: st.home != 0}
			sp.high = st.homeHigh
		}
		sl.space = sp
	}
	sp.join()
	return sp
}
