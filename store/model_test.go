package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

var (
	seedFlag = flag.Uint64("seed", 0, "replay the randomized tests with this seed")
	longFlag = flag.Bool("long", false, "run the randomized tests for long")
)

// seeds returns n seeds, or the one that is to be replayed. Half of them are
// always the same, so that what they draw is known to be enough.
func seeds(n int) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	fixed := (n + 1) / 2
	if *longFlag {
		n *= 50
	}
	out := make([]uint64, n)
	for i := range out {
		if out[i] = uint64(i + 1); i >= fixed {
			out[i] = rand.Uint64()
		}
	}
	return out
}

// A modelResource is what a resource has to be, by the rules of the model in
// the package documentation and nothing else.
type modelResource struct {
	id       int
	length   int64 // -1: unknown
	complete bool
	mismatch bool
	data     []byte // zero where nothing is committed
	have     ranges.Set
	mediaTyp string
	declared []byte // sha-256
}

func (r *modelResource) clone() *modelResource {
	c := *r
	c.data = bytes.Clone(r.data)
	return &c
}

func (r *modelResource) String() string {
	if r == nil {
		return "absent"
	}
	return fmt.Sprintf("%v of %d complete=%v mismatch=%v type=%q declared=%v %x", r.have, r.length, r.complete, r.mismatch,
		r.mediaTyp, r.declared != nil, sha256.Sum256(r.data))
}

func (r *modelResource) put(off int64, b []byte) {
	if end := off + int64(len(b)); end > int64(len(r.data)) {
		r.data = append(r.data, make([]byte, end-int64(len(r.data)))...)
	}
	copy(r.data[off:], b)
	r.have.Add(ranges.Range{Start: off, End: off + int64(len(b))})
}

// A model runs random operations on a store and knows what has to come of them.
type model struct {
	t     testing.TB
	rng   *rand.Rand
	fs    vfs.FS
	opts  Options
	s     *Store
	unit  int64
	names map[string]*modelResource
	pend  map[string]int // identity that writes to an absent name share
	born  map[int]bool
	ids   int
	txs   []*modelTx
	snaps map[*Snapshot][]byte
	vers  map[string]Version
	did   map[string]int // how often each thing happened
	trace []string
}

var modelNames = []string{"/a", "/b", "/c"}

func newModel(t testing.TB, seed uint64, fs vfs.FS) *model {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := &model{
		t: t, rng: rng, fs: fs, unit: []int64{1, 1, 700, 5000}[rng.IntN(4)],
		opts: Options{
			BufferSize:   4 << 10,
			CacheExtents: []int{0, 1}[rng.IntN(2)],
			FoldExtents:  []int{-1, 4}[rng.IntN(2)],
			// Nothing but what the model asks for is committed.
			PersistBytes: 1 << 40, PersistInterval: time.Hour,
		},
		names: make(map[string]*modelResource), pend: make(map[string]int), born: make(map[int]bool),
		snaps: make(map[*Snapshot][]byte), vers: make(map[string]Version), did: make(map[string]int),
	}
	m.s = openMem(t, fs, m.opts)
	return m
}

func (m *model) logf(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\n%s", strings.Join(m.trace[max(0, len(m.trace)-60):], "\n"), fmt.Sprintf(format, args...))
}

// step does one random thing.
func (m *model) step() {
	name := modelNames[m.rng.IntN(len(modelNames))]
	switch n := m.rng.IntN(108); {
	case n >= 100:
		m.finish(name)
	case n < 20 && len(m.txs) < 5:
		m.begin(name, m.rng.IntN(5) == 0)
	case n < 55 && len(m.txs) > 0:
		m.write(m.anyTx())
	case n < 62 && len(m.txs) > 0:
		m.setLength(m.anyTx())
	case n < 64 && len(m.txs) > 0:
		m.declare(m.anyTx())
	case n < 80 && len(m.txs) > 0:
		tx := m.anyTx()
		m.commit(tx, true)
		m.drop(tx)
	case n < 83 && len(m.txs) > 0:
		tx := m.anyTx()
		if m.commit(tx, false) != nil {
			m.drop(tx)
		}
	case n < 85 && len(m.txs) > 0:
		tx := m.anyTx()
		m.logf("%p rollback", tx)
		tx.Rollback()
		m.drop(tx)
	case n < 88:
		m.delete(name)
	case n < 92:
		m.relocate(name, modelNames[m.rng.IntN(len(modelNames))], n%2 == 0)
	case n < 96 && len(m.snaps) < 4:
		m.snapshot(name)
	default:
		m.closeSnapshot()
	}
}

