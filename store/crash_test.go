package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// A crasher takes images of a file system as a loss of power would leave it,
// just before operations on it that it picks at random.
type crasher struct {
	mem *vfs.MemFS

	mu     sync.Mutex
	rng    *rand.Rand
	every  int // an image is taken before one in so many operations; 0: none
	images []*vfs.MemFS
	labels []string
}

func (c *crasher) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.every == 0 || c.rng.IntN(c.every) > 0 {
		return nil
	}
	percent := []int{0, 0, 20, 50, 90, 100}[c.rng.IntN(6)]
	c.images = append(c.images, c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: c.rng}))
	c.labels = append(c.labels, fmt.Sprintf("%d%% kept, before operation %d on %s", percent, op.Kind, op.Path))
	return nil
}

func (c *crasher) String() string { return "crasher" }

// take returns the images since the last call.
func (c *crasher) take() ([]*vfs.MemFS, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	images, labels := c.images, c.labels
	c.images, c.labels = nil, nil
	return images, labels
}

// TestCrash crashes in the middle of random operations. Each image has to open
// as what was there before the operation or after it, with nothing lost,
// nothing torn, and every file accounted for.
func TestCrash(t *testing.T) {
	states := [2]int{}
	for _, seed := range seeds(2) {
		if ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := &crasher{mem: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(seed, 1))}
			m := newModel(t, seed, errorfs.Wrap(c.mem, c))
			m.trace = append(m.trace, fmt.Sprintf("seed %d", seed))
			for range 80 {
				before, versions := maps.Clone(m.names), maps.Clone(m.vers)
				for name, r := range before {
					before[name] = r.clone()
				}
				c.mu.Lock()
				c.every = 10
				c.mu.Unlock()
				m.step()
				c.mu.Lock()
				c.every = 0
				c.mu.Unlock()
				images, labels := c.take()
				for i, image := range images {
					after, err := m.judge(image, before, versions)
					if err != nil {
						m.fatalf("crash with %s: %v", labels[i], err)
					}
					states[after]++
				}
				if m.rng.IntN(10) > 0 {
					continue
				}
				// What has returned is there, if nothing else is.
				after, err := m.judge(c.mem.CrashClone(vfs.CrashCloneCfg{}), before, versions)
				if err != nil || after != 1 {
					m.fatalf("crash after the operation: its outcome is lost (%v)", err)
				}
				states[after]++
			}
			m.reopen()
			closeStore(t, m.s)
		}); !ok {
			return
		}
	}
	t.Logf("%d crashes showed the state before the operation, %d that after it", states[0], states[1])
	if *seedFlag == 0 && (states[0] == 0 || states[1] == 0) {
		t.Errorf("too few crashes: %d before, %d after the operation", states[0], states[1])
	}
}

// judge opens an image and returns 0 if it has what was there before the last
// step, 1 if it has what came of it.
func (m *model) judge(image *vfs.MemFS, before map[string]*modelResource, versions map[string]Version) (int, error) {
	opts := m.opts
	opts.FS, opts.MinFree, opts.Logger = image, -1, quiet()
	s, err := Open("store", &opts)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if err := s.check(ctx, true); err != nil {
		return 0, err
	}
	for _, name := range modelNames { // what waits for its verdict gets it
		tx, err := s.Begin(ctx, name, TxOptions{Cond: func(cur, _ *Info) error {
			if cur == nil {
				return ErrNotFound
			}
			return nil
		}})
		if err == nil {
			_, err = tx.Commit(ctx)
		}
		if err != nil && !errors.Is(err, ErrDigestMismatch) && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
	}
	all := func(want map[string]*modelResource, versions map[string]Version) error {
		for _, name := range modelNames {
			v, err := compare(s, name, want[name])
			if err != nil {
				return err
			}
			if old := versions[name]; v != old {
				return fmt.Errorf("%s is version %v, was %v", name, v, old)
			}
		}
		return nil
	}
	errAfter := all(m.names, m.vers)
	if errAfter == nil {
		return 1, s.check(ctx, true)
	}
	errBefore := all(before, versions)
	if errBefore == nil {
		return 0, s.check(ctx, true)
	}
	return 0, fmt.Errorf("neither before: %w, nor after: %w", errBefore, errAfter)
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
