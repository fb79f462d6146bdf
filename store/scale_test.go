package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkRanges shows what a resource with many separate ranges costs, which Options.MaxRanges bounds: the memory of each,
// the time to load it when nobody used it lately, and the time of a commit that makes one of its ranges longer.
//
//	go test ./store -run '^$' -bench Ranges
func BenchmarkRanges(b *testing.B) {
	for _, n := range []int64{10, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Open(filepath.Join(b.TempDir(), "store"), &Options{MaxRanges: 2 << 20, CacheExtents: 8 << 20, MinFree: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}()
			const pitch = 16 << 10
			size := n * pitch
			tx := begin(b, s, "/a", TxOptions{})
			for i := range n {
				if _, err := tx.WriteFrom(strings.NewReader("x"), i*pitch, 1, size); err != nil {
					b.Fatal(err)
				}
			}
			commit(b, tx)

			b.Run("load", func(b *testing.B) {
				var used int64
				for b.Loop() {
					b.StopTimer()
					s.evict("/a")
					before := heap()
					b.StartTimer()
					statOf(b, s, "/a")
					b.StopTimer()
					used = heap() - before
					b.StartTimer()
				}
				b.ReportMetric(float64(used)/float64(n), "B/range")
			})
			b.Run("commit", func(b *testing.B) {
				b.ReportAllocs()
				rng := rand.New(rand.NewPCG(1, 2))
				for at := int64(1); b.Loop(); at++ {
					off := rng.Int64N(n)*pitch + at%(pitch-1)
					// What is there already is there again, with the same byte.
					if _, err := patch(s, "/a", off, size, "x"); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// evict forgets a name that nobody uses.
func (s *Store) evict(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sl := s.slots[name]
	s.idle.Remove(sl.idle)
	s.cached -= sl.cost
	delete(s.slots, name)
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