func (m *model) anyTx() *modelTx { return m.txs[m.rng.IntN(len(m.txs))] }

// awaitVerdict waits for the verdict on a resource that a Persist has covered.
func (m *model) awaitVerdict(name string) {
	tx, err := m.s.Begin(ctx, name, TxOptions{Cond: func(cur, _ *Info) error {
		if cur == nil {
			return ErrNotFound
		}
		return nil
	}})
	if err == nil {
		_, err = tx.Commit(ctx)
	}
	if err != nil && !errors.Is(err, ErrDigestMismatch) && !errors.Is(err, ErrNotFound) {
		m.fatalf("verdict: %v", err)
	}
}

// set notes that a name has a resource now.
func (m *model) set(name string, r *modelResource) {
	old := m.names[name]
	if r == nil {
		delete(m.names, name)
	} else {
		m.names[name] = r
		m.born[r.id] = true
	}
	if old == nil || r == nil || old.id != r.id {
		for _, tx := range m.txs {
			// So is the chance to make one, once the name was taken.
			pending := !tx.create && !m.born[tx.id]
			tx.lost = tx.lost || tx.name == name && (pending || old != nil && tx.id == old.id)
		}
		delete(m.pend, name)
	}
}

func (m *model) delete(name string) {
	err := m.s.Delete(ctx, name, nil)
	m.logf("delete %s: %v", name, err)
	if (err == nil) != (m.names[name] != nil) || err != nil && !errors.Is(err, ErrNotFound) {
		m.fatalf("delete of %v: %v", m.names[name], err)
	}
	if err == nil {
		m.set(name, nil)
		m.did["delete"]++
	}
	m.look(name)
}

func (m *model) relocate(from, to string, move bool) {
	src := m.names[from]
	var want, err error
	switch {
	case from == to:
		want = ErrSameName
	case src == nil:
		want = ErrNotFound
	case !src.complete:
		want = ErrIncomplete
	}
	if move {
		_, err = m.s.Move(ctx, from, to, nil, nil)
	} else {
		_, err = m.s.Copy(ctx, from, to, nil, nil)
	}
	m.logf("relocate %s %s move=%v: %v", from, to, move, err)
	if sentinel(err) != want {
		m.fatalf("relocate: %v, want %v", err, want)
	}
	m.did[fmt.Sprintf("relocate %v", want)]++
	if want != nil {
		return
	}
	next := src.clone()
	if move {
		m.set(from, nil)
		m.look(from)
	} else {
		m.ids++
		next.id = m.ids
	}
	m.set(to, next)
	if !move {
		m.look(from)
	}
	m.look(to)
}

func (m *model) snapshot(name string) {
	sn, err := m.s.Snapshot(ctx, name)
	r := m.names[name]
	if (err == nil) != (r != nil) {
		m.fatalf("snapshot of %v: %v", r, err)
	}
	if err == nil {
		m.snaps[sn] = bytes.Clone(r.data[:r.have.Prefix()])
	}
}

func (m *model) closeSnapshot() {
	for sn, want := range m.snaps {
		var got bytes.Buffer
		if _, err := sn.WriteRange(&got, ranges.Range{End: int64(len(want))}); err != nil || !bytes.Equal(got.Bytes(), want) {
			m.fatalf("snapshot of %s differs: %v", sn.Info().Name, err)
		}
		sn.Close()
		delete(m.snaps, sn)
		m.did["snapshot"]++
		return
	}
}

// look compares what the store has under a name with what it should have.
func (m *model) look(name string) {
	m.t.Helper()
	version, err := compare(m.s, name, m.names[name])
	if err != nil {
		m.fatalf("%v", err)
	}
	m.vers[name] = version
}

