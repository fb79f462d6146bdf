package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// Many writers stamp resources. A resource has groups of cells, spread over
// it; a transaction writes a number that nobody else writes into all cells of
// some groups. Because every commit makes a version of its own, what each
// version must hold is known once all writers have told what they committed:
//
//	version   1       2     3      4 ...
//	group 0   7 ----- 7 --- 12 --- 12
//	group 1   - ----- 9 --- 9 ---- 9      -: a hole
//
// Readers and crash images note what they saw, and that is compared at the end.
const (
	stampGroups = 5
	stampCells  = 3 // of a group
	stampCell   = 56
	stampSize   = stampGroups * stampCells * stampCell
)

// The first of the names is never deleted, moved, or given to another
// resource, which is complete: what it had is there for good.
var stampNames = []string{"/keep", "/a", "/b", "/c", "/d"}

// A stamping is what one version changed: a stamp for some groups.
type stamping struct {
	stamps map[int]uint64
	from   Version // of a copy: what it was made of
}

// A sighting is what somebody saw of one version: a stamp for each group
// that is there.
type sighting struct {
	name    string
	version Version
	stamps  map[int]uint64
	who     string
}

// stamper has what all goroutines of the test share.
type stamper struct {
	t     *testing.T
	clock *fakeClock
	mem   *vfs.MemFS
	opts  Options
	s     *Store // replaced while nobody uses it
	next  atomic.Uint64

	mu    sync.Mutex
	past  map[Version]stamping
	acked map[string]Version // the last that was told of a name, if nothing but stamps came since
	seen  []sighting
	did   map[string]int
}

// committed notes a version that somebody was told of.
func (st *stamper) committed(name string, v Version, by stamping) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if old, ok := st.past[v]; ok {
		st.t.Errorf("two commits made %v: %v and %v", v, old, by)
	}
	st.past[v] = by
	st.acknowledge(name, v)
}

// acknowledge notes that somebody knows that a name has a version.
func (st *stamper) acknowledge(name string, v Version) {
	if old := st.acked[name]; old.ID != v.ID || old.Revision < v.Revision {
		st.acked[name] = v
	}
}

func (st *stamper) count(what string, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.did[fmt.Sprintf("%s %v", what, sentinel(err))]++
	for _, ok := range []error{nil, ErrReplaced, ErrNotFound, ErrIncomplete, ErrRangeConflict, ErrSameName} {
		if sentinel(err) == ok {
			return
		}
	}
	st.t.Errorf("%s: %v", what, err)
}

// stamp writes groups in one transaction; create makes a resource of its own.
func (st *stamper) stamp(rng *rand.Rand, name string, create bool) {
	tx, err := st.s.Begin(ctx, name, TxOptions{Create: create})
	if err != nil {
		st.t.Error(err)
		return
	}
	defer tx.Rollback()
	by := stamping{stamps: make(map[int]uint64)}
	stamp := st.next.Add(1)
	n := 1 + rng.IntN(stampGroups)
	if create && rng.IntN(3) > 0 {
		n = stampGroups
	}
	for _, g := range rng.Perm(stampGroups)[:n] {
		for c := range stampCells {
			off := int64(c*stampGroups+g) * stampCell
			b := bytes.Repeat(binary.BigEndian.AppendUint64(nil, stamp), stampCell/8)
			if _, err := tx.WriteFrom(bytes.NewReader(b), off, stampCell, stampSize); err != nil {
				st.count("stamp", err)
				return
			}
		}
		by.stamps[g] = stamp
	}
	if rng.IntN(10) == 0 {
		return // rolled back
	}
	res, err := tx.Commit(ctx)
	st.count("stamp", err)
	if err == nil {
		st.committed(name, res.Info.Version, by)
	}
}

// relocate moves or copies a resource, or deletes it.
func (st *stamper) relocate(rng *rand.Rand, name string) {
	other := stampNames[1+rng.IntN(len(stampNames)-1)]
	var from Version
	note := func(cur, _ *Info) error {
		from = cur.Version
		return nil
	}
	how := rng.IntN(5)
	if name == stampNames[0] {
		how = 4
	}
	switch how {
	case 0:
		st.count("delete", st.s.Delete(ctx, name, nil))
	case 1, 2:
		res, err := st.s.Move(ctx, name, other, note, nil)
		st.count("move", err)
		if err == nil {
			st.committed(other, res.Info.Version, stamping{})
		}
	default:
		res, err := st.s.Copy(ctx, name, other, note, nil)
		st.count("copy", err)
		if err == nil {
			st.committed(other, res.Info.Version, stamping{from: from})
		}
	}
}

