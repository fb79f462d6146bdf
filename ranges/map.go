package ranges

import (
	"iter"
	"math"
)

// Value is what a Map holds for a range of bytes: something that says, for each byte of the range, where that byte is or
// what is true of it, and that can be cut as the range is.
type Value[V any] interface {
	// Cut returns the value of what remains when the first n bytes of its range are taken off; n > 0.
	Cut(n int64) V
	// Continues reports whether next, the value of a range that begins n bytes after the start of the receiver's range,
	// is just what Cut(n) would be, so that two touching entries can be one; n > 0.
	Continues(n int64, next V) bool
}

// Map maps disjoint, non-empty ranges of bytes to values. The zero value is an empty Map.
//
// A Map is immutable: Set and Delete return another Map, which shares most of its memory with the first one. Assigning a
// Map therefore copies it, in constant time, and any number of goroutines may read the same Map without a lock.
//
// Entries are in ascending order, never empty and never overlap. Two entries touch only if the value of the first does
// not continue in that of the second. For n entries, Set, Delete, Lookup, Covers and SizeWithin take O(log n), however
// many entries Set and Delete drop; a loop over an iterator takes O(log n), and constant time for each entry it gets.
type Map[V Value[V]] struct {
	root *node[V]
}

// Set returns m with v as the value of r. What r overlaps is replaced, and entries that reach over an edge of r are cut
// there. The new entry becomes one with a neighbour that it touches when the values continue each other:
//
//	m           [--a--------)  [--b--)     [---c---)
//	r, v             [---------------------)
//	result      [-a--)[--------v-----------)[--c---)
//
// If r is empty, m is returned. Set panics if r has Start < 0 or End < Start.
func (m Map[V]) Set(r Range, v V) Map[V] {
	r.valid()
	if r.Empty() {
		return m
	}
	if p := m.root.find(r.Start - 1); p != nil && p.v.Continues(r.Start-p.r.Start, v) {
		r.Start, v = p.r.Start, p.v
	}
	if p := m.root.find(r.End); p != nil && v.Continues(r.Len(), p.after(r.End).v) {
		r.End = p.r.End
	}
	return Map[V]{m.root.replace(r, []entry[V]{{v, r}})}
}

// Delete returns m without the bytes of r. Entries that reach over an edge of r are cut there.
func (m Map[V]) Delete(r Range) Map[V] {
	if r.Empty() {
		return m
	}
	return Map[V]{m.root.replace(r, nil)}
}

// Len returns the number of entries, in constant time.
func (m Map[V]) Len() int { return m.root.len() }

// Size returns the sum of the lengths of all entries in bytes, in constant time.
func (m Map[V]) Size() int64 { return m.root.bytes() }

// SizeWithin returns how many bytes of r are in entries of m.
func (m Map[V]) SizeWithin(r Range) int64 {
	if r.Empty() {
		return 0
	}
	return m.root.bytesBelow(r.End) - m.root.bytesBelow(r.Start)
}

// Covers reports whether every byte of r is in an entry of m, be it one or several that touch. An empty r is covered.
func (m Map[V]) Covers(r Range) bool { return m.SizeWithin(r) == r.Len() }

// Lookup returns the entry that holds the byte at off, whole. If there is none, ok is false.
func (m Map[V]) Lookup(off int64) (r Range, v V, ok bool) {
	if e := m.root.find(off); e != nil {
		return e.r, e.v, true
	}
	return r, v, false
}

// First returns the lowest entry. If m is empty, ok is false.
func (m Map[V]) First() (r Range, v V, ok bool) {
	if m.root == nil {
		return r, v, false
	}
	e := m.root.first()
	return e.r, e.v, true
}

// Last returns the highest entry. If m is empty, ok is false.
func (m Map[V]) Last() (r Range, v V, ok bool) {
	if m.root == nil {
		return r, v, false
	}
	e := m.root.last()
	return e.r, e.v, true
}

// All returns the entries in ascending order.
func (m Map[V]) All() iter.Seq2[Range, V] { return m.Touching(Range{0, math.MaxInt64}) }

// Touching returns, in ascending order, the entries that overlap r or are adjacent to it, whole. For an empty r at x these
// are the entries that end at x, begin at x, or hold both the byte before x and the one at x.
func (m Map[V]) Touching(r Range) iter.Seq2[Range, V] {
	return func(yield func(Range, V) bool) {
		m.root.walk(r.Start, r.End, func(e *entry[V]) bool { return yield(e.r, e.v) })
	}
}

// Within returns, in ascending order, the entries that overlap r, clipped to r: what lies outside r is cut off, with
// Value.Cut at the left edge.
func (m Map[V]) Within(r Range) iter.Seq2[Range, V] {
	return func(yield func(Range, V) bool) {
		m.overlapping(r, func(e *entry[V]) bool {
			v := e.v
			if e.r.Start < r.Start {
				v = v.Cut(r.Start - e.r.Start)
			}
			return yield(e.r.Intersect(r), v)
		})
	}
}

// Gaps returns, in ascending order, the longest ranges inside r that no entry of m overlaps.
func (m Map[V]) Gaps(r Range) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		off := r.Start // all before it is in an entry or was yielded
		more := m.overlapping(r, func(e *entry[V]) bool {
			gap := Range{off, e.r.Start}
			off = e.r.End
			return gap.Empty() || yield(gap)
		})
		if more && off < r.End {
			yield(Range{off, r.End})
		}
	}
}

// overlapping calls yield for the entries that share a byte with r, as node.walk does.
func (m Map[V]) overlapping(r Range, yield func(*entry[V]) bool) bool {
	if r.Empty() {
		return true
	}
	return m.root.walk(r.Start+1, r.End-1, yield)
}