// compare says how what the store has under a name differs from what it should have.
func compare(s *Store, name string, want *modelResource) (Version, error) {
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		if errors.Is(err, ErrNotFound) && want == nil {
			return Version{}, nil
		}
		return Version{}, fmt.Errorf("%s: %w, want %v", name, err, want)
	}
	defer sn.Close()
	info := sn.Info()
	if want == nil {
		return Version{}, fmt.Errorf("%s: %+v, want nothing", name, info)
	}
	if info.Length != want.length || info.Complete != want.complete || info.Mismatched != want.mismatch || info.Unverified ||
		!info.Received.Equal(want.have) || info.Offset != want.have.Prefix() || info.Metadata.Type != want.mediaTyp ||
		!bytes.Equal(info.Declared[SHA256], want.declared) {
		return Version{}, fmt.Errorf("%s: %+v, want %v", name, info, want)
	}
	// Islands can be seen through the map alone.
	got := make([]byte, len(want.data))
	for r, p := range sn.st.extents.All() {
		if err := s.readPlace(p, got[r.Start:r.End]); err != nil {
			return Version{}, err
		}
	}
	if !bytes.Equal(got, want.data) {
		return Version{}, fmt.Errorf("%s: bytes differ from %v", name, want)
	}
	return info.Version, nil
}

// sentinel returns the error of this package that err is.
func sentinel(err error) error {
	for _, s := range []error{ErrNotFound, ErrRangeConflict, ErrNotAdjacent, ErrLengthConflict, ErrMetadataConflict, ErrReplaced,
		ErrIncomplete, ErrDigestMismatch, ErrSameName, io.ErrUnexpectedEOF} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}

// verify compares all names and checks the store, with nothing folding meanwhile.
func (m *model) verify() {
	m.t.Helper()
	m.s.settle(modelNames[0])
	for _, name := range modelNames {
		m.look(name)
	}
	verifyStore(m.t, m.s)
	want := slices.Sorted(maps.Keys(m.names))
	if got := names(m.t, m.s, "/", ""); !slices.Equal(got, want) {
		m.fatalf("list: %q, want %q", got, want)
	}
}

// reopen ends everything in flight, closes the store, and opens it again:
// nothing has changed, and no file is left that nothing names.
func (m *model) reopen() {
	for len(m.txs) > 0 {
		m.drop(m.txs[0])
	}
	for len(m.snaps) > 0 {
		m.closeSnapshot()
	}
	closeStore(m.t, m.s)
	m.s = openMem(m.t, m.fs, m.opts)
	before := maps.Clone(m.vers)
	m.verify()
	if !maps.Equal(before, m.vers) {
		m.fatalf("versions %v after reopening, were %v", m.vers, before)
	}
	m.s.files.janitor.drain()
	named := make(map[fileID]bool)
	for _, name := range modelNames {
		st, err := m.s.loadName(name)
		if err != nil {
			m.t.Fatal(err)
		}
		if st != nil {
			for f := range st.files {
				named[f] = true
			}
		}
	}
	ids, err := dataFiles(m.s)
	if err != nil || len(ids) != len(named) {
		m.fatalf("files %v, named are %v (%v)", ids, named, err)
	}
	m.logf("reopen")
}

// TestModel runs random operations against the model.
func TestModel(t *testing.T) {
	did := make(map[string]int)
	for _, seed := range seeds(4) {
		m := newModel(t, seed, vfs.NewMem())
		m.trace = append(m.trace, fmt.Sprintf("seed %d", seed))
		if ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m.t = t
			for i := range 500 {
				m.step()
				if i%50 == 49 {
					m.verify()
				}
				if i%200 == 199 {
					m.reopen()
				}
			}
			m.reopen()
			closeStore(t, m.s)
		}); !ok {
			return
		}
		for what, n := range m.did {
			did[what] += n
		}
	}
	for _, what := range []string{
		"begin", "write <nil>", "write range conflicts with committed bytes", "commit <nil>", "delete", "snapshot", "relocate <nil>",
		"commit resource was replaced while it was written", "write complete-length conflict",
		"commit range conflicts with committed bytes", "commit write is not adjacent to the committed bytes",
		"commit declared digest does not match the content",
	} {
		if did[what] == 0 && *seedFlag == 0 {
			t.Errorf("too few of %q: %d", what, did[what])
		}
	}
}
