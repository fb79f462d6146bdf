package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// inlineKeys returns how many values the inline files have.
func inlineKeys(t testing.TB, s *Store) (n int) {
	t.Helper()
	if err := s.scan(kindInline, func(_, _ []byte) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInline writes small resources: no data file is touched, and nothing is
// left of them when they are gone.
func TestInline(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{InlineSize: 100})
	var touched atomic.Int64
	h.on(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpGetDiskUsage {
			touched.Add(1)
		}
		return nil
	})
	body := pattern(100)
	put(t, s, "/a", body)
	fillWith(t, s, "/b", body, 100, ranges.Range{Start: 60, End: 100}, ranges.Range{End: 60})
	overwrite(t, s, "/b", 50, "0123456789")
	tx := begin(t, s, "/b", TxOptions{})
	write(t, tx, 0, "rolled back")
	tx.Rollback()
	tx = begin(t, s, "/d", TxOptions{})
	write(t, tx, 0, "rolled back")
	tx.Rollback()
	s.files.janitor.drain()
	if _, err := s.Copy(ctx, "/a", "/c", nil, nil); err != nil {
		t.Fatal(err)
	}
	overwrite(t, s, "/c", 99, "xyz")
	if n := touched.Load(); n > 0 {
		t.Errorf("%d operations on data files", n)
	}
	for range 2 {
		want := body[:50] + "0123456789" + body[60:]
		for name, want := range map[string]string{"/a": body, "/b": want, "/c": body[:99] + "xyz"} {
			if got := read(t, s, name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if got, err := tryRead(s, "/b", ranges.Range{Start: 55, End: 65}); err != nil || got != want[55:65] {
			t.Errorf("read %q, %v", got, err)
		}
		verifyStore(t, s)
		closeStore(t, s)
		s = openMem(t, fs, Options{InlineSize: 100})
	}
	sn, err := s.Snapshot(ctx, "/c")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/a", "/b", "/c"} {
		if err := s.Delete(ctx, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.files.janitor.drain()
	b := make([]byte, 102)
	if _, err := sn.ReadAt(b, 0); err != nil || string(b) != body[:99]+"xyz" {
		t.Errorf("a snapshot reads %q, %v after the deletion", b, err)
	}
	sn.Close()
	s.files.janitor.drain()
	if n := inlineKeys(t, s); n > 0 {
		t.Errorf("%d values are left", n)
	}
	put(t, s, "/large", pattern(101))
	if inlineKeys(t, s) > 0 || touched.Load() == 0 {
		t.Error("a write above the size is inline")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestInlineFold overwrites a resource with many small writes at once. What
// they put into the map goes to files, and the map stays small.
func TestInlineFold(t *testing.T) {
	const size, inline = 64 << 10, 64
	seed := seeds(1)[0]
	t.Logf("seed %d", seed)
	s := openMem(t, vfs.NewMem(), Options{InlineSize: inline})
	model := []byte(pattern(size))
	put(t, s, "/a", string(model))
	var wg sync.WaitGroup
	const writers = 4
	for w := range writers {
		wg.Go(func() { // each in cells of its own
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for range 500 {
				cell := (rng.IntN(size/inline/writers)*writers + w) * inline
				b := bytes.Repeat([]byte{byte(rng.Uint32())}, inline)
				if _, err := patch(s, "/a", int64(cell), -1, string(b)); err != nil {
					t.Error(err)
					return
				}
				copy(model[cell:], b)
			}
		})
	}
	wg.Wait()
	sl, err := s.acquire(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if got, most := sl.pub.Load().inlined, s.opts.inlined(maxInline)+writers*inline; got > most {
		t.Errorf("%d inline bytes, want at most %d", got, most)
	}
	s.release(sl)
	s.settle("/a")
	s.files.janitor.drain()
	if got := sl.pub.Load().inlined; got > s.opts.inlined(foldInline) {
		t.Errorf("%d inline bytes are left after a fold", got)
	}
	if read(t, s, "/a") != string(model) {
		t.Error("wrong bytes")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestInlineCheck takes bytes of an inline file away, and adds some.
func TestInlineCheck(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		breakIt    func(*Store, fileID) error
	}{
		{"none", "", func(*Store, fileID) error { return nil }},
		{"gone", "10 of its bytes are not in the map", func(s *Store, f fileID) error { return s.db.Delete(inlineKey(f, 0), pebble.NoSync) }},
		{"short", "3 of its bytes are not in the map", func(s *Store, f fileID) error {
			return s.db.Set(inlineKey(f, 0), []byte("0123456"), pebble.NoSync)
		}},
		{"no reference", "without a reference", func(s *Store, f fileID) error {
			return s.db.Delete(refKey(f, s.slots["/a"].pub.Load().id), pebble.NoSync)
		}},
		{"garbage", "listed as garbage", func(s *Store, f fileID) error { return s.db.Set(fileKey(kindGarbage, f), nil, pebble.NoSync) }},
		{"stray", "which is forgotten", func(s *Store, f fileID) error { return s.db.Set(inlineKey(999, 0), nil, pebble.NoSync) }},
		{"bad key", "inline key", func(s *Store, f fileID) error { return s.db.Set([]byte{kindInline, 1}, nil, pebble.NoSync) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), Options{InlineSize: 100})
			defer s.Close()
			put(t, s, "/a", "0123456789")
			_, p, _ := s.slots["/a"].pub.Load().extents.First()
			if err := tt.breakIt(s, p.file); err != nil {
				t.Fatal(err)
			}
			err := s.check(ctx, true)
			if got := fmt.Sprint(err); (tt.want == "") != (err == nil) || !strings.Contains(got, tt.want) && err != nil {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if tt.name == "short" {
				if _, err := tryRead(s, "/a", ranges.Range{Start: 5, End: 10}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
}

// TestInlineNamedAgain: the last extent in an inline file goes while a
// transaction has bytes waiting for it, whose commit names the file again. No
// crash, and no opening, takes it for garbage then.
func TestInlineNamedAgain(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openMem(t, mem, Options{InlineSize: 100})
	body := pattern(500)
	put(t, s, "/a", body)
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, "again")
	overwrite(t, s, "/a", 50, "named")
	next := strings.Repeat("x", 500)
	overwrite(t, s, "/a", 0, next)
	overwrite(t, s, "/a", 100, "another file")
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	want := "again" + next[5:100] + "another file" + next[112:]
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	closeStore(t, s)
	for _, fs := range []vfs.FS{crashed, mem} {
		s := openMem(t, fs, Options{InlineSize: 100})
		s.files.janitor.drain()
		if got := read(t, s, "/a"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		verifyStore(t, s)
		closeStore(t, s)
	}
}

// TestInlineWaiting: what is staged is in memory and bounded; a transaction
// that ends without a commit leaves nothing in the map, and one with more
// small parts than may wait uses files for the rest.
func TestInlineWaiting(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{InlineSize: 100})
	tx := begin(t, s, "/a", TxOptions{})
	body := pattern(4000)
	for off := 3900; off >= 0; off -= 100 {
		write(t, tx, int64(off), body[off:off+100])
	}
	var waiting int64
	s.files.mu.Lock()
	for _, df := range s.files.open {
		if df.inline != nil {
			waiting += df.inline.size
		}
	}
	s.files.mu.Unlock()
	if most := s.opts.inlined(inlineWriters); waiting == 0 || waiting > most {
		t.Errorf("%d bytes wait, want some and at most %d", waiting, most)
	}
	if n := inlineKeys(t, s); n > 0 {
		t.Errorf("%d values in the map before the commit", n)
	}
	other := begin(t, s, "/a", TxOptions{})
	write(t, other, 0, body[:100])
	other.Rollback()
	if err := tx.SetLength(4000); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "/a"); got != body {
		t.Errorf("got %q", got)
	}
	gone := begin(t, s, "/b", TxOptions{})
	write(t, gone, 0, "rolled back")
	gone.Rollback()
	if n, most := inlineKeys(t, s), inlineWriters; n == 0 || n > most {
		t.Errorf("%d values in the map, want some and at most %d", n, most)
	}
	s.files.mu.Lock()
	if n := len(s.files.open); n > 0 {
		t.Errorf("%d files are open", n)
	}
	s.files.mu.Unlock()
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}

// TestInlineWaitsNoMore: what was committed or rolled back does not count as
// waiting, however long the file is open.
func TestInlineWaitsNoMore(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{InlineSize: 100})
	body := pattern(4000)
	hold := begin(t, s, "/a", TxOptions{})
	write(t, hold, 0, body[:100])
	for off := 100; off < 4000; off += 100 {
		tx := begin(t, s, "/a", TxOptions{})
		write(t, tx, int64(off), body[off:off+100])
		tx.Rollback()
		if _, err := patch(s, "/a", int64(off), 4000, body[off:off+100]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hold.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if n := inlineKeys(t, s); n != 40 {
		t.Errorf("%d of 40 writes are inline", n)
	}
	if got := read(t, s, "/a"); got != body {
		t.Errorf("got %q", got)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestInlineNotNamed: bytes that another transaction committed first, as they
// were, do not get into the map a second time.
func TestInlineNotNamed(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{InlineSize: 100})
	body := pattern(500)
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, body[:100])
	if _, err := patch(s, "/a", 0, -1, body[:400]); err != nil {
		t.Fatal(err)
	}
	if err := tx.SetLength(500); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if n := inlineKeys(t, s); n > 0 {
		t.Errorf("%d values in the map", n)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestInlineNamedAgainAfterDrop is TestInlineNamedAgain for a file whose first
// batch also drops the only other file of the resource.
func TestInlineNamedAgainAfterDrop(t *testing.T) {
	mem := vfs.NewMem()
	opts := Options{InlineSize: 100}
	s := openMem(t, mem, opts)
	put(t, s, "/a", pattern(90))
	closeStore(t, s)
	s = openMem(t, mem, opts) // small writes go to another inline file now
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, "again")
	overwrite(t, s, "/a", 0, strings.Repeat("x", 90))
	next := strings.Repeat("y", 500)
	overwrite(t, s, "/a", 0, next)
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	want := "again" + next[5:]
	for range 2 {
		s.files.janitor.drain()
		if got := read(t, s, "/a"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		verifyStore(t, s)
		closeStore(t, s)
		s = openMem(t, mem, opts)
	}
	closeStore(t, s)
}
