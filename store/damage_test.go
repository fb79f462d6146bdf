package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// pattern returns n bytes of which no two blocks are the same.
func pattern(n int) string {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

// fillWith makes an incomplete resource of length n with the ranges of body.
func fillWith(t testing.TB, s *Store, name, body string, length int64, parts ...ranges.Range) {
	t.Helper()
	for _, r := range parts {
		if _, err := patch(s, name, r.Start, length, body[r.Start:r.End]); err != nil {
			t.Fatal(err)
		}
	}
}

// scrubNow makes one pass of the scrub, whenever the last one was.
func scrubNow(t testing.TB, s *Store) {
	t.Helper()
	if err := s.savePass(scrubPass{began: time.UnixMicro(1), next: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.scrub(); err != nil {
		t.Fatal(err)
	}
}

// tryRead reads a range.
func tryRead(s *Store, name string, r ranges.Range) (string, error) {
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		return "", err
	}
	defer sn.Close()
	var b bytes.Buffer
	_, err = sn.WriteRange(&b, r)
	return b.String(), err
}

// lostRange returns the range of an ErrDamaged.
func lostRange(t testing.TB, err error) ranges.Range {
	t.Helper()
	var re *RangeError
	if !errors.Is(err, ErrDamaged) || !errors.As(err, &re) {
		t.Fatalf("got %v, want an ErrDamaged with a range", err)
	}
	return re.Range
}

// TestDamageIncomplete damages a byte of an incomplete resource: it is told as
// missing, after a restart too, and writing it again heals.
func TestDamageIncomplete(t *testing.T) {
	const size = 300_000
	body := pattern(size)
	for _, tt := range []struct {
		name   string
		length int64
		parts  []ranges.Range
		flip   int64
		want   string
	}{
		{"known length", size, []ranges.Range{{End: 200_000}, {Start: 250_000, End: size}}, 70_000,
			"[0,65536) [131072,200000) [250000,300000)"},
		{"last byte", size, []ranges.Range{{End: 200_000}}, 199_999, "[0,196608)"},
		{"all there is", size, []ranges.Range{{Start: 100, End: 200}}, 150, ""},
		{"unknown length", -1, []ranges.Range{{End: 200_000}}, 70_000, "[0,65536) [131072,200000)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openMem(t, fs, Options{})
			fillWith(t, s, "/a", body, tt.length, tt.parts...)
			before := statOf(t, s, "/a")
			home := s.slots["/a"].pub.Load().home
			flip(t, fs, s.files.path(home), tt.flip)

			scrubNow(t, s)
			for range 2 {
				info := statOf(t, s, "/a")
				if got := fmt.Sprint(info.Received); got != tt.want || info.Version == before.Version || info.ID != before.ID {
					t.Fatalf("received %v of %v, want %v of another version than %v", got, info.Version, tt.want, before.Version)
				}
				verifyStore(t, s)
				closeStore(t, s)
				s = openMem(t, fs, Options{})
			}
			lost := before.Received.Subtract(statOf(t, s, "/a").Received).Bounds()
			if _, err := patch(s, "/a", lost.Start, tt.length, body[lost.Start:lost.End]); err != nil {
				t.Fatal(err)
			}
			if got := statOf(t, s, "/a").Received; !got.Equal(before.Received) {
				t.Fatalf("received %v after healing, want %v", got, before.Received)
			}
			verifyStore(t, s)
			if st := s.slots["/a"].pub.Load(); st.home == home {
				t.Fatal("the damaged file is still written to")
			}
			fillWith(t, s, "/a", body, size, statOf(t, s, "/a").gaps(size)...)
			if got := read(t, s, "/a"); got != body {
				t.Fatal("wrong bytes")
			}
			verifyStore(t, s)
			closeStore(t, s)
		})
	}
}

// gaps returns what is missing of [0,n).
func (i *Info) gaps(n int64) (gaps []ranges.Range) {
	for g := range i.Received.Gaps(ranges.Range{End: n}) {
		gaps = append(gaps, g)
	}
	return gaps
}

// TestDamageComplete damages a complete resource and its copy: the damaged
// range is an error, the others are read and verified, the version stays, and
// writing the range again heals one, not the other.
func TestDamageComplete(t *testing.T) {
	const size = 300_000
	body := pattern(size)
	bad := ranges.Range{Start: 65536, End: 131072}
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	version := put(t, s, "/a", body).Info.Version
	if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
		t.Fatal(err)
	}
	path := s.files.path(s.slots["/a"].pub.Load().home)
	flip(t, fs, path, 70_000)
	scrubNow(t, s)
	for range 2 {
		for _, name := range []string{"/a", "/b"} {
			info := statOf(t, s, name)
			if !info.Complete || info.Size() != size || info.Length != size || info.Received.Covers(bad) {
				t.Fatalf("%+v", info)
			}
			if name == "/a" && info.Version != version {
				t.Fatal("another version without another representation")
			}
			_, err := tryRead(s, name, ranges.Range{End: size})
			if got := lostRange(t, err); got != bad {
				t.Fatalf("lost %v, want %v", got, bad)
			}
			sn, err := s.Snapshot(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = sn.ReadAt(make([]byte, 10), bad.End-1)
			lostRange(t, err)
			_, err = sn.Digest(ctx, SHA256)
			lostRange(t, err)
			sn.Close()
			for _, r := range []ranges.Range{{End: bad.Start}, {Start: bad.End, End: size}} {
				if got, err := tryRead(s, name, r); err != nil || got != body[r.Start:r.End] {
					t.Fatal(r, err)
				}
			}
		}
		report, err := s.Check(ctx, CheckOptions{Data: true})
		if err != nil || len(report.Faults) != 2 || report.Faults[0].Kind != FaultDamaged || report.Faults[0].Range != bad {
			t.Fatal(report, err)
		}
		closeStore(t, s)
		s = openMem(t, fs, Options{})
	}

	// Part of the range, then a truncation and an extension inside of it.
	overwrite(t, s, "/a", bad.Start, body[bad.Start:bad.Start+100])
	_, err := tryRead(s, "/a", ranges.Range{End: size})
	if got := lostRange(t, err); got.Start != bad.Start+100 || got.End != bad.End {
		t.Fatal(got)
	}
	for _, n := range []int64{size + 1000, 100_000, 200_000} {
		tx := begin(t, s, "/b", TxOptions{})
		setLength(t, tx, n)
		commit(t, tx)
	}
	_, err = tryRead(s, "/b", ranges.Range{End: 200_000})
	if got := lostRange(t, err); got != (ranges.Range{Start: bad.Start, End: 100_000}) {
		t.Fatal(got)
	}
	overwrite(t, s, "/b", bad.Start, body[bad.Start:100_000])
	if want := body[:100_000] + strings.Repeat("\x00", 100_000); read(t, s, "/b") != want {
		t.Fatal("wrong bytes")
	}

	// What else is damaged is found by the read.
	flip(t, fs, path, 140_000)
	if got, err := tryRead(s, "/a", ranges.Range{Start: 140_001, End: 140_002}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("read %q, %v", got, err)
	}
	s.damage.settle()
	overwrite(t, s, "/a", bad.Start, body[bad.Start:])
	if read(t, s, "/a") != body {
		t.Fatal("wrong bytes")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageConcurrent damages bytes under the feet of writers, readers, copies
// and the scrub. Nobody who verifies gets a wrong byte, and in the end all can
// be healed.
func TestDamageConcurrent(t *testing.T) {
	const size, rounds = 256 << 10, 40
	body := pattern(size)
	seed := seeds(1)[0]
	t.Logf("seed %d", seed)
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{VerifyReads: true})
	put(t, s, "/a", body)
	fillWith(t, s, "/b", body, size+1, ranges.Range{End: size})
	allowed := func(err error) bool {
		return err == nil || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrReplaced)
	}
	var wg sync.WaitGroup
	worker := func(i uint64, f func(rng *rand.Rand)) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, i))
			for range rounds {
				f(rng)
			}
		})
	}
	some := func(rng *rand.Rand) ranges.Range {
		off := rng.Int64N(size)
		return ranges.Range{Start: off, End: off + 1 + rng.Int64N(size-off)}
	}
	for i := range uint64(2) {
		worker(i, func(rng *rand.Rand) { // writes what is there
			r := some(rng)
			name, length := "/a", int64(-1)
			if rng.IntN(2) == 0 {
				name, length = "/b", size+1
			}
			if _, err := patch(s, name, r.Start, length, body[r.Start:r.End]); !allowed(err) {
				t.Error(name, r, err)
			}
		})
		worker(10+i, func(rng *rand.Rand) {
			r := some(rng)
			if got, err := tryRead(s, []string{"/a", "/c"}[i], r); !allowed(err) || err == nil && got != body[r.Start:r.End] {
				t.Errorf("read %v: %v", r, err)
			}
		})
	}
	worker(20, func(*rand.Rand) {
		if _, err := s.Copy(ctx, "/a", "/c", nil, nil); !allowed(err) {
			t.Error(err)
		}
	})
	worker(21, func(rng *rand.Rand) {
		for _, name := range []string{"/a", "/b"} {
			sn, err := s.Snapshot(ctx, name)
			if err != nil {
				t.Error(err)
				return
			}
			r := some(rng)
			for _, p := range sn.st.extents.Within(r) {
				flip(t, fs, s.files.path(p.file), p.off)
				break
			}
			sn.Close()
		}
		if err := s.savePass(scrubPass{began: time.UnixMicro(1), next: 1}); err != nil {
			t.Error(err)
		}
		if _, err := s.scrub(); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if t.Failed() {
		return
	}
	scrubNow(t, s)
	overwrite(t, s, "/a", 0, body)
	fillWith(t, s, "/b", body, size+1, ranges.Range{End: size})
	if err := s.Delete(ctx, "/c", nil); !allowed(err) {
		t.Fatal(err)
	}
	if read(t, s, "/a") != body || read(t, s, "/b") != body {
		t.Fatal("wrong bytes")
	}
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageReadOnly reads a store that cannot be mended.
func TestDamageReadOnly(t *testing.T) {
	body := pattern(1000)
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	put(t, s, "/a", body)
	flip(t, fs, s.files.path(s.slots["/a"].pub.Load().home), 5)
	closeStore(t, s)
	s = openMem(t, fs, Options{ReadOnly: true, VerifyReads: true})
	for range 2 {
		if _, err := tryRead(s, "/a", ranges.Range{End: 1000}); !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
}

var _ io.ReaderFrom = (*bytes.Buffer)(nil) // so that tryRead would use sendfile

// TestDamageHashed damages bytes that were hashed for a declared digest. They
// were wrong, and those that are written instead are right.
func TestDamageHashed(t *testing.T) {
	const size = 150_000
	body := pattern(size)
	wrong := []byte(body)
	wrong[70_000] ^= 1
	s := openMem(t, vfs.NewMem(), Options{})
	tx := begin(t, s, "/a", TxOptions{})
	if err := tx.Declare(SHA256, sum256(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.WriteFrom(bytes.NewReader(wrong[:size-1]), 0, size-1, size); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	sl, err := s.acquire(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	<-s.verifyLater(sl).done // it has hashed what is there
	flip(t, s.opts.FS, s.files.path(sl.pub.Load().home), 100_000)
	s.release(sl)
	scrubNow(t, s)
	fillWith(t, s, "/a", body, size, ranges.Range{Start: 65536, End: 131072}, ranges.Range{Start: size - 1, End: size})
	if read(t, s, "/a") != body {
		t.Fatal("wrong bytes")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageGrown has a checksum grow by bytes that are committed between the
// discovery of damage and its end: they have none of their own.
func TestDamageGrown(t *testing.T) {
	body := pattern(20_000)
	s := openMem(t, vfs.NewMem(), Options{})
	fillWith(t, s, "/a", body, 30_000, ranges.Range{End: 10_000}, ranges.Range{Start: 10_000, End: 20_000})
	home := s.slots["/a"].pub.Load().home
	flip(t, s.opts.FS, s.files.path(home), 5)
	s.damaged(home, ranges.Range{End: 10_000}, errChecksum)
	s.damage.settle()
	if got := statOf(t, s, "/a").Received; !got.Empty() {
		t.Fatalf("received %v", got)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageHomeRace begins a transaction while the map hears of damage: it
// must not write to the damaged file afterwards.
func TestDamageHomeRace(t *testing.T) {
	body := pattern(80_000)
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{})
	rest := ranges.Range{Start: 70_000, End: 80_000}
	fillWith(t, s, "/a", body, 100_000, ranges.Range{End: 1000}, rest)
	home := s.slots["/a"].pub.Load().home
	closeStore(t, s)
	s = openMem(t, fs, Options{}) // so that nothing is known of the name
	flip(t, fs, s.files.path(home), 5)
	b := newBarrier()
	h.onMap(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
			b.stop()
		}
		return nil
	})
	s.damaged(home, ranges.Range{End: 1000}, errChecksum)
	<-b.reached
	tx := begin(t, s, "/a", TxOptions{})
	close(b.lifted)
	s.damage.settle()
	if got := statOf(t, s, "/a").Received; !got.Equal(ranges.NewSet(rest)) {
		t.Fatalf("received %v", got)
	}
	write(t, tx, 0, body[:1000])
	commit(t, tx)
	if st := s.slots["/a"].pub.Load(); st.files[home] != rest.Len() {
		t.Fatal("the damaged file is written again")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageTwice damages the one of two places where the same bytes were
// written at the same time. The other one is not written again.
func TestDamageTwice(t *testing.T) {
	body := pattern(1000)
	s := openMem(t, vfs.NewMem(), Options{})
	first := begin(t, s, "/a", TxOptions{})
	second := begin(t, s, "/a", TxOptions{})
	for _, tx := range []*Tx{first, second} {
		if _, err := tx.WriteFrom(strings.NewReader(body), 0, 1000, 2000); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.WriteFrom(strings.NewReader("x"), 1500, 1, 2000); err != nil {
		t.Fatal(err)
	}
	commit(t, second)
	commit(t, first)
	_, p, _ := s.slots["/a"].pub.Load().extents.First()
	flip(t, s.opts.FS, s.files.path(p.file), p.off)
	scrubNow(t, s)
	fillWith(t, s, "/a", body, 2000, ranges.Range{End: 1000})
	verifyStore(t, s)
	closeStore(t, s)
}
