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
