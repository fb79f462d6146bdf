package store

import (
	"bytes"
	"errors"
	"maps"
	"time"

	"github.com/infill-http/infill/ranges"
)

// A state is one version of one resource: its record and its extent map. A
// state is immutable once it is published; a commit builds the next one from
// it, sharing all that did not change.
type state struct {
	record
	extents ranges.Map[place]
	covered ranges.Set       // the ranges of extents, merged whatever their places
	inlined int64            // bytes of inline extents
	files   map[fileID]int64 // bytes that extents name in each file; never 0
	maxAge  time.Duration    // Options.IncompleteMaxAge
	info    *Info            // set by seal
	// spared is what damage.found was when extents were last looked through
	// for damaged bytes; those of later commits were looked at one by one. It
	// alone changes after the state was published: whoever leads the queue of
	// the slot has it to himself.
	spared uint64
}

// newState returns the state before the first commit of a resource.
func newState(id ID, name string, now time.Time, maxAge time.Duration) *state {
	return &state{record: record{name: name, id: id, length: -1, created: now, modified: now}, maxAge: maxAge}
}

// next returns a copy that may be changed until it is sealed.
func (st *state) next() *state {
	n := *st
	n.files = maps.Clone(st.files)
	n.info = nil
	return &n
}

// put makes p the place of r, whatever was there.
func (st *state) put(r ranges.Range, p place) {
	st.forget(r)
	st.extents = st.extents.Set(r, p)
	st.covered.Add(r)
	st.count(p, r.Len())
}

// count adds n bytes at p to what extents name.
func (st *state) count(p place, n int64) {
	if p.kind == placeInline {
		st.inlined += n
	}
	if p.kind != placeZero {
		if st.files == nil {
			st.files = make(map[fileID]int64)
		}
		st.files[p.file] += n
	}
}

// cut removes r from the map.
func (st *state) cut(r ranges.Range) {
	st.forget(r)
	st.extents = st.extents.Delete(r)
	st.covered.Sub(r)
}

func (st *state) forget(r ranges.Range) {
	for o, p := range st.extents.Within(r) {
		if p.kind == placeZero {
			continue
		}
		if p.kind == placeInline {
			st.inlined -= o.Len()
		}
		if st.files[p.file] -= o.Len(); st.files[p.file] == 0 {
			delete(st.files, p.file)
		}
	}
}

// whole reports whether the length is known and every byte below it is committed.
func (st *state) whole() bool {
	return st.length >= 0 && st.covered.Covers(ranges.Range{End: st.length})
}

// unverified reports whether only the verdict on the declared digests is
// missing for the resource to be complete.
func (st *state) unverified() bool {
	return !st.complete && !st.mismatch && len(st.declared) > 0 && st.whole()
}

// offset returns the end of the representation. A complete resource has one
// of its full length, even if not all of it can be read (damage.go).
func (st *state) offset() int64 {
	if st.complete {
		return st.length
	}
	return st.covered.Prefix()
}

// seal ends the building of the state: from here on it is immutable.
func (st *state) seal() *state {
	st.info = &Info{
		Name:       st.name,
		Version:    st.version(),
		Complete:   st.complete,
		Unverified: st.unverified(),
		Mismatched: st.mismatch,
		Length:     st.length,
		Offset:     st.offset(),
		Received:   st.covered,
		Metadata:   st.meta,
		Created:    st.created,
		Modified:   st.modified,
		Declared:   st.declared,
		Base:       st.base,
		BaseRange:  st.baseRange,
	}
	if !st.complete && st.maxAge > 0 {
		st.info.Expires = st.modified.Add(st.maxAge)
	}
	return st
}

// describe is the info of a state that may be absent.
func describe(st *state) *Info {
	if st == nil {
		return nil
	}
	return st.info
}

