package ranges

import "slices"

// entry is one range of a Map and its value.
type entry[V Value[V]] struct {
	v V // first, so that a V without size adds none
	r Range
}

// after returns what e has at off and above, off being inside its range or at its start.
func (e entry[V]) after(off int64) entry[V] {
	if off > e.r.Start {
		e.v, e.r.Start = e.v.Cut(off-e.r.Start), off
	}
	return e
}

// node is an immutable node of a search tree of disjoint, non-empty ranges in ascending order. A nil node is the empty
// tree. Nothing reachable from a node changes after it was made, so trees share their subtrees.
//
// The entries are in the leaves, many to a leaf, so that a large tree has few objects and few pointers. A change copies one
// leaf and the way to it.
//
// Balance: the heights of siblings differ by at most 1, as in an AVL tree. Fill: an inner node has more than leafMax
// entries below it. A leaf whose sibling is no leaf has a sibling with two leaves, so of any such two or three leaves the
// average has more than leafMax/3 entries.
type node[V Value[V]] struct {
	left, right *node[V]   // both nil in a leaf, neither in an inner node
	entries     []entry[V] // of a leaf: 1 to leafMax
	start       int64      // of the first entry
	mid         int64      // of an inner node: right.start
	count       int        // entries in this subtree
	size        int64      // bytes in this subtree; no overflow, since the ranges are disjoint parts of [0,2^63-1)
	height      int8       // 0: a leaf
}

// leafMax is how many entries a leaf has at most: by measurement of changes, for which smaller leaves are better, and of
// the time and space that a large tree takes, for which larger ones are.
const leafMax = 16

func (n *node[V]) len() int {
	if n == nil {
		return 0
	}
	return n.count
}

func (n *node[V]) bytes() int64 {
	if n == nil {
		return 0
	}
	return n.size
}

// leaf returns a tree of es, at most leafMax entries that nobody changes any more.
func leaf[V Value[V]](es []entry[V]) *node[V] {
	if len(es) == 0 {
		return nil
	}
	n := &node[V]{entries: es, start: es[0].r.Start, count: len(es)}
	for i := range es {
		n.size += es[i].r.Len()
	}
	return n
}

// inner returns a tree of two that are not empty and whose heights differ by at most 1.
func inner[V Value[V]](left, right *node[V]) *node[V] {
	if left.count+right.count <= leafMax { // so both are leaves
		return leaf(slices.Concat(left.entries, right.entries))
	}
	return &node[V]{
		left: left, right: right, start: left.start, mid: right.start,
		count: left.count + right.count, size: left.size + right.size, height: 1 + max(left.height, right.height),
	}
}

// balance is inner for trees whose heights differ by at most 2.
func balance[V Value[V]](left, right *node[V]) *node[V] {
	switch {
	case left.height > right.height+1:
		if low := left.right; low.height > left.left.height {
			return inner(inner(left.left, low.left), inner(low.right, right))
		}
		return inner(left.left, inner(left.right, right))
	case right.height > left.height+1:
		if low := right.left; low.height > right.right.height {
			return inner(inner(left, low.left), inner(low.right, right.right))
		}
		return inner(inner(left, right.left), right.right)
	}
	return inner(left, right)
}

// join returns the tree of left and right, which are in this order; the heights may differ at will, and the result is at
// most 1 higher than the higher one. It takes time proportional to the difference.
func join[V Value[V]](left, right *node[V]) *node[V] {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.height > right.height+1:
		return balance(left.left, join(left.right, right))
	case right.height > left.height+1:
		return balance(join(left, right.left), right.right)
	}
	return inner(left, right)
}

// first returns the lowest entry of n, which is not nil.
func (n *node[V]) first() *entry[V] {
	for n.height > 0 {
		n = n.left
	}
	return &n.entries[0]
}

// last returns the highest entry of n, which is not nil.
func (n *node[V]) last() *entry[V] {
	for n.height > 0 {
		n = n.right
	}
	return &n.entries[len(n.entries)-1]
}