// sight reads a snapshot, more than once, and notes what it shows.
func (st *stamper) sight(s *Store, name, who string) (Version, bool) {
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		if !errors.Is(err, ErrNotFound) {
			st.t.Error(err)
		}
		return Version{}, false
	}
	defer sn.Close()
	info := sn.Info()
	saw := sighting{name: name, version: info.Version, stamps: make(map[int]uint64), who: who}
	first := st.cells(sn)
	for g := range stampGroups {
		for c := range stampCells {
			stamp, ok := first[c*stampGroups+g]
			if was, had := saw.stamps[g]; c > 0 && (had != ok || was != stamp) {
				st.t.Errorf("%s, %s, %v: group %d is torn: %d and %d", who, name, info.Version, g, was, stamp)
			}
			if ok {
				saw.stamps[g] = stamp
			}
		}
	}
	if info.Complete != (len(saw.stamps) == stampGroups) {
		st.t.Errorf("%s, %s, %v: complete %v with %d groups", who, name, info.Version, info.Complete, len(saw.stamps))
	}
	if again := st.cells(sn); !maps.Equal(first, again) {
		st.t.Errorf("%s, %s, %v: the snapshot changed", who, name, info.Version)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.seen = append(st.seen, saw)
	if s == st.s {
		st.acknowledge(name, info.Version) // what was seen stays
	}
	return info.Version, true
}

// cells returns the stamps of the cells of a snapshot that are there, islands too.
func (st *stamper) cells(sn *Snapshot) map[int]uint64 {
	b := make([]byte, stampSize)
	if sn.Info().Complete {
		if _, err := sn.ReadAt(b, 0); err != nil {
			st.t.Error(err)
		}
	} else {
		for r, p := range sn.st.extents.All() {
			if err := (plainReader{sn.s}).read(p, b[r.Start:r.End]); err != nil {
				st.t.Error(err)
			}
		}
	}
	out := make(map[int]uint64)
	for i := range stampGroups * stampCells {
		r := ranges.Range{Start: int64(i * stampCell), End: int64((i + 1) * stampCell)}
		if !sn.Info().Received.Overlaps(r) {
			continue
		}
		cell := b[r.Start:r.End]
		if !sn.Info().Received.Covers(r) || !bytes.Equal(cell, bytes.Repeat(cell[:8], stampCell/8)) {
			st.t.Errorf("%v: cell %d is torn: %x", sn.Info().Version, i, cell)
		}
		out[i] = binary.BigEndian.Uint64(cell)
	}
	return out
}

// holds returns what a version has to hold.
func (st *stamper) holds(v Version) map[int]uint64 {
	out := make(map[int]uint64)
	for v.Revision > 0 {
		by := st.past[v]
		for g, stamp := range by.stamps {
			if _, later := out[g]; !later {
				out[g] = stamp
			}
		}
		if by.from.Revision > 0 {
			v = by.from
		} else {
			v.Revision--
		}
	}
	return out
}

// round lets everybody loose on the store until all writers are done. With
// each crash image comes what had been acknowledged when it was taken.
func (st *stamper) round(seed uint64, steps int) (images []crashImage, acks []map[string]Version) {
	var writers, others sync.WaitGroup
	for w := range 6 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for range steps {
				switch name := stampNames[rng.IntN(len(stampNames))]; rng.IntN(10) {
				case 0:
					st.relocate(rng, name)
				case 1:
					st.stamp(rng, name, name != stampNames[0])
				case 2:
					st.sight(st.s, name, "a writer")
				default:
					st.stamp(rng, name, false)
				}
			}
		})
	}
	stop := make(chan bool)
	loop := func(f func()) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f()
				}
			}
		})
	}
	most := max(1, 10/slow)
	if *longFlag {
		most = 50
	}
	rng := rand.New(rand.NewPCG(seed, 100))
	loop(func() { st.sight(st.s, stampNames[rng.IntN(len(stampNames))], "a reader") })
	loop(func() { st.clock.advance(time.Minute) })
	loop(func() {
		st.mu.Lock()
		acked := maps.Clone(st.acked)
		st.mu.Unlock()
		if len(images) < most {
			images = append(images, arm{percent: 10 * (len(images) % 11), seed: seed}.image(st.mem, uint64(len(images)), "while many write"))
			acks = append(acks, acked)
		}
	})
	writers.Wait()
	close(stop)
	others.Wait()
	return images, acks
}

