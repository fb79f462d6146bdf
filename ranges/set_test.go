package ranges

import (
	"math"
	"slices"
	"testing"
)

// bits is what a Set of 64 bytes should be.
type bits [64]bool

func (b *bits) ranges(within Range, want bool) []Range {
	var rs []Range
	for off := within.Start; off < within.End; off++ {
		if b[off] != want {
			continue
		}
		if n := len(rs); n > 0 && rs[n-1].End == off {
			rs[n-1].End++
		} else {
			rs = append(rs, Range{off, off + 1})
		}
	}
	return rs
}

func (s Set) check() {
	s.m.check() // all members continue each other, so this finds ranges that touch
}

// TestSetRandom compares a Set with an array of bits after each of many random steps.
func TestSetRandom(t *testing.T) {
	rnd := seeded(t)
	type version struct {
		s Set
		b bits
	}
	var kept []version
	var s Set
	var b bits
	var added, covered, merged, removed, cut, nothing, full int
	for step := range 20_000 {
		r := randomRange(rnd, 64)
		had, size := s.Len(), s.Size()
		if rnd.IntN(2) == 0 {
			if rnd.IntN(100) == 0 {
				r = Range{0, 64}
			}
			s.Add(r)
			for off := r.Start; off < r.End; off++ {
				b[off] = true
			}
			switch {
			case s.Size() == size:
				covered++
			case s.Len() > had:
				added++
			default:
				merged++
			}
		} else {
			if rnd.IntN(4) > 0 { // removing less than is added, the set fills up
				r.End = min(r.End, r.Start+2)
			}
			s.Sub(r)
			for off := r.Start; off < r.End; off++ {
				b[off] = false
			}
			switch {
			case s.Size() == size:
				nothing++
			case s.Len() > had:
				cut++
			default:
				removed++
			}
		}
		if s.Size() == 64 {
			full++
		}
		s.check()
		compareSet(t, s, &b, randomRange(rnd, 64))
		if t.Failed() {
			t.Fatalf("after step %d, with %v", step, r)
		}
		if step%100 == 0 {
			kept = append(kept, version{s, b})
		}
	}
	for what, n := range map[string]int{
		"added": added, "covered": covered, "merged": merged, "removed": removed, "cut": cut, "nothing": nothing, "full": full,
	} {
		if n < 20 {
			t.Errorf("too few steps of the kind %s: %d", what, n)
		}
	}
	for i, v := range kept { // the copies are what they were, and serve as operands
		compareSet(t, v.s, &v.b, Range{0, 64})
		compareOperations(t, v.s, kept[len(kept)-1-i].s, &v.b, &kept[len(kept)-1-i].b)
	}
}

func compareSet(t *testing.T, s Set, b *bits, r Range) {
	t.Helper()
	all := b.ranges(Range{0, 64}, true)
	if got := slices.Collect(s.All()); !slices.Equal(got, all) {
		t.Errorf("All: got %v, want %v", got, all)
	}
	var size, prefix int64
	var bounds Range
	for _, a := range all {
		size += a.Len()
		bounds.End = a.End
	}
	if len(all) > 0 {
		bounds.Start = all[0].Start
		if all[0].Start == 0 {
			prefix = all[0].End
		}
	}
	if s.Size() != size || s.Len() != len(all) || s.Empty() != (size == 0) {
		t.Errorf("Size %d, Len %d, Empty %v, want %v", s.Size(), s.Len(), s.Empty(), all)
	}
	if s.Prefix() != prefix || s.Bounds() != bounds {
		t.Errorf("Prefix %d, Bounds %v, want %v", s.Prefix(), s.Bounds(), all)
	}
	within, gaps := b.ranges(r, true), b.ranges(r, false)
	if got := slices.Collect(s.Within(r)); !slices.Equal(got, within) {
		t.Errorf("Within(%v): got %v, want %v", r, got, within)
	}
	if got := slices.Collect(s.Gaps(r)); !slices.Equal(got, gaps) {
		t.Errorf("Gaps(%v): got %v, want %v", r, got, gaps)
	}
	if s.Covers(r) != (len(gaps) == 0) || s.Overlaps(r) != (len(within) > 0) {
		t.Errorf("Covers(%v) %v, Overlaps %v, want %v and %v", r, s.Covers(r), s.Overlaps(r), within, gaps)
	}
	for off := range int64(64) {
		if s.Contains(off) != b[off] {
			t.Errorf("Contains(%d) = %v", off, s.Contains(off))
		}
	}
}

