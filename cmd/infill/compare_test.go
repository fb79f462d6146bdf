package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

// A side is one of two that a benchmark compares.
type side struct {
	metric string // of its rate, such as "bare-MiB/s"
	round  func(round int) error
	clear  func() error // what is to be done after a round, outside of its time; may be nil
}

// compare lets two sides take turns, in random order, and reports the medians of their rates, of which one
// round makes amount, and the ratio of the second to the first.
func compare(b *testing.B, amount float64, sides [2]side) {
	var rates [2][]float64
	for round := 0; b.Loop(); round++ {
		for _, k := range rand.Perm(2) { // a fixed pattern can be in step with something else
			start := time.Now()
			if err := sides[k].round(round); err != nil {
				b.Fatal(err)
			}
			rates[k] = append(rates[k], amount/time.Since(start).Seconds())
			if clear := sides[k].clear; clear != nil {
				if err := clear(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for k, s := range sides {
		b.ReportMetric(bench.Median(rates[k]), s.metric)
	}
	b.ReportMetric(bench.Median(rates[1])/bench.Median(rates[0]), "ratio")
}