// survived opens a crash image. What had been acknowledged is there: a name
// that still has its resource has it in that version or a later one.
func (st *stamper) survived(image crashImage, acked map[string]Version) {
	s := openMem(st.t, image.mem, Options{})
	defer closeStore(st.t, s)
	if err := s.check(ctx, true); err != nil {
		st.t.Errorf("%s: %v", image.label, err)
	}
	for _, name := range stampNames {
		v, ok := st.sight(s, name, image.label)
		was := acked[name]
		if ok && v.ID == was.ID && v.Revision < was.Revision || name == stampNames[0] && v.ID != was.ID {
			st.t.Errorf("%s: %s is version %v, acknowledged was %v", image.label, name, v, was)
		}
	}
	put(st.t, s, "/usable", "yes")
	if err := s.check(ctx, true); err != nil {
		st.t.Errorf("%s: %v", image.label, err)
	}
}

// due reports whether a resource may go at any time. The clock runs so fast
// that a commit can take longer than a resource may be idle, and nobody looks
// again just then.
func (st *stamper) due(info *Info) bool {
	return !info.Complete && !info.Modified.Add(st.opts.IncompleteMaxAge).After(st.clock.now())
}

// restart closes the store, or crashes it, and opens it again: what is there
// is what was there.
func (st *stamper) restart(crash bool, seed uint64) {
	st.s.settle("/")
	all := func() map[string]Version {
		out := make(map[string]Version)
		for _, name := range stampNames {
			v, ok := st.sight(st.s, name, "the barrier")
			if info, there := exists(st.t, st.s, name); ok && there && !st.due(info) {
				out[name] = v
			}
		}
		return out
	}
	before := all()
	verifyStore(st.t, st.s)
	if crash {
		image := arm{percent: int(seed % 101), seed: seed}.image(st.mem, 0, "at a barrier")
		closeStore(st.t, st.s)
		st.mem = image.mem
	} else {
		closeStore(st.t, st.s)
	}
	st.s = openMem(st.t, st.mem, st.opts)
	if after := all(); !maps.Equal(before, after) {
		st.t.Errorf("after opening: %v, before: %v", after, before)
	}
	// Incomplete resources go when nobody has written to them for long.
	st.clock.advance(st.opts.IncompleteMaxAge)
	for _, name := range stampNames {
		if info, ok := exists(st.t, st.s, name); ok && !info.Complete {
			st.t.Errorf("%s has not expired: %+v", name, info)
		}
	}
	verifyStore(st.t, st.s)
}

// TestConcurrentStamps has many goroutines write, overwrite, move, copy,
// delete and read a few resources, which also expire, are folded, and are
// cached as little as possible, while crash images are taken. Between rounds
// the store is closed, or crashes, and is opened again.
func TestConcurrentStamps(t *testing.T) {
	for _, seed := range seeds(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			st := &stamper{
				t: t, clock: newClock(), mem: vfs.NewCrashableMem(),
				past: make(map[Version]stamping), acked: make(map[string]Version), did: make(map[string]int),
			}
			st.opts = Options{
				BufferSize: 4 << 10, FoldExtents: 8, CacheExtents: 1, MapCache: 1, IncompleteMaxAge: 30 * time.Minute, clock: st.clock,
				InlineSize: []int{-1, stampCell, 4 * stampCell}[seed%3],
			}
			st.s = openMem(t, st.mem, st.opts)
			kept := put(t, st.s, stampNames[0], string(make([]byte, stampSize)))
			st.committed(stampNames[0], kept.Info.Version, stamping{stamps: map[int]uint64{0: 0, 1: 0, 2: 0, 3: 0, 4: 0}})
			for round := range uint64(3) {
				images, acks := st.round(seed+round<<32, 40)
				for i, image := range images {
					st.survived(image, acks[i])
				}
				st.restart(round%2 == 0, seed)
			}
			closeStore(t, st.s)
			for _, saw := range st.seen {
				if want := st.holds(saw.version); !maps.Equal(saw.stamps, want) {
					t.Errorf("%s saw %s in version %v with %v, want %v", saw.who, saw.name, saw.version, saw.stamps, want)
				}
			}
			for _, what := range []string{"stamp <nil>", "move <nil>", "copy <nil>", "delete <nil>"} {
				if st.did[what] == 0 {
					t.Errorf("never happened: %s", what)
				}
			}
			t.Logf("%d sightings of %d versions; %v", len(st.seen), len(st.past), slices.Sorted(maps.Keys(st.did)))
		})
	}
}
