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

// entry is a pair that an iterator over a Map returns.
type entry struct {
	r Range
	p place
}

func entries(seq iter.Seq2[Range, place]) []entry {
	var es []entry
	for r, p := range seq {
		es = append(es, entry{r, p})
	}
	return es
}

// check panics unless the tree of m is balanced, has right aggregates, and holds what the documentation of Map promises.
func (m Map[V]) check() {
	m.root.check()
	var prev *node[V]
	m.root.walk(0, math.MaxInt64, func(n *node[V]) bool {
		if n.r.Start < 0 || n.r.Empty() {
			panic(fmt.Sprintf("bad range %v", n.r))
		}
		if prev != nil {
			if prev.r.End > n.r.Start {
				panic(fmt.Sprintf("%v and %v overlap or are not in order", prev.r, n.r))
			}
			if prev.r.End == n.r.Start && prev.v.Continues(prev.r.Len(), n.v) {
				panic(fmt.Sprintf("%v %v and %v %v should be one", prev.r, prev.v, n.r, n.v))
			}
		}
		prev = n
		return true
	})
}

func (n *node[V]) check() {
	if n == nil {
		return
	}
	n.left.check()
	n.right.check()
	if l, r := n.left.weight(), n.right.weight(); l > delta*r || r > delta*l {
		panic(fmt.Sprintf("unbalanced at %v: %d and %d", n.r, l, r))
	}
	if n.count != n.left.entries()+n.right.entries()+1 || n.size != n.left.bytes()+n.right.bytes()+n.r.Len() {
		panic(fmt.Sprintf("wrong aggregates at %v: %d, %d", n.r, n.count, n.size))
	}
}

// bytemap is what a Map of 64 bytes should be: the place of each byte, where the zero place is none.
type bytemap [64]place

func (b *bytemap) set(r Range, p place) {
	for off := r.Start; off < r.End; off++ {
		b[off] = p.Cut(off - r.Start)
	}
}

func (b *bytemap) delete(r Range) {
	for off := r.Start; off < r.End; off++ {
		b[off] = place{}
	}
}

// entries returns the entries of b, whole.
func (b *bytemap) entries() []entry {
	var es []entry
	for off := range int64(len(b)) {
		if b[off] == (place{}) {
			continue
		}
		if n := len(es); n > 0 && es[n-1].r.End == off && es[n-1].p.Continues(es[n-1].r.Len(), b[off]) {
			es[n-1].r.End++
		} else {
			es = append(es, entry{Range{off, off + 1}, b[off]})
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

// randomRange returns a range within [0,64) bytes, mostly short, sometimes empty, sometimes up to an edge.
func randomRange(rnd *rand.Rand) Range {
	start := rnd.Int64N(65)
	return Range{start, min(64, start+rnd.Int64N(1+rnd.Int64N(24)))}
}

// TestMapRandom compares a Map with an array after each of many random steps, and looks at old versions again at the end.
func TestMapRandom(t *testing.T) {
	rnd := seeded(t)
	type version struct {
		m Map[place]
		b bytemap
	}
	var kept []version
	var m Map[place]
	var b bytemap
	var empty, merged, split, bridged, dropped, cleared int
	for step := range 20_000 {
		r := randomRange(rnd)
		before := m.Len()
		if rnd.IntN(3) > 0 {
			p := place{1 + rnd.IntN(2), 100 + rnd.Int64N(3)}
			if rnd.IntN(2) == 0 {
				p.off = 100 + r.Start // in line with all others of its file
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
			if rnd.IntN(200) == 0 {
				r = Range{0, 64}
				cleared++
			}
			m = m.Delete(r)
			b.delete(r)
			if m.Len() < before {
				dropped++
			}
		}
		m.check()
		compareMap(t, m, &b)
		within := randomRange(rnd)
		compareWithin(t, m, &b, within)
		if t.Failed() {
			t.Fatalf("after step %d, with %v", step, r)
		}
		if step%100 == 0 {
			kept = append(kept, version{m, b})
		}
	}
	for what, n := range map[string]int{
		"empty": empty, "merged": merged, "split": split, "bridged": bridged, "dropped": dropped, "cleared": cleared,
	} {
		if n < 20 {
			t.Errorf("too few steps of the kind %s: %d", what, n)
		}
	}
	for _, v := range kept {
		v.m.check()
		compareMap(t, v.m, &v.b)
	}
}

// compareMap compares what m says as a whole with b.
func compareMap(t *testing.T, m Map[place], b *bytemap) {
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
	} else if ok1 && (entry{first, firstP} != want[0] || entry{last, lastP} != want[len(want)-1]) {
		t.Errorf("First and Last: got %v %v, %v %v; want %v", first, firstP, last, lastP, want)
	}
}

// compareWithin compares what m says about r, and about the byte at r.Start, with b.
func compareWithin(t *testing.T, m Map[place], b *bytemap, r Range) {
	t.Helper()
	var clipped, touching []entry
	var gaps []Range
	var size int64
	off := r.Start
	holds := entry{}
	for _, e := range b.entries() {
		if e.r.Contains(r.Start) {
			holds = e
		}
		if e.r.Start <= r.End && e.r.End >= r.Start {
			touching = append(touching, e)
		}
		if c := e.r.Intersect(r); !c.Empty() {
			clipped = append(clipped, entry{c, place{e.p.file, e.p.off + c.Start - e.r.Start}})
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
	if gotR, gotP, ok := m.Lookup(r.Start); ok != (holds != entry{}) || (entry{gotR, gotP}) != holds {
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
	want := []entry{{Range{0, 2}, place{3, 0}}, {Range{2, top - 2}, place{1, 2}}, {Range{top - 2, top}, place{2, 0}}}
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
