package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// TestCrash crashes in the middle of random commands. Each image has to open
// as what was there before the command or after it, with nothing lost,
// nothing torn, and every file accounted for, and to be as good as any store.
func TestCrash(t *testing.T) {
	ty, start := newTally(), time.Now()
	for _, seed := range seeds(3) {
		if t.Failed() {
			return
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			drawOps(t, seed, ty, &generator{rng: rng, unit: []int64{1, 1, 1, 700}[rng.IntN(4)], crashes: 1}, 120/slow)
		})
	}
	took := time.Since(start)
	t.Logf("%d crashes in %.1f s, %.0f a minute; where it matters, %d had the state before the command, %d that after it",
		ty.crashes, took.Seconds(), float64(ty.crashes)/took.Minutes(), ty.did["crash before"], ty.did["crash after"])
	if *seedFlag == 0 && slow == 1 && (ty.did["crash before"] == 0 || ty.did["crash after"] == 0) {
		t.Errorf("too few crashes: %v", ty.did)
	}
}

// TestCrashConcurrent crashes while many writers fill one resource and
// overwrite another. Acknowledged bytes are there, patches of two parts are
// there as a whole or not at all.
func TestCrashConcurrent(t *testing.T) {
	for _, seed := range seeds(1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { crashConcurrently(t, seed) })
	}
}

func crashConcurrently(t *testing.T, seed uint64) {
	const size, half, unit = 64 << 10, 32 << 10, 512
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i*31 + i>>9)
	}
	mem := vfs.NewCrashableMem()
	s := openMem(t, mem, Options{BufferSize: 4 << 10, FoldExtents: 16})
	put(t, s, "/over", strings.Repeat("a", size))

	var mu sync.Mutex
	var acked ranges.Set // of /fill
	var revision uint64  // of /over
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w+10)))
			for range 25 {
				off := rng.Int64N(half/unit) * unit
				fill := rng.IntN(2) == 0
				name, length := "/fill", int64(2*size) // never complete
				part := func(at int64) []byte { return content[at : at+unit] }
				if !fill {
					name, length = "/over", -1
					tag := byte('a' + rng.IntN(26))
					part = func(int64) []byte { return bytes.Repeat([]byte{tag}, unit) }
				}
				tx, err := s.Begin(ctx, name, TxOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for _, at := range []int64{off, off + half} {
					if _, err := tx.WriteFrom(bytes.NewReader(part(at)), at, unit, length); err != nil {
						t.Errorf("%s: %v", name, err)
						tx.Rollback()
						return
					}
				}
				res, err := tx.Commit(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if fill {
					acked.Add(ranges.Range{Start: off, End: off + unit})
					acked.Add(ranges.Range{Start: off + half, End: off + half + unit})
				} else {
					revision = max(revision, res.Info.Revision)
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan bool)
	go func() { wg.Wait(); close(done) }()
	rng := rand.New(rand.NewPCG(seed, 1))
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		mu.Lock()
		have, rev := acked, revision
		mu.Unlock()
		image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		s := openMem(t, image, Options{})
		if err := s.check(ctx, true); err != nil {
			t.Fatal(err)
		}
		over := read(t, s, "/over")
		for off := 0; off < half; off += unit {
			for i := range unit {
				if over[off] != over[off+i] || over[off] != over[half+off+i] {
					t.Fatalf("torn overwrite at %d", off)
				}
			}
		}
		if info, _ := s.Stat(ctx, "/over"); info.Revision < rev {
			t.Fatalf("revision %d, acknowledged is %d", info.Revision, rev)
		}
		if info, err := s.Stat(ctx, "/fill"); err == nil {
			if lost := have.Subtract(info.Received); !lost.Empty() {
				t.Fatalf("lost %v", lost)
			}
			for r := range info.Received.Within(ranges.Range{End: half}) {
				if !info.Received.Covers(ranges.Range{Start: r.Start + half, End: r.End + half}) {
					t.Fatalf("half a patch: %v", info.Received)
				}
			}
			sl, err := s.acquire(ctx, "/fill")
			if err != nil {
				t.Fatal(err)
			}
			for r, p := range sl.pub.Load().extents.All() {
				if same, err := s.matches(p, content[r.Start:r.End]); !same {
					t.Fatalf("wrong bytes in %v (%v)", r, err)
				}
			}
			s.release(sl)
		} else if !have.Empty() {
			t.Fatal(err)
		}
		closeStore(t, s)
	}
	verifyStore(t, s)
	closeStore(t, s)
}