// A change is what one commit does to the resource, by the model of
// design section 2: a *fill* adds bytes to a resource that is, or was when
// the writer began, incomplete; an *overwrite* replaces bytes of a complete one.
type change struct {
	fill      bool
	replace   bool // a fill may replace committed bytes that differ
	staged    ranges.Map[place]
	written   ranges.Set        // the ranges of staged
	since     ranges.Map[place] // what staged was compared with as it was streamed
	partial   bool              // more of the same transaction follows
	at        int64             // where a write is about to begin; 0 in a commit
	expect    int64             // complete-length that came with the bytes, or -1
	setLength int64             // complete-length that is to be set, or -1
	meta      Metadata          // fields that are not empty are set
	declared  map[Algorithm][]byte
	known     map[Algorithm][]byte // of the whole representation after the change
	now       time.Time
	maxRanges int
	// equal compares the bytes of two places over n bytes, and verify those of
	// one with their checksums: ErrDamaged. An error of equal that is
	// errUnreadable is about b.
	equal  func(a, b place, n int64) (bool, error)
	verify func(p place, n int64) error
}

// apply returns the state after the change and the ranges whose extents may
// differ, or cur itself if the change changes nothing that can be observed.
// It neither modifies cur nor does anything that would have to be undone.
func (c *change) apply(cur *state) (*state, ranges.Set, error) {
	var touched ranges.Set
	length, err := c.fit(cur)
	if err != nil {
		return nil, touched, err
	}
	if c.meta.Encoding != "" && cur.revision > 0 && cur.meta.Encoding != c.meta.Encoding {
		return nil, touched, ErrMetadataConflict
	}
	st := cur.next()
	changed := cur.revision == 0
	for r, p := range c.staged.All() {
		did, err := c.place(st, cur, r, p, &touched)
		if err != nil {
			return nil, touched, err
		}
		changed = changed || did
	}
	if cur.complete { // and what was written may end beyond the length that is set
		if end := max(cur.length, st.covered.Bounds().End); length < end {
			st.cut(ranges.Range{Start: length, End: end})
			touched.Add(ranges.Range{Start: length, End: end})
		} else if r := (ranges.Range{Start: end, End: length}); !r.Empty() {
			st.put(r, place{kind: placeZero})
			touched.Add(r)
		}
	}
	bytesChanged := changed || length != st.length
	changed = changed || length != st.length
	st.length = length

	if m := merge(st.meta, c.meta); m != st.meta {
		st.meta, changed = m, true
	}
	for alg, sum := range c.declared {
		if have, ok := st.declared[alg]; ok {
			if !bytes.Equal(have, sum) {
				return nil, touched, ErrMetadataConflict
			}
			continue
		}
		if cur.complete {
			continue // the caller verifies; a complete resource keeps no declarations
		}
		st.declared = maps.Clone(st.declared)
		if st.declared == nil {
			st.declared = make(map[Algorithm][]byte)
		}
		st.declared[alg], changed = sum, true
	}
	if !changed {
		return cur, ranges.Set{}, nil
	}
	if bytesChanged {
		st.known, st.mismatch = nil, false
	}
	if !st.complete && st.whole() && len(st.declared) == 0 {
		st.complete = true
	}
	if st.complete && c.known != nil {
		st.known = c.known
	}
	if !st.complete && st.covered.Len() > c.maxRanges && st.covered.Len() > cur.covered.Len() {
		return nil, touched, ErrTooManyRanges
	}
	st.base, st.baseRange = cur.version(), ranges.Range{}
	if cur.revision == 0 {
		st.base = Version{}
	}
	if c.written.Len() == 1 && c.setLength < 0 {
		st.baseRange = c.written.Bounds()
	}
	st.bump(c.now)
	return st, touched, nil
}

// bump makes st a new version. The caller has decided whether it is complete.
func (st *state) bump(now time.Time) {
	st.revision++
	if now.After(st.modified) {
		st.modified = now
	}
	if st.complete {
		st.idle = 0
	} else if st.idle == 0 {
		st.idle = st.modified.UnixMicro()
	}
}