// reaching returns the index of the first entry of a leaf that ends above off.
func (n *node[V]) reaching(off int64) int {
	lo, hi := 0, len(n.entries)
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); n.entries[mid].r.End > off {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// below returns the tree of what n has below off. An entry on both sides of off is cut:
//
//	n          [----)   [-----------)      [---)
//	off                      |
//	below      [----)   [----)
//	from                     [------)      [---)
func (n *node[V]) below(off int64) *node[V] {
	switch {
	case n == nil || off <= n.start:
		return nil
	case n.height == 0:
		i := n.reaching(off)
		switch {
		case i == len(n.entries):
			return n
		case n.entries[i].r.Start >= off:
			return leaf(n.entries[:i:i])
		}
		es := slices.Clone(n.entries[:i+1])
		es[i].r.End = off
		return leaf(es)
	case off <= n.mid:
		return n.left.below(off)
	}
	right := n.right.below(off)
	if right == n.right {
		return n
	}
	return join(n.left, right)
}

// from returns the tree of what n has at off and above, the rest of what below returns.
func (n *node[V]) from(off int64) *node[V] {
	switch {
	case n == nil || off <= n.start:
		return n
	case n.height == 0:
		es := n.entries[n.reaching(off):]
		if len(es) > 0 && es[0].r.Start < off {
			es = slices.Clone(es)
			es[0] = es[0].after(off)
		}
		return leaf(es)
	case off >= n.mid:
		return n.right.from(off)
	}
	return join(n.left.from(off), n.right)
}

// replace returns n with the entries of with, if any, in place of what it has of r; all of with is inside r.
func (n *node[V]) replace(r Range, with []entry[V]) *node[V] {
	switch {
	case n == nil:
		return leaf(with)
	case n.height == 0:
		return n.replaceLeaf(r, with)
	case r.Start >= n.mid:
		return join(n.left, n.right.replace(r, with))
	case r.End <= n.mid:
		return join(n.left.replace(r, with), n.right)
	}
	return join(join(n.below(r.Start), leaf(with)), n.from(r.End))
}

// replaceLeaf is replace for a leaf and at most one entry.
func (n *node[V]) replaceLeaf(r Range, with []entry[V]) *node[V] {
	i := n.reaching(r.Start)
	j := i
	for j < len(n.entries) && n.entries[j].r.Start < r.End {
		j++
	}
	es := make([]entry[V], 0, len(n.entries)-(j-i)+len(with)+2)
	es = append(es, n.entries[:i]...)
	if i < j && n.entries[i].r.Start < r.Start {
		es = append(es, n.entries[i])
		es[i].r.End = r.Start
	}
	es = append(es, with...)
	if i < j && n.entries[j-1].r.End > r.End {
		es = append(es, n.entries[j-1].after(r.End))
	}
	es = append(es, n.entries[j:]...)
	if len(es) <= leafMax {
		return leaf(es)
	}
	half := len(es) / 2
	if j == len(n.entries) {
		half = leafMax // it is written in order, and more will follow
	}
	return inner(leaf(es[:half:half]), leaf(es[half:]))
}

// find returns the entry that holds the byte at off, or nil.
func (n *node[V]) find(off int64) *entry[V] {
	if n == nil {
		return nil
	}
	for n.height > 0 {
		if off < n.mid {
			n = n.left
		} else {
			n = n.right
		}
	}
	if i := n.reaching(off); i < len(n.entries) && n.entries[i].r.Start <= off {
		return &n.entries[i]
	}
	return nil
}

// bytesBelow returns how many of the bytes in n are below off.
func (n *node[V]) bytesBelow(off int64) int64 {
	if n == nil {
		return 0
	}
	var sum int64
	for n.height > 0 {
		if off <= n.mid {
			n = n.left
		} else {
			sum += n.left.size
			n = n.right
		}
	}
	for i := range n.entries {
		e := &n.entries[i]
		if off <= e.r.End {
			return sum + max(0, off-e.r.Start)
		}
		sum += e.r.Len()
	}
	return sum
}

// walk calls yield, in ascending order, for each entry that has Start <= hi and End >= lo, until yield returns false; it
// reports whether yield never did. It allocates nothing.
func (n *node[V]) walk(lo, hi int64, yield func(*entry[V]) bool) bool {
	if n == nil {
		return true
	}
	for n.height > 0 {
		// Entries to the left end at mid at the latest, those to the right begin there at the earliest.
		if lo <= n.mid && !n.left.walk(lo, hi, yield) {
			return false
		}
		if n.mid > hi {
			return true
		}
		n = n.right
	}
	for i := n.reaching(max(lo, 1) - 1); i < len(n.entries) && n.entries[i].r.Start <= hi; i++ {
		if !yield(&n.entries[i]) {
			return false
		}
	}
	return true
}
