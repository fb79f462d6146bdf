package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// TestConcurrentFill has many writers fill one resource with ranges that
// overlap, some with other bytes, some bit by bit, while readers look on. What
// is committed never shrinks and is never other than what was sent first; one
// commit completes the resource; the others are told of conflicts.
func TestConcurrentFill(t *testing.T) {
	for _, seed := range seeds(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { fillConcurrently(t, seed) })
	}
}

func fillConcurrently(t *testing.T, seed uint64) {
	const size, unit = 96 << 10, 1 << 10
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i*31 + i>>9)
	}
	s := openMem(t, vfs.NewMem(), Options{
		BufferSize: 4 << 10, PersistBytes: 3 * unit, PersistInterval: time.Hour, CacheExtents: 1,
	})
	var completed, created atomic.Int32
	var writers, readers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			order := rng.Perm(size / unit)
			for _, cell := range order {
				off, n := int64(cell*unit), int64(1+rng.IntN(3))*unit
				n = min(n, size-off)
				b := bytes.Clone(content[off : off+n])
				bad := w == 0 && rng.IntN(2) == 0
				if bad {
					b[n-1]++
				}
				tx, err := s.Begin(ctx, "/a", TxOptions{Persist: w%2 == 1})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = tx.WriteFrom(bytes.NewReader(b), off, n, size)
				var res Result
				if err == nil && w%2 == 0 && rng.IntN(8) == 0 {
					tx.Rollback() // one that persists may have committed already
					continue
				}
				if err == nil && bad && (tx.Info() == nil || tx.Info().Complete || !tx.Info().Received.Covers(ranges.Range{Start: off, End: off + n})) {
					tx.Rollback() // it could be the first, or overwrite, and is not to
					continue
				}
				if err == nil {
					res, err = tx.Commit(ctx)
				}
				tx.Rollback()
				if bad && !errors.Is(err, ErrRangeConflict) || !bad && err != nil {
					t.Errorf("writer %d at %d: %v", w, off, err)
				}
				if res.Completed {
					completed.Add(1)
				}
				if res.Created {
					created.Add(1)
				}
			}
		})
	}
	stop := make(chan bool)
	for range 2 {
		readers.Go(func() {
			var seen ranges.Set
			var version Version
			for {
				select {
				case <-stop:
					return
				default:
				}
				sn, err := s.Snapshot(ctx, "/a")
				if errors.Is(err, ErrNotFound) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				info := sn.Info()
				if lost := seen.Subtract(info.Received); !lost.Empty() || info.Revision < version.Revision {
					t.Errorf("%v at %v was committed before", lost, info.Version)
				}
				if info.Version == version && !seen.Equal(info.Received) {
					t.Errorf("two states with version %v", version)
				}
				seen, version = info.Received, info.Version
				b := make([]byte, info.Offset)
				if _, err := sn.ReadAt(b, 0); err != nil || !bytes.Equal(b, content[:info.Offset]) {
					t.Errorf("wrong bytes in [0,%d): %v", info.Offset, err)
				}
				sn.Close()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	for gap := range statOf(t, s, "/a").Received.Gaps(ranges.Range{End: size}) {
		res, err := patch(s, "/a", gap.Start, -1, string(content[gap.Start:gap.End]))
		if err != nil {
			t.Fatal(err)
		}
		if res.Completed {
			completed.Add(1)
		}
	}
	if completed.Load() != 1 || created.Load() != 1 {
		t.Errorf("completed %d times, created %d times", completed.Load(), created.Load())
	}
	if got := read(t, s, "/a"); got != string(content) {
		t.Error("wrong bytes")
	}
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}

func statOf(t testing.TB, s *Store, name string) *Info {
	t.Helper()
	info, err := s.Stat(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestConcurrentOverwrite has writers replace both halves of a resource at
// once, replace it whole, move, copy and delete it, with folds in between.
// Readers never see two halves that differ, and snapshots do not change.
func TestConcurrentOverwrite(t *testing.T) {
	const half, size = 8 << 10, 16 << 10
	s := openMem(t, vfs.NewMem(), Options{BufferSize: 4 << 10, FoldExtents: 4, CacheExtents: 1})
	put(t, s, "/a", string(make([]byte, size)))
	expected := func(err error) bool {
		return err == nil || errors.Is(err, ErrReplaced) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrNotAdjacent) ||
			errors.Is(err, ErrIncomplete) || errors.Is(err, ErrRangeConflict) || errors.Is(err, ErrLengthConflict)
	}
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(w)))
			for i := range 60 {
				off, n := rng.Int64N(half-512), 1+rng.Int64N(512)
				b := bytes.Repeat([]byte{byte(w*60 + i)}, int(n))
				tx, err := s.Begin(ctx, "/a", TxOptions{Cond: func(cur, _ *Info) error {
					if cur == nil || !cur.Complete {
						return ErrNotFound
					}
					return nil
				}})
				if err == nil {
					for _, at := range []int64{off, off + half} {
						if err == nil {
							_, err = tx.WriteFrom(bytes.NewReader(b), at, n, size)
						}
					}
					if err == nil {
						_, err = tx.Commit(ctx)
					}
					tx.Rollback()
				}
				if !expected(err) {
					t.Error(err)
				}
			}
		})
	}
	writers.Go(func() {
		for i := range 40 {
			var err error
			switch i % 5 {
			case 0:
				put(t, s, "/a", string(bytes.Repeat([]byte{byte(i)}, size)))
			case 1:
				_, err = s.Copy(ctx, "/a", "/b", nil, nil)
			case 2:
				_, err = s.Move(ctx, "/b", "/a", nil, nil)
			case 3:
				_, err = s.Move(ctx, "/a", "/c", nil, nil)
			case 4:
				if err = s.Delete(ctx, "/a", nil); expected(err) {
					_, err = s.Copy(ctx, "/c", "/a", nil, nil)
				}
			}
			if !expected(err) {
				t.Error(err)
			}
		}
	})
	stop := make(chan bool)
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sn, err := s.Snapshot(ctx, "/a")
				if errors.Is(err, ErrNotFound) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				var first []byte
				for range 3 {
					b := make([]byte, size)
					if _, err := sn.ReadAt(b, 0); err != nil {
						t.Error(err)
					}
					if !bytes.Equal(b[:half], b[half:]) {
						t.Error("the halves differ")
					}
					if first != nil && !bytes.Equal(first, b) {
						t.Error("a snapshot changed")
					}
					first = b
				}
				sn.Close()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	s.settle("/a")
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}
