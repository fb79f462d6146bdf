package ranges

import "fmt"

// Range is a half-open range of bytes: it holds the bytes Start, Start+1, …, End-1. Start and End are offsets in bytes
// from the beginning of a representation, with 0 <= Start <= End; a Range with Start == End is empty, and still has a
// place. The zero value is the empty range at 0.
//
// Because End is exclusive and an int64, the last byte that a Range can hold is the one at 2^63-2.
type Range struct{ Start, End int64 }

// Len returns the number of bytes in r, 0 if r is empty.
func (r Range) Len() int64 {
	if r.Empty() {
		return 0
	}
	return r.End - r.Start
}

// Empty reports whether r holds no byte.
func (r Range) Empty() bool { return r.End <= r.Start }

// Contains reports whether r holds the byte at off.
func (r Range) Contains(off int64) bool { return r.Start <= off && off < r.End }

// Covers reports whether r holds every byte of o. Every range covers an empty one.
func (r Range) Covers(o Range) bool {
	return o.Empty() || r.Start <= o.Start && o.End <= r.End
}

// Overlaps reports whether some byte is in both r and o. An empty range overlaps nothing.
func (r Range) Overlaps(o Range) bool { return !r.Intersect(o).Empty() }

// Intersect returns the bytes that are in both r and o. If there are none, the result is empty and lies at the larger of
// the two Starts.
func (r Range) Intersect(o Range) Range {
	start := max(r.Start, o.Start)
	return Range{start, max(start, min(r.End, o.End))}
}

// String returns r in the notation of this package, such as "[2,6)".
func (r Range) String() string { return fmt.Sprintf("[%d,%d)", r.Start, r.End) }

// valid panics if r breaks 0 <= Start <= End. The parsers of this package return valid ranges only, so an invalid one is
// a mistake in the calling program, and storing it would break the invariants of a Map without a sign.
func (r Range) valid() {
	if r.Start < 0 || r.End < r.Start {
		panic("ranges: invalid range " + r.String())
	}
}
