package ranges

// node is an immutable node of a weight-balanced binary search tree of disjoint, non-empty ranges in ascending order. A
// nil node is the empty tree. Nothing reachable from a node changes after it was made, so trees share their subtrees.
//
// Balance: with weight = count+1, neither child weighs more than delta times the other. The depth is thereby below
// log(weight)/log(4/3), about 1.5 to 2 times that of a perfect tree at worst. Hirai and Yamamoto, "Balancing
// weight-balanced trees" (2011), prove that the rotations below restore it for delta 3 and ratio 2.
type node[V Value[V]] struct {
	r           Range
	v           V
	left, right *node[V]
	count       int   // entries in this subtree
	size        int64 // bytes in this subtree; no overflow, since the ranges are disjoint parts of [0,2^63-1)
}

const (
	delta = 3 // how much heavier one sibling may be
	ratio = 2 // inner against outer grandchild: single or double rotation
)

func (n *node[V]) entries() int {
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

// weight is what balance is measured by; it is at least 1.
func (n *node[V]) weight() int { return n.entries() + 1 }

// with returns a node that has the entry of n and the given children, which must be balanced against each other.
func (n *node[V]) with(left, right *node[V]) *node[V] {
	return &node[V]{
		r: n.r, v: n.v, left: left, right: right,
		count: left.entries() + right.entries() + 1,
		size:  left.bytes() + right.bytes() + n.r.Len(),
	}
}

// leaf returns a tree of one entry.
func leaf[V Value[V]](r Range, v V) *node[V] {
	return &node[V]{r: r, v: v, count: 1, size: r.Len()}
}

// balance is with for children of which one may have become too heavy by one step of join or removal.
func (n *node[V]) balance(left, right *node[V]) *node[V] {
	switch {
	case right.weight() > delta*left.weight():
		if inner := right.left; inner.weight() >= ratio*right.right.weight() {
			return inner.with(n.with(left, inner.left), right.with(inner.right, right.right))
		}
		return right.with(n.with(left, right.left), right.right)
	case left.weight() > delta*right.weight():
		if inner := left.right; inner.weight() >= ratio*left.left.weight() {
			return inner.with(left.with(left.left, inner.left), n.with(inner.right, right))
		}
		return left.with(left.left, n.with(left.right, right))
	}
	return n.with(left, right)
}

// join returns the tree of left, the entry of mid and right, which are in this order; the weights may differ at will. It
// takes time proportional to the difference of the depths.
func join[V Value[V]](left, mid, right *node[V]) *node[V] {
	switch {
	case right.weight() > delta*left.weight():
		return right.balance(join(left, mid, right.left), right.right)
	case left.weight() > delta*right.weight():
		return left.balance(left.left, join(left.right, mid, right))
	}
	return mid.with(left, right)
}

// concat is join without an entry in the middle.
func concat[V Value[V]](left, right *node[V]) *node[V] {
	if right == nil {
		return left
	}
	first, rest := right.popFirst()
	return join(left, first, rest)
}

// first returns the node with the lowest entry, or nil.
func (n *node[V]) first() *node[V] {
	for n != nil && n.left != nil {
		n = n.left
	}
	return n
}

// last returns the node with the highest entry, or nil.
func (n *node[V]) last() *node[V] {
	for n != nil && n.right != nil {
		n = n.right
	}
	return n
}

// popFirst returns the node with the lowest entry of n, which is not nil, and the tree without that entry.
func (n *node[V]) popFirst() (first, rest *node[V]) {
	if n.left == nil {
		return n, n.right
	}
	first, rest = n.left.popFirst()
	return first, n.balance(rest, n.right)
}

// popLast returns the node with the highest entry of n, which is not nil, and the tree without that entry.
func (n *node[V]) popLast() (last, rest *node[V]) {
	if n.right == nil {
		return n, n.left
	}
	last, rest = n.right.popLast()
	return last, n.balance(n.left, rest)
}

// below returns the tree of what n has below off. An entry on both sides of off is cut:
//
//	n          [----)   [-----------)      [---)
//	off                      |
//	below      [----)   [----)
//	from                     [------)      [---)
func (n *node[V]) below(off int64) *node[V] {
	switch {
	case n == nil:
		return nil
	case off <= n.r.Start:
		return n.left.below(off)
	case off < n.r.End:
		return join(n.left, leaf(Range{n.r.Start, off}, n.v), nil)
	}
	right := n.right.below(off)
	if right == n.right {
		return n
	}
	return join(n.left, n, right)
}

// from returns the tree of what n has at off and above, the rest of what below returns.
func (n *node[V]) from(off int64) *node[V] {
	switch {
	case n == nil:
		return nil
	case off >= n.r.End:
		return n.right.from(off)
	case off > n.r.Start:
		return join(nil, leaf(Range{off, n.r.End}, n.v.Cut(off-n.r.Start)), n.right)
	}
	left := n.left.from(off)
	if left == n.left {
		return n
	}
	return join(left, n, n.right)
}

// find returns the node whose entry holds the byte at off, or nil.
func (n *node[V]) find(off int64) *node[V] {
	for n != nil && !n.r.Contains(off) {
		if off < n.r.Start {
			n = n.left
		} else {
			n = n.right
		}
	}
	return n
}

// bytesBelow returns how many of the bytes in n are below off.
func (n *node[V]) bytesBelow(off int64) int64 {
	var sum int64
	for n != nil {
		if off <= n.r.Start {
			n = n.left
			continue
		}
		sum += n.left.bytes()
		if off <= n.r.End {
			return sum + off - n.r.Start
		}
		sum += n.r.Len()
		n = n.right
	}
	return sum
}

// walk calls yield, in ascending order, for each node whose entry has Start <= hi and End >= lo, until yield returns
// false; it reports whether yield never did. It allocates nothing.
func (n *node[V]) walk(lo, hi int64, yield func(*node[V]) bool) bool {
	for n != nil {
		// Entries to the left end at n.r.Start at the latest, entries to the right begin at n.r.End at the earliest.
		if n.r.Start >= lo && !n.left.walk(lo, hi, yield) {
			return false
		}
		if n.r.Start > hi {
			return true
		}
		if n.r.End >= lo && !yield(n) {
			return false
		}
		if n.r.End > hi {
			return true
		}
		n = n.right
	}
	return true
}
