package ranges

import (
	"flag"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// place is a value as a store has it: a range of bytes is in a file, from an offset on.
type place struct {
	file int
	off  int64
}

func (p place) Cut(n int64) place { return place{p.file, p.off + n} }

func (p place) Continues(n int64, next place) bool { return next == p.Cut(n) }

func entries(seq iter.Seq2[Range, place]) []entry[place] {
	var es []entry[place]
	for r, p := range seq {
		es = append(es, entry[place]{p, r})
	}
	return es
}

// check panics unless the tree of m is balanced and well filled, has right aggregates, and holds what the documentation of
// Map promises.
func (m Map[V]) check() {
	m.root.check()
	var prev *entry[V]
	m.root.walk(0, math.MaxInt64, func(e *entry[V]) bool {
		if e.r.Start < 0 || e.r.Empty() {
			panic(fmt.Sprintf("bad range %v", e.r))
		}
		if prev != nil {
			if prev.r.End > e.r.Start {
				panic(fmt.Sprintf("%v and %v overlap or are not in order", prev.r, e.r))
			}
			if prev.r.End == e.r.Start && prev.v.Continues(prev.r.Len(), e.v) {
				panic(fmt.Sprintf("%v %v and %v %v should be one", prev.r, prev.v, e.r, e.v))
			}
		}
		prev = e
		return true
	})
}

func (n *node[V]) check() {
	if n == nil {
		return
	}
	want := node[V]{left: n.left, right: n.right, entries: n.entries}
	if n.left == nil {
		if n.right != nil || len(n.entries) == 0 || len(n.entries) > leafMax {
			panic(fmt.Sprintf("a leaf with %d entries", len(n.entries)))
		}
		want.start, want.count = n.entries[0].r.Start, len(n.entries)
		for _, e := range n.entries {
			want.size += e.r.Len()
		}
	} else {
		n.left.check()
		n.right.check()
		if d := n.left.height - n.right.height; d < -1 || d > 1 {
			panic(fmt.Sprintf("unbalanced at %d: %d and %d high", n.start, n.left.height, n.right.height))
		}
		if n.count <= leafMax {
			panic(fmt.Sprintf("an inner node with %d entries", n.count))
		}
		want.start, want.mid, want.height = n.left.start, n.right.start, 1+max(n.left.height, n.right.height)
		want.count, want.size = n.left.count+n.right.count, n.left.size+n.right.size
	}
	if n.start != want.start || n.mid != want.mid || n.count != want.count || n.size != want.size || n.height != want.height {
		panic(fmt.Sprintf("wrong aggregates: %+v, want %+v", *n, want))
	}
}

// bytemap is what a Map of a few bytes should be: the place of each byte, where the zero place is none.
type bytemap []place

func (b bytemap) set(r Range, p place) {
	for off := r.Start; off < r.End; off++ {
		b[off] = p.Cut(off - r.Start)
	}
}

func (b bytemap) delete(r Range) {
	for off := r.Start; off < r.End; off++ {
		b[off] = place{}
	}
}

// entries returns the entries of b, whole.
func (b bytemap) entries() []entry[place] {
	var es []entry[place]
	for off := range int64(len(b)) {
		if b[off] == (place{}) {
			continue
		}
		if n := len(es); n > 0 && es[n-1].r.End == off && es[n-1].v.Continues(es[n-1].r.Len(), b[off]) {
			es[n-1].r.End++
		} else {
			es = append(es, entry[place]{b[off], Range{off, off + 1}})
		}
	}
	return es
}

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests, as an earlier run logged it; 0 for a new one")

// seeded returns a random generator and logs what it was seeded with.
func seeded(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to replay: -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomRange returns a range within [0,size) bytes, mostly short, sometimes empty, sometimes up to an edge.
func randomRange(rnd *rand.Rand, size int64) Range {
	start := rnd.Int64N(size + 1)
	return Range{start, min(size, start+rnd.Int64N(1+rnd.Int64N(24)))}
}

// TestMapRandom compares a Map with an array after each of many random steps, and looks at old versions again at the end:
// one whose tree is a leaf or two, and one that grows high, shrinks by large pieces, and grows again.
func TestMapRandom(t *testing.T) {
	t.Run("low", func(t *testing.T) { testMapRandom(t, 64, 20_000) })
	t.Run("high", func(t *testing.T) { testMapRandom(t, 4096, 4_000) })
}

func testMapRandom(t *testing.T, size int64, steps int) {
	rnd := seeded(t)
	type version struct {
		m Map[place]
		b bytemap
	}
	var kept []version
	var m Map[place]
	b := make(bytemap, size)
	var empty, merged, split, bridged, dropped, cleared int
	var height int8
	for step := range steps {
		r := randomRange(rnd, size)
		before := m.Len()
		if rnd.IntN(4) > 0 {
			p := place{1 + rnd.IntN(2), 100 + rnd.Int64N(3)}
			if rnd.IntN(2) == 0 {
				p.off = 100 + r.Start // in line with all others of its file
			}
			if rnd.IntN(50) == 0 {
				r.End = r.Start + rnd.Int64N(size-r.Start+1)
			}
			m = m.Set(r, p)
			b.set(r, p)
			switch d := m.Len() - before; {
			case r.Empty():
				empty++
			case d == 0:
				merged++
			case d == 2:
				split++
			case d < 0:
				bridged++
			}
		} else {
			if rnd.IntN(50) == 0 {
				r.End = r.Start + rnd.Int64N(size-r.Start+1)
				cleared++
			}
			m = m.Delete(r)
			b.delete(r)
			if m.Len() < before {
				dropped++
			}
		}
		m.check()
		if m.root != nil {
			height = max(height, m.root.height)
		}
		compareMap(t, m, b)
		within := randomRange(rnd, size)
		if rnd.IntN(8) == 0 {
			within.End = within.Start + rnd.Int64N(size-within.Start+1)
		}
		compareWithin(t, m, b, within)
		if t.Failed() {
			t.Fatalf("after step %d, with %v", step, r)
		}
		if step%100 == 0 {
			kept = append(kept, version{m, slices.Clone(b)})
		}
	}
	for what, n := range map[string]int{
		"empty": empty, "merged": merged, "split": split, "bridged": bridged, "dropped": dropped, "cleared": cleared,
	} {
		if n < 8 {
			t.Errorf("too few steps of the kind %s: %d", what, n)
		}
	}
	if size > 64 && height < 4 {
		t.Errorf("the tree was never higher than %d", height)
	}
	for _, v := range kept {
		v.m.check()
		compareMap(t, v.m, v.b)
	}
}

// TestMapFill checks that a tree which entries are added to in order, or taken from at random, is filled well.
func TestMapFill(t *testing.T) {
	const n = 100 * leafMax
	var m Map[place]
	for i := range int64(n) {
		m = m.Set(Range{i * 2, i*2 + 1}, place{1, 0})
	}
	if got := m.root.leaves(); got > n/leafMax+2 {
		t.Errorf("%d leaves for %d entries in order", got, n)
	}
	rnd := seeded(t)
	for _, i := range rnd.Perm(n) {
		m = m.Delete(Range{int64(i) * 2, int64(i)*2 + 1})
		if got := m.root.leaves(); got > 1+3*m.Len()/leafMax {
			t.Fatalf("%d leaves for %d entries", got, m.Len())
		}
	}
	m.check()
}

// leaves returns the number of leaves.
func (n *node[V]) leaves() int {
	switch {
	case n == nil:
		return 0
	case n.height == 0:
		return 1
	}
	return n.left.leaves() + n.right.leaves()
}

// compareMap compares what m says as a whole with b.
func compareMap(t *testing.T, m Map[place], b bytemap) {
	t.Helper()
	want := b.entries()
	if got := entries(m.All()); !slices.Equal(got, want) {
		t.Errorf("All: got %v, want %v", got, want)
	}
	if m.Len() != len(want) {
		t.Errorf("Len: got %d, want %d", m.Len(), len(want))
	}
	var size int64
	for _, e := range want {
		size += e.r.Len()
	}
	if m.Size() != size {
		t.Errorf("Size: got %d, want %d", m.Size(), size)
	}
	first, firstP, ok1 := m.First()
	last, lastP, ok2 := m.Last()
	if ok1 != (len(want) > 0) || ok2 != ok1 {
		t.Errorf("First and Last: %v, %v with %d entries", ok1, ok2, len(want))
	} else if ok1 && (entry[place]{firstP, first} != want[0] || entry[place]{lastP, last} != want[len(want)-1]) {
		t.Errorf("First and Last: got %v %v, %v %v; want %v", first, firstP, last, lastP, want)
	}
}

// compareWithin compares what m says about r, and about the byte at r.Start, with b.
func compareWithin(t *testing.T, m Map[place], b bytemap, r Range) {
	t.Helper()
	var clipped, touching []entry[place]
	var gaps []Range
	var size int64
	off := r.Start
	holds := entry[place]{}
	for _, e := range b.entries() {
		if e.r.Contains(r.Start) {
			holds = e
		}
		if e.r.Start <= r.End && e.r.End >= r.Start {
			touching = append(touching, e)
		}
		if c := e.r.Intersect(r); !c.Empty() {
			clipped = append(clipped, entry[place]{place{e.v.file, e.v.off + c.Start - e.r.Start}, c})
			size += c.Len()
			if off < c.Start {
				gaps = append(gaps, Range{off, c.Start})
			}
			off = c.End
		}
	}
	if off < r.End {
		gaps = append(gaps, Range{off, r.End})
	}
	if got := entries(m.Within(r)); !slices.Equal(got, clipped) {
		t.Errorf("Within(%v): got %v, want %v", r, got, clipped)
	}
	if got := entries(m.Touching(r)); !slices.Equal(got, touching) {
		t.Errorf("Touching(%v): got %v, want %v", r, got, touching)
	}
	if got := slices.Collect(m.Gaps(r)); !slices.Equal(got, gaps) {
		t.Errorf("Gaps(%v): got %v, want %v", r, got, gaps)
	}
	if got := m.SizeWithin(r); got != size {
		t.Errorf("SizeWithin(%v): got %d, want %d", r, got, size)
	}
	if got := m.Covers(r); got != (len(gaps) == 0) {
		t.Errorf("Covers(%v): got %v with gaps %v", r, got, gaps)
	}
	if gotR, gotP, ok := m.Lookup(r.Start); ok != (holds != entry[place]{}) || (entry[place]{gotP, gotR}) != holds {
		t.Errorf("Lookup(%d): got %v %v %v, want %v", r.Start, gotR, gotP, ok, holds)
	}
}

func TestMapInvalid(t *testing.T) {
	for _, r := range []Range{{-1, 2}, {-2, -1}, {3, 2}, {math.MaxInt64, math.MinInt64}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Set(%v) did not panic", r)
				}
			}()
			Map[place]{}.Set(r, place{})
		}()
		m := Map[place]{}.Set(Range{0, 4}, place{1, 0})
		if got := m.SizeWithin(r); got != r.Intersect(Range{0, 4}).Len() {
			t.Errorf("SizeWithin(%v) = %d", r, got)
		}
	}
}

