package bench

import (
	"math/rand/v2"
	"testing"
)

func TestLanes(t *testing.T) {
	check := func(n, segment int64, most int) {
		list := lanes(n, segment, most)
		if len(list) > most {
			t.Errorf("lanes(%d, %d, %d): there are %d", n, segment, most, len(list))
		}
		var at, shortest, longest int64
		for i, l := range list {
			if l.start != at || l.end <= l.start || l.start%segment != 0 {
				t.Errorf("lanes(%d, %d, %d): the one with index %d is %+v", n, segment, most, i, *l)
			}
			at = l.end
			segments := (l.end - l.start + segment - 1) / segment
			if shortest == 0 || segments < shortest {
				shortest = segments
			}
			longest = max(longest, segments)
		}
		if at != n || longest-shortest > 1 {
			t.Errorf("lanes(%d, %d, %d): end at %d, with %d to %d segments", n, segment, most, at, shortest, longest)
		}
	}
	check(1, 1, 1)
	check(1, 100, 8)
	check(1<<30, 8<<20, 8)
	check(1<<30+1, 8<<20, 7)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		check(1+rng.Int64N(1000), 1+rng.Int64N(100), 1+rng.IntN(20))
	}
}
