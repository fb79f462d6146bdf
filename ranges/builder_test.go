package ranges

import (
	"slices"
	"testing"
)

// TestBuilder compares what is built with what the same steps of Set make, for numbers of entries around those where a tree
// gets another leaf or another level.
func TestBuilder(t *testing.T) {
	rnd := seeded(t)
	sizes := []int{0, 1, 2, leafMax - 1, leafMax, leafMax + 1, leafMax + 2, 2 * leafMax, 2*leafMax + 1}
	for range 50 {
		sizes = append(sizes, rnd.IntN(20*leafMax))
	}
	for _, n := range sizes {
		var b Builder[place]
		var sb SetBuilder
		var m Map[place]
		var s Set
		for off := int64(0); m.Len() < n; {
			r := Range{off, off + rnd.Int64N(4)}
			p := place{1 + rnd.IntN(2), off}
			b.Append(r, p)
			sb.Append(r)
			m = m.Set(r, p)
			s.Add(r)
			off = r.End + rnd.Int64N(3)
		}
		got := b.Map()
		got.check()
		if want := entries(m.All()); !slices.Equal(entries(got.All()), want) {
			t.Fatalf("%d entries: got %v, want %v", n, entries(got.All()), want)
		}
		if leaves := got.root.leaves(); leaves > n/leafMax+1 {
			t.Errorf("%d leaves for %d entries", leaves, n)
		}
		built := sb.Set()
		built.check()
		if !built.Equal(s) {
			t.Fatalf("%d entries: got %v, want %v", n, built, s)
		}
	}
}

func TestBuilderInvalid(t *testing.T) {
	for _, r := range []Range{{1, 3}, {-1, 0}, {5, 4}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Append(%v) after [0,2) did not panic", r)
				}
			}()
			var b SetBuilder
			b.Append(Range{0, 2})
			b.Append(r)
		}()
	}
}
