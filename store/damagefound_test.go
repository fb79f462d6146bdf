package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// TestDamageFound damages a byte and expects each kind of reader to find it.
func TestDamageFound(t *testing.T) {
	const size = 150_000
	body := pattern(size)
	damaged := func(t testing.TB, s *Store, err error) {
		t.Helper()
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
	}
	for _, tt := range []struct {
		name string
		opts Options
		find func(testing.TB, *Store)
	}{
		{"verified read", Options{VerifyReads: true}, func(t testing.TB, s *Store) {
			_, err := tryRead(s, "/a", ranges.Range{End: size})
			damaged(t, s, err)
		}},
		{"verified read of a byte", Options{VerifyReads: true}, func(t testing.TB, s *Store) {
			_, err := tryRead(s, "/a", ranges.Range{Start: 65536, End: 65537})
			damaged(t, s, err)
		}},
		{"digest", Options{}, func(t testing.TB, s *Store) {
			sn, err := s.Snapshot(ctx, "/a")
			if err != nil {
				t.Fatal(err)
			}
			defer sn.Close()
			_, err = sn.Digest(ctx, SHA256)
			damaged(t, s, err)
		}},
		{"fold", Options{}, func(t testing.TB, s *Store) {
			sl, err := s.acquire(ctx, "/a")
			if err != nil {
				t.Fatal(err)
			}
			defer s.release(sl)
			st := s.pinned(sl)
			defer s.files.unpin(st)
			damaged(t, s, s.foldRanges(sl, st, ranges.NewSet(ranges.Range{Start: 100_000, End: 140_000})))
		}},
		{"declared digest", Options{}, func(t testing.TB, s *Store) {
			tx := begin(t, s, "/a", TxOptions{})
			if err := tx.Declare(SHA256, sum256(body)); err != nil {
				t.Fatal(err)
			}
			_, err := tx.Commit(ctx)
			damaged(t, s, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), tt.opts)
			put(t, s, "/a", body)
			flip(t, s.opts.FS, s.files.path(s.slots["/a"].pub.Load().home), 130_000)
			tt.find(t, s)
			s.damage.settle()
			if got := fmt.Sprint(statOf(t, s, "/a").Received); got != "[0,65536) [131072,150000)" {
				t.Fatalf("received %v", got)
			}
			overwrite(t, s, "/a", 65536, body[65536:131072])
			if read(t, s, "/a") != body {
				t.Fatal("wrong bytes")
			}
			verifyStore(t, s)
			closeStore(t, s)
		})
	}
}

// TestDamageCompared sends bytes again that were damaged since, while nobody
// knows: the write heals, whether they are compared as they are streamed or
// at the commit. A conflict stays one.
func TestDamageCompared(t *testing.T) {
	const size = 200_000
	body := pattern(size)
	part := ranges.Range{Start: 1000, End: 150_000}
	for _, when := range []string{"streamed", "commit"} {
		for _, bad := range []bool{true, false} {
			t.Run(fmt.Sprint(when, bad), func(t *testing.T) {
				s := openMem(t, vfs.NewMem(), Options{})
				var tx *Tx
				if when == "commit" { // it begins before there is anything to compare with
					tx = begin(t, s, "/a", TxOptions{})
				}
				fillWith(t, s, "/a", body, size, part)
				if when == "streamed" {
					tx = begin(t, s, "/a", TxOptions{})
				}
				flip(t, s.opts.FS, s.files.path(s.slots["/a"].pub.Load().home), 70_000)
				again := []byte(body[part.Start:part.End])
				if !bad {
					again[140_000] ^= 1
				}
				_, err := tx.WriteFrom(bytes.NewReader(again), part.Start, part.Len(), size)
				if err == nil {
					_, err = tx.Commit(ctx)
				}
				tx.Rollback()
				s.damage.settle()
				if bad != (err == nil) || !bad && !errors.Is(err, ErrRangeConflict) {
					t.Fatal(err)
				}
				if !bad {
					fillWith(t, s, "/a", body, size, part)
				}
				fillWith(t, s, "/a", body, size, ranges.Range{End: 1000}, ranges.Range{Start: 150_000, End: size})
				if read(t, s, "/a") != body {
					t.Fatal("wrong bytes")
				}
				verifyStore(t, s)
				closeStore(t, s)
			})
		}
	}
}

