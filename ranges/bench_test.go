package ranges

import (
	"math/rand/v2"
	"testing"
)

// many is the number of ranges that the benchmarks of a large set start from.
const many = 100_000

// scattered returns a set of n ranges, each 512 bytes long and 512 bytes from the next.
func scattered(n int) Set {
	var s Set
	for i := range int64(n) {
		s.Add(Range{i * 1024, i*1024 + 512})
	}
	return s
}

func BenchmarkSetAdd(b *testing.B) {
	full := scattered(many)
	rnd := rand.New(rand.NewPCG(1, 2))
	b.Run("island", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, off := full, rnd.Int64N(many)*1024+700
			s.Add(Range{off, off + 100})
		}
	})
	b.Run("bridge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, off := full, rnd.Int64N(many-1)*1024+512
			s.Add(Range{off, off + 512})
		}
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		s, off := full, full.Bounds().End
		for b.Loop() {
			s.Add(Range{off, off + 4096})
			off += 4096
		}
	})
	b.Run("covered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, off := full, rnd.Int64N(many)*1024
			s.Add(Range{off, off + 512})
		}
	})
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			scattered(many)
		}
	})
}

func BenchmarkSetSub(b *testing.B) {
	full := scattered(many)
	rnd := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		s, off := full, rnd.Int64N(many)*1024+100
		s.Sub(Range{off, off + 100})
	}
}

func BenchmarkSetCovers(b *testing.B) {
	full := scattered(many)
	rnd := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		off := rnd.Int64N(many) * 1024
		if !full.Covers(Range{off, off + 512}) {
			b.Fatal("not covered")
		}
	}
}

func BenchmarkSetAll(b *testing.B) {
	full := scattered(many)
	b.ReportAllocs()
	for b.Loop() {
		var sum int64
		for r := range full.All() {
			sum += r.Len()
		}
		if sum != full.Size() {
			b.Fatal("wrong sum")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/range")
}

func BenchmarkFormatReceived(b *testing.B) {
	full := scattered(many)
	b.ReportAllocs()
	for b.Loop() {
		if _, truncated := FormatReceived(full, 64, 4096); !truncated {
			b.Fatal("not truncated")
		}
	}
}
