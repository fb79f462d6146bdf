package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkGone expires and deletes resources of a store that has few others,
// and of one that has many, by turns, and prints the ratio of the medians of
// the rates: 1 is no growth.
func BenchmarkGone(b *testing.B) {
	for _, bm := range []struct {
		name string
		gone func(c *fakeClock, s *Store, i int) error
	}{
		{"expire", func(c *fakeClock, s *Store, i int) error {
			c.advance(time.Second)
			if _, err := s.Stat(ctx, fmt.Sprint("/old/", i)); sentinel(err) != ErrNotFound {
				return fmt.Errorf("resource %d: %v", i, err)
			}
			return nil
		}},
		{"delete", func(c *fakeClock, s *Store, i int) error { return s.Delete(ctx, fmt.Sprint("/old/", i), nil) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			const old, few, many = 500, 10, 50_000
			var rates [2][]float64
			for round := 0; b.Loop(); round++ {
				for k := range 2 {
					k = (k + round) % 2
					b.StopTimer()
					c, s := goneStore(b, old, []int{few, many}[k])
					b.StartTimer()
					begin := time.Now()
					for i := range old {
						if err := bm.gone(c, s, i); err != nil {
							b.Fatal(err)
						}
					}
					rates[k] = append(rates[k], old/time.Since(begin).Seconds())
					b.StopTimer()
					closeStore(b, s)
					b.StartTimer()
				}
			}
			var medians [2]float64
			for k := range rates {
				slices.Sort(rates[k])
				medians[k] = rates[k][len(rates[k])/2]
			}
			b.ReportMetric(medians[0], "few/s")
			b.ReportMetric(medians[1], "many/s")
			b.ReportMetric(medians[1]/medians[0], "ratio")
		})
	}
}

// goneStore returns a store with old resources that will expire one each
// second from now on, and others that will an hour later, all incomplete.
func goneStore(b *testing.B, old, others int) (*fakeClock, *Store) {
	const age = 3 * time.Hour
	c := newClock()
	s, err := Open(b.TempDir(), &Options{IncompleteMaxAge: age, Durability: DurabilityNone, MinFree: -1, Logger: quiet(), clock: c})
	if err != nil {
		b.Fatal(err)
	}
	for i := range old {
		mustPatch(b, s, fmt.Sprint("/old/", i), 0, 100, "x")
		c.advance(time.Second)
	}
	c.advance(time.Hour)
	for i := range others {
		mustPatch(b, s, fmt.Sprint("/other/", i), 0, 100, "x")
	}
	c.advance(age - time.Hour - time.Duration(old+1)*time.Second)
	return c, s
}