// compareOperations compares the operations on two sets with those on two arrays, and finds that the operands are not
// changed.
func compareOperations(t *testing.T, x, y Set, bx, by *bits) {
	t.Helper()
	var union, both, less bits
	for off := range bx {
		union[off] = bx[off] || by[off]
		both[off] = bx[off] && by[off]
		less[off] = bx[off] && !by[off]
	}
	for _, op := range []struct {
		name string
		got  Set
		want *bits
	}{
		{"Union", x.Union(y), &union}, {"Intersect", x.Intersect(y), &both}, {"Subtract", x.Subtract(y), &less},
		{"first operand", x, bx}, {"second operand", y, by},
	} {
		op.got.check()
		want := op.want.ranges(Range{0, 64}, true)
		if got := slices.Collect(op.got.All()); !slices.Equal(got, want) {
			t.Errorf("%s of %v and %v: got %v, want %v", op.name, x, y, got, want)
		}
		if !op.got.Equal(NewSet(want...)) {
			t.Errorf("%s of %v and %v: not Equal to %v", op.name, x, y, want)
		}
	}
	if x.Equal(y) != (*bx == *by) {
		t.Errorf("(%v).Equal(%v) = %v", x, y, x.Equal(y))
	}
}

func TestSetEqual(t *testing.T) {
	s := NewSet(Range{6, 8}, Range{0, 1}, Range{1, 2})
	for _, tt := range []struct {
		o    Set
		want bool
	}{
		{Set{}, false},
		{NewSet(Range{0, 2}), false},
		{NewSet(Range{0, 2}, Range{6, 9}), false},
		{NewSet(Range{0, 2}, Range{5, 7}), false}, // as many ranges and bytes
		{NewSet(Range{0, 2}, Range{6, 8}, Range{10, 11}), false},
		{NewSet(Range{0, 2}, Range{6, 8}), true},
		{s, true},
	} {
		if s.Equal(tt.o) != tt.want || tt.o.Equal(s) != tt.want {
			t.Errorf("(%v).Equal(%v) is not %v", s, tt.o, tt.want)
		}
	}
	if !(Set{}).Equal(NewSet(Range{5, 5})) {
		t.Error("two empty sets are not equal")
	}
}

func TestSetString(t *testing.T) {
	for _, tt := range []struct {
		s    Set
		want string
	}{
		{Set{}, ""},
		{NewSet(Range{0, 2}), "[0,2)"},
		{NewSet(Range{6, 8}, Range{0, 2}), "[0,2) [6,8)"},
	} {
		if got := tt.s.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestSetEdges(t *testing.T) {
	const top = math.MaxInt64
	s := NewSet(Range{top - 1, top}, Range{0, 1})
	s.check()
	if got := slices.Collect(s.Gaps(Range{0, top})); !slices.Equal(got, []Range{{1, top - 1}}) {
		t.Errorf("Gaps: %v", got)
	}
	s.Add(Range{1, top - 1})
	s.check()
	if s.Size() != top || s.Len() != 1 || s.Prefix() != top || s.Contains(top) {
		t.Errorf("full: %v, Size %d", s, s.Size())
	}
	s.Sub(Range{top - 1, top})
	s.Sub(Range{0, 1})
	if got := s.Bounds(); got != (Range{1, top - 1}) {
		t.Errorf("Bounds: %v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("Add of a range that ends before it begins did not panic")
		}
	}()
	s.Add(Range{3, 2})
}

// TestSetLarge builds a set in random order and empties it again, with a look at the balance on the way.
func TestSetLarge(t *testing.T) {
	rnd := seeded(t)
	const n = 5000
	var s Set
	for i, k := range rnd.Perm(n) {
		s.Add(Range{int64(k) * 10, int64(k)*10 + 5})
		if i%500 == 0 {
			s.check()
		}
	}
	if s.Len() != n || s.Size() != 5*n {
		t.Fatalf("Len %d, Size %d", s.Len(), s.Size())
	}
	for i, k := range rnd.Perm(n) {
		s.Sub(Range{int64(k) * 10, int64(k)*10 + 10})
		if i%500 == 0 {
			s.check()
		}
	}
	if !s.Empty() {
		t.Errorf("left: %v", s)
	}
	for i := range int64(n) { // ascending, then away in large pieces
		s.Add(Range{i * 10, i*10 + 5})
	}
	for s.Len() > 10 {
		off := rnd.Int64N(n * 10)
		s.Sub(Range{off, off + 5000})
		s.check()
	}
}