// place puts the staged range r over what cur has there and reports whether
// that changed anything.
func (c *change) place(st, cur *state, r ranges.Range, p place, touched *ranges.Set) (bool, error) {
	changed := false
	set := func(sub ranges.Range, q place) {
		st.put(sub, q)
		touched.Add(sub)
		changed = true
	}
	at := func(off int64) place {
		if off == r.Start {
			return p
		}
		return p.Cut(off - r.Start)
	}
	for gap := range cur.covered.Gaps(r) {
		set(gap, at(gap.Start))
	}
	for sub, q := range cur.extents.Within(r) {
		mine := at(sub.Start)
		if mine == q {
			continue
		}
		if c.fill || !c.compared(sub, q) {
			same, err := c.equal(mine, q, sub.Len())
			if errors.Is(err, errUnreadable) {
				st.epoch = cur.epoch + 1
				set(sub, mine)
				continue
			}
			if err != nil {
				return false, err
			}
			if same {
				continue
			}
		}
		if c.fill {
			if cur.complete || !c.replace && !cur.mismatch {
				if err := c.verify(q, sub.Len()); err != nil {
					return false, err
				}
				return false, c.fault(ErrRangeConflict, cur, sub)
			}
			st.epoch = cur.epoch + 1
		}
		set(sub, mine)
	}
	return changed, nil
}

// compared reports whether the staged bytes of r were compared with those at
// p, and differed, when they were streamed.
func (c *change) compared(r ranges.Range, p place) bool {
	for sub, q := range c.since.Within(r) {
		return sub == r && q == p
	}
	return false
}

// fit checks the ranges and lengths of the change against cur and returns the
// complete-length that follows, or -1.
func (c *change) fit(cur *state) (int64, error) {
	if c.fill {
		return c.fitFill(cur)
	}
	length := cur.length
	for r := range c.written.All() {
		if r.Start > length {
			return 0, c.fault(ErrNotAdjacent, cur, r)
		}
		length = max(length, r.End)
	}
	if c.at > length {
		return 0, c.fault(ErrNotAdjacent, cur, ranges.Range{Start: c.at, End: c.at})
	}
	if c.expect >= 0 && (length > c.expect || length < c.expect && !c.partial) {
		return 0, c.fault(ErrLengthConflict, cur, ranges.Range{Start: min(length, c.expect), End: max(length, c.expect)})
	}
	if c.setLength >= 0 {
		length = c.setLength
	}
	return length, nil
}

func (c *change) fitFill(cur *state) (int64, error) {
	length := cur.length
	for _, n := range []int64{c.expect, c.setLength} {
		if n < 0 {
			continue
		}
		if length >= 0 && length != n {
			return 0, c.fault(ErrLengthConflict, cur, ranges.Range{Start: n, End: n})
		}
		length = n
	}
	if length >= 0 {
		for _, set := range []ranges.Set{c.written, cur.covered} {
			if b := set.Bounds(); b.End > length {
				return 0, c.fault(ErrLengthConflict, cur, ranges.Range{Start: max(b.Start, length), End: b.End})
			}
		}
		if c.at > length {
			return 0, c.fault(ErrLengthConflict, cur, ranges.Range{Start: c.at, End: c.at})
		}
		return length, nil
	}
	// Without a complete-length there are no islands.
	end := cur.covered.Prefix()
	for r := range c.written.All() {
		if r.Start > end {
			return 0, c.fault(ErrNotAdjacent, cur, r)
		}
		end = max(end, r.End)
	}
	if c.at > end {
		return 0, c.fault(ErrNotAdjacent, cur, ranges.Range{Start: c.at, End: c.at})
	}
	return -1, nil
}

func (c *change) fault(err error, cur *state, r ranges.Range) error {
	return &RangeError{Err: err, Range: r, Offset: cur.offset(), Length: cur.length}
}

// merge returns old with the fields of set that are not empty.
func merge(old, set Metadata) Metadata {
	pick := func(field *string, v string) {
		if v != "" {
			*field = v
		}
	}
	pick(&old.Type, set.Type)
	pick(&old.Language, set.Language)
	pick(&old.Encoding, set.Encoding)
	pick(&old.Disposition, set.Disposition)
	return old
}