// TestDamageAfterCompare damages bytes that a transaction has found equal to
// its own and so did not store: it must not bring them back.
func TestDamageAfterCompare(t *testing.T) {
	body := pattern(1000)
	s := openMem(t, vfs.NewMem(), Options{})
	fillWith(t, s, "/a", body, 2000, ranges.Range{End: 1000})
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, body)
	flip(t, s.opts.FS, s.files.path(s.slots["/a"].pub.Load().home), 5)
	scrubNow(t, s)
	if _, err := tx.Commit(ctx); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v, want ErrDamaged", err)
	}
	if got := statOf(t, s, "/a").Received; !got.Empty() {
		t.Fatalf("received %v", got)
	}
	fillWith(t, s, "/a", body, 2000, ranges.Range{End: 1000})
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageByError has the disk fail reads.
func TestDamageByError(t *testing.T) {
	const size = 150_000
	body := pattern(size)
	for _, tt := range []struct {
		name string
		err  error
		n    int // how many reads of the second block fail
		want string
	}{
		{"once", syscall.EIO, 1, "[0,150000)"},
		{"for good", syscall.EIO, 1 << 30, "[0,150000)"}, // it may come back
		{"not of the disk", syscall.ENOMEM, 1 << 30, "[0,150000)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs, h := hooked(vfs.NewMem())
			s := openMem(t, fs, Options{})
			put(t, s, "/a", body)
			var mu sync.Mutex
			h.on(func(op errorfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if op.Kind == errorfs.OpFileReadAt && op.Offset == 65536 && tt.n > 0 {
					tt.n--
					return tt.err
				}
				return nil
			})
			scrubNow(t, s)
			if got := fmt.Sprint(statOf(t, s, "/a").Received); got != tt.want {
				t.Fatalf("received %v, want %v", got, tt.want)
			}
			if _, err := patch(s, "/b", 0, -1, "x"); err != nil {
				t.Fatal(err) // reading never ends writing
			}
			if tt.err == syscall.EIO { // what cannot be read can be written, with other bytes too
				overwrite(t, s, "/a", 65536, body[:65536])
				fillWith(t, s, "/c", body, 200_000, ranges.Range{End: size})
				if tt.n > 0 {
					other := strings.Repeat("x", 65536)
					if _, err := patch(s, "/c", 65536, 200_000, other); err != nil {
						t.Fatal(err)
					}
					if got, err := tryRead(s, "/c", ranges.Range{Start: 65536, End: 131072}); err != nil || got != other {
						t.Fatal(err)
					}
				}
			}
			h.on(nil)
			closeStore(t, s)
		})
	}
}

// TestDamageOfFile cuts a file short, and takes one away: the first is damage,
// the second may be a file system that is not mounted.
func TestDamageOfFile(t *testing.T) {
	const size = 150_000
	body := pattern(size)
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	put(t, s, "/short", body)
	put(t, s, "/gone", body)
	cutFile(t, fs, s.files.path(s.slots["/short"].pub.Load().home), 100_000)
	gone := s.files.path(s.slots["/gone"].pub.Load().home)
	if err := fs.Rename(gone, "elsewhere"); err != nil {
		t.Fatal(err)
	}
	scrubNow(t, s)
	if got := fmt.Sprint(statOf(t, s, "/short").Received); got != "[0,65536)" {
		t.Fatalf("received %v", got)
	}
	if _, err := tryRead(s, "/gone", ranges.Range{End: 1}); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	if err := fs.Rename("elsewhere", gone); err != nil {
		t.Fatal(err)
	}
	if read(t, s, "/gone") != body {
		t.Fatal("wrong bytes")
	}
	closeStore(t, s)
}

