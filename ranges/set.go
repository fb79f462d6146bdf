package ranges

import (
	"iter"
	"math"
	"strings"
)

// Set is a set of bytes, kept as the fewest ranges that name them: sorted, non-empty, disjoint, and never touching. The
// zero value is empty.
//
// Assigning a Set copies it, in constant time: Add and Sub on the copy do not change the original. Any number of
// goroutines may read a Set, and copy it, at the same time; Add and Sub need exclusive use of their receiver, as an
// assignment to it would. For n ranges the methods that take a Range need O(log n), and their iterators constant time
// more for each range they return.
type Set struct {
	m Map[member]
}

// member is the value of a Map that says no more than that a byte is there.
type member struct{}

func (member) Cut(int64) member             { return member{} }
func (member) Continues(int64, member) bool { return true }

// NewSet returns the set of the bytes that are in any of rs, which may be in any order and overlap.
func NewSet(rs ...Range) Set {
	var s Set
	for _, r := range rs {
		s.Add(r)
	}
	return s
}

// Add adds the bytes of r to s. It panics if r has Start < 0 or End < Start.
func (s *Set) Add(r Range) {
	r.valid()
	if !s.Covers(r) {
		s.m = s.m.Set(r, member{})
	}
}

// Sub removes the bytes of r from s.
func (s *Set) Sub(r Range) {
	if s.Overlaps(r) {
		s.m = s.m.Delete(r)
	}
}

// Union returns the bytes that are in s, in o, or in both. The time it takes grows with the number of ranges in the one
// that has fewer.
func (s Set) Union(o Set) Set {
	if s.Len() < o.Len() {
		s, o = o, s
	}
	for r := range o.All() {
		s.Add(r)
	}
	return s
}

// Intersect returns the bytes that are in both s and o. The time it takes grows with the number of ranges in the one that
// has fewer, and in the result.
func (s Set) Intersect(o Set) Set {
	if s.Len() < o.Len() {
		s, o = o, s
	}
	var both Set
	for r := range o.All() {
		for part := range s.Within(r) {
			both.Add(part)
		}
	}
	return both
}

// Subtract returns the bytes that are in s and not in o. The time it takes grows with the number of ranges in o.
func (s Set) Subtract(o Set) Set {
	for r := range o.All() {
		s.Sub(r)
	}
	return s
}

// Covers reports whether every byte of r is in s. An empty r is covered.
func (s Set) Covers(r Range) bool { return s.m.Covers(r) }

// Overlaps reports whether some byte of r is in s.
func (s Set) Overlaps(r Range) bool { return s.m.SizeWithin(r) > 0 }

// Contains reports whether the byte at off is in s.
func (s Set) Contains(off int64) bool { return s.m.root.find(off) != nil }

// Size returns the number of bytes in s, in constant time.
func (s Set) Size() int64 { return s.m.Size() }

// Len returns the number of ranges in s, in constant time.
func (s Set) Len() int { return s.m.Len() }

// Empty reports whether s holds no byte.
func (s Set) Empty() bool { return s.Len() == 0 }

// Equal reports whether s and o hold the same bytes.
func (s Set) Equal(o Set) bool {
	if s.m == o.m {
		return true
	}
	if s.Len() != o.Len() || s.Size() != o.Size() {
		return false
	}
	for r := range s.All() { // all of s in o, and as much in s as in o: nothing else in o
		if !o.Covers(r) {
			return false
		}
	}
	return true
}

// All returns the ranges of s in ascending order.
func (s Set) All() iter.Seq[Range] { return s.Within(Range{0, math.MaxInt64}) }

// Within returns, in ascending order, the ranges of the bytes that are in both s and r.
func (s Set) Within(r Range) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		s.m.overlapping(r, func(e *entry[member]) bool { return yield(e.r.Intersect(r)) })
	}
}

// Gaps returns, in ascending order, the ranges of the bytes that are in r and not in s.
func (s Set) Gaps(r Range) iter.Seq[Range] { return s.m.Gaps(r) }

// Prefix returns the end of the range that begins at 0, and 0 if the byte at 0 is not in s.
func (s Set) Prefix() int64 {
	r, _, _ := s.m.Lookup(0)
	return r.End
}

// Bounds returns the smallest range that covers s; for an empty set, the zero Range.
func (s Set) Bounds() Range {
	first, _, _ := s.m.First()
	last, _, _ := s.m.Last()
	return Range{first.Start, last.End}
}

// String returns the ranges of s in ascending order, such as "[0,2) [6,8)"; for an empty set, "".
func (s Set) String() string {
	var b strings.Builder
	for r := range s.All() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(r.String())
	}
	return b.String()
}
