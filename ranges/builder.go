package ranges

import "slices"

// A Builder makes a Map of entries that come in ascending order, in less time and memory than Set would take for each of
// them. The zero value is ready for use.
type Builder[V Value[V]] struct {
	leaves []*node[V]
	last   []entry[V] // of the leaf that is being filled
}

// Append adds an entry. It becomes one with the entry before it when they touch and the values continue each other; an
// empty r adds nothing. Append panics if r has End < Start, or begins before 0 or before the end of the last entry.
func (b *Builder[V]) Append(r Range, v V) {
	r.valid()
	if r.Empty() {
		return
	}
	if n := len(b.last); n > 0 {
		e := &b.last[n-1]
		if r.Start < e.r.End {
			panic("ranges: entries out of order")
		}
		if r.Start == e.r.End && e.v.Continues(e.r.Len(), v) {
			e.r.End = r.End
			return
		}
		if n > leafMax { // the last entry may still grow, so it stays
			b.leaves = append(b.leaves, leaf(slices.Clone(b.last[:leafMax])))
			b.last = append(b.last[:0], *e)
		}
	}
	b.last = append(b.last, entry[V]{v, r})
}

// Map returns what was added. The Builder must not be used again.
func (b *Builder[V]) Map() Map[V] {
	last := slices.Clip(b.last)
	if len(last) > leafMax {
		b.leaves = append(b.leaves, leaf(last[:leafMax:leafMax]))
		last = last[leafMax:]
	}
	if len(last) > 0 {
		b.leaves = append(b.leaves, leaf(last))
	}
	return Map[V]{build(b.leaves)}
}

// build returns the tree of leaves, all of which but the last are full.
func build[V Value[V]](leaves []*node[V]) *node[V] {
	switch len(leaves) {
	case 0:
		return nil
	case 1:
		return leaves[0]
	}
	half := len(leaves) / 2
	return inner(build(leaves[:half]), build(leaves[half:]))
}

// A SetBuilder makes a Set of ranges that come in ascending order, as Builder makes a Map. The zero value is ready for use.
type SetBuilder struct{ b Builder[member] }

// Append adds the bytes of r, on the same terms as Builder.Append.
func (b *SetBuilder) Append(r Range) { b.b.Append(r, member{}) }

// Set returns what was added. The SetBuilder must not be used again.
func (b *SetBuilder) Set() Set { return Set{b.b.Map()} }