// TestDamageLooked finds damage in one place after the other of a resource
// that is changed, moved and copied meanwhile. Each is taken out of the map;
// a commit looks through the map only if there was another since the last one.
func TestDamageLooked(t *testing.T) {
	const block = 64 << 10
	body := pattern(4 * block)
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", body)
	home := s.slots["/a"].pub.Load().home
	looked := func(name string) {
		t.Helper()
		if st := s.slots[name].pub.Load(); st.spared != s.damage.found.Load() {
			t.Fatalf("%s was looked through when %d places were known, now there are %d", name, st.spared, s.damage.found.Load())
		}
	}
	for i, change := range []func(){
		func() {},
		func() { overwrite(t, s, "/a", 0, "x") },
		func() {
			if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			put(t, s, "/c", "c")
			if _, err := s.Move(ctx, "/a", "/c", nil, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Move(ctx, "/c", "/a", nil, nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		change()
		off := int64(i * block)
		s.damaged(home, ranges.Range{Start: off, End: off + block}, errChecksum)
		s.damage.settle()
		looked("/a")
		change() // without a walk
		looked("/a")
		if lost := fmt.Sprint(statOf(t, s, "/a").gaps(off + block)); !strings.HasSuffix(lost, fmt.Sprintf("%d)]", off+block)) {
			t.Fatalf("lost %s after damage at %d", lost, off)
		}
	}
	looked("/b")
	for name, want := range map[string]string{"/a": "[[1,262144)]", "/b": "[[1,262144)]"} {
		if got := fmt.Sprint(statOf(t, s, name).gaps(4 * block)); got != want {
			t.Errorf("%s has lost %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"/a", "/b"} {
		overwrite(t, s, name, 0, body)
		if read(t, s, name) != body {
			t.Errorf("%s was not healed", name)
		}
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageManyRanges finds damage in resources that have as many ranges as
// they may have: it splits one of them, and can be healed from its edges. A
// complete resource is healed in any order.
func TestDamageManyRanges(t *testing.T) {
	const block, size = 64 << 10, 512 << 10
	body := pattern(size)
	s := openMem(t, vfs.NewMem(), Options{MaxRanges: 2})
	fillWith(t, s, "/i", body, size, ranges.Range{End: 4 * block}, ranges.Range{Start: 5 * block, End: 6 * block})
	put(t, s, "/c", body)
	for _, name := range []string{"/i", "/c"} {
		home := s.slots[name].pub.Load().home // until the first damage is out of the map
		for _, n := range []int64{1, 3} {
			r := ranges.Range{Start: n * block, End: (n + 1) * block}
			s.damaged(home, r, errChecksum)
		}
	}
	s.damage.settle()
	for _, tt := range []struct {
		name       string
		start, end int64
		want       error
		ranges     int
	}{
		{"/i", block + 10, block + 20, ErrTooManyRanges, 3},
		{"/i", 2*block - 10, 2 * block, nil, 3},
		{"/i", block, block + 10, nil, 3},
		{"/i", block + 10, 2*block - 10, nil, 2},
		{"/i", 4*block + 1, 4*block + 2, ErrTooManyRanges, 2},
		{"/i", 3 * block, 5 * block, nil, 1},
		{"/c", block + 10, block + 20, nil, 4},
		{"/c", block + 30, block + 40, nil, 5},
		{"/c", block, 2 * block, nil, 2},
		{"/c", 3 * block, 4 * block, nil, 1},
	} {
		_, err := patch(s, tt.name, tt.start, -1, body[tt.start:tt.end])
		if !errors.Is(err, tt.want) {
			t.Errorf("%s [%d,%d): %v, want %v", tt.name, tt.start, tt.end, err, tt.want)
		}
		if got := statOf(t, s, tt.name).Received; got.Len() != tt.ranges {
			t.Errorf("%s [%d,%d): has %v, want %d ranges", tt.name, tt.start, tt.end, got, tt.ranges)
		}
	}
	verifyStore(t, s)
	closeStore(t, s)
}