// TestMapEdges has the smallest and largest offsets.
func TestMapEdges(t *testing.T) {
	const top = math.MaxInt64
	m := Map[place]{}.Set(Range{0, top}, place{1, 0})
	m = m.Set(Range{top - 2, top}, place{2, 0})
	m = m.Set(Range{0, 2}, place{3, 0})
	m.check()
	want := []entry[place]{{place{3, 0}, Range{0, 2}}, {place{1, 2}, Range{2, top - 2}}, {place{2, 0}, Range{top - 2, top}}}
	if got := entries(m.All()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if m.Size() != top || !m.Covers(Range{0, top}) || m.Covers(Range{-1, 2}) || !m.Covers(Range{top, top}) {
		t.Errorf("Size %d, or Covers wrong", m.Size())
	}
	if _, _, ok := m.Lookup(top); ok {
		t.Error("there is a byte at 2^63-1")
	}
	if _, p, ok := m.Lookup(top - 1); !ok || p != (place{2, 0}) {
		t.Errorf("Lookup(2^63-2): %v %v", p, ok)
	}
	if got := entries(m.Touching(Range{top, top})); !slices.Equal(got, want[2:]) {
		t.Errorf("Touching the end: %v", got)
	}
}

// TestMapStop leaves each iterator after the first of several results.
func TestMapStop(t *testing.T) {
	var m Map[place]
	for i := range int64(20) {
		m = m.Set(Range{i * 4, i*4 + 2}, place{int(i), 0})
	}
	r := Range{1, 70}
	for name, seq := range map[string]iter.Seq2[Range, place]{
		"All": m.All(), "Within": m.Within(r), "Touching": m.Touching(r),
	} {
		n := 0
		for range seq {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d results", name, n)
		}
	}
	for gap := range m.Gaps(r) {
		if gap != (Range{2, 4}) {
			t.Errorf("first gap: %v", gap)
		}
		break
	}
}

// TestMapConcurrent reads one version while others derive new ones from it, for the race detector.
func TestMapConcurrent(t *testing.T) {
	var m Map[place]
	for i := range int64(100) {
		m = m.Set(Range{i * 4, i*4 + 2}, place{1, 0})
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			own := m
			for i := range int64(100) {
				own = own.Set(Range{i*4 + 1, i*4 + 3}, place{g + 2, 0}).Delete(Range{i * 4, i*4 + 1})
				if m.Size() != 200 || m.SizeWithin(Range{i * 4, i*4 + 4}) != 2 {
					t.Error("a shared version changed")
				}
			}
			own.check()
		})
	}
	wg.Wait()
	m.check()
}
