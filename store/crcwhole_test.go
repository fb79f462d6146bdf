package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// wholeCRCOf returns the CRC-32C of a representation, in hexadecimal.
func wholeCRCOf(t testing.TB, s *Store, name string) (string, error) {
	t.Helper()
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer sn.Close()
	sum, err := sn.Digest(ctx, CRC32C)
	return fmt.Sprintf("%x", sum), err
}

// expectCRC fails the test unless that is the checksum of body.
func expectCRC(t testing.TB, s *Store, name, body string) {
	t.Helper()
	want := fmt.Sprintf("%08x", crc32c.Checksum([]byte(body)))
	if got, err := wholeCRCOf(t, s, name); err != nil || got != want {
		t.Fatalf("%s has the checksum %s, %v; want %s of %d bytes", name, got, err, want, len(body))
	}
}

// steps counts how the checksum of a resource is put together.
type steps struct{ pieces, cuts, zeros, inline int }

// count adds the steps of the resource that name has now.
func (n *steps) count(t testing.TB, s *Store, name string) {
	t.Helper()
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer sn.Close()
	src := checkedReader{s: s}
	defer src.close()
	for r, p := range sn.st.extents.All() {
		switch p.kind {
		case placeZero:
			n.zeros++
			continue
		case placeInline:
			n.inline++
			continue
		}
		if err := src.open(p.file); err != nil {
			t.Fatal(err)
		}
		for left := r.Len(); left > 0; {
			piece, ok, err := src.pieceAt(p.off)
			if err != nil || !ok {
				t.Fatalf("no checksum at %d, %v", p.off, err)
			}
			k := min(left, piece.end()-p.off)
			if k == piece.n {
				n.pieces++
			} else {
				n.cuts++
			}
			p, left = p.Cut(k), left-k
		}
	}
}

// TestWholeCRC makes maps at random, and compares the checksum of each with
// that of the bytes.
func TestWholeCRC(t *testing.T) {
	var n steps
	for _, seed := range seeds(2) {
		rng := rand.New(rand.NewPCG(seed, 0))
		t.Logf("seed %d", seed)
		o := &Options{Durability: DurabilityNone, MinFree: -1, Logger: quiet(), FoldExtents: 40, InlineSize: []int{-1, 2000}[seed%2], VerifyReads: seed%3 == 0}
		dir := t.TempDir()
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		body := randomBytes(rng, 100_000+rng.IntN(1<<20))
		fillRandomly(t, s, "/a", string(body), rng)
		expectCRC(t, s, "/a", string(body))
		for i := range 60 {
			switch k := rng.IntN(12); {
			case k < 6: // somewhere, or at the end
				part := randomBytes(rng, 1+rng.IntN(1<<(4+rng.IntN(14))))
				off := rng.IntN(len(body) + 1)
				overwrite(t, s, "/a", int64(off), string(part))
				body = append(body[:off:off], append(part, body[min(len(body), off+len(part)):]...)...)
			case k < 8: // shorter or longer
				size := max(1, len(body)+rng.IntN(300_000)-150_000)
				tx := begin(t, s, "/a", TxOptions{})
				setLength(t, tx, int64(size))
				commit(t, tx)
				body = append(body[:min(size, len(body)):min(size, len(body))], make([]byte, max(0, size-len(body)))...)
			case k < 9:
				s.settle("/a")
			case k < 10:
				if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
					t.Fatal(err)
				}
				expectCRC(t, s, "/b", string(body))
			case k < 11 && i > 30:
				if _, err := s.Copy(ctx, "/a", "/c", nil, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Move(ctx, "/c", "/a", nil, nil); err != nil {
					t.Fatal(err)
				}
			default:
				closeStore(t, s)
				if s, err = Open(dir, o); err != nil {
					t.Fatal(err)
				}
			}
			n.count(t, s, "/a")
			expectCRC(t, s, "/a", string(body))
		}
		if read(t, s, "/a") != string(body) {
			t.Error("the test expects other bytes than there are")
		}
		closeStore(t, s)
	}
	if t.Logf("%+v", n); *seedFlag == 0 && min(n.pieces, n.cuts, n.zeros, n.inline) < 50 {
		t.Errorf("%+v: some are too few", n)
	}
}

// fillRandomly makes a resource of segments that come in random order.
func fillRandomly(t testing.TB, s *Store, name, body string, rng *rand.Rand) {
	t.Helper()
	var parts []ranges.Range
	for off := 0; off < len(body); {
		n := min(len(body)-off, 1+rng.IntN(200_000))
		parts = append(parts, ranges.Range{Start: int64(off), End: int64(off + n)})
		off += n
	}
	rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	fillWith(t, s, name, body, int64(len(body)), parts...)
}

// TestWholeCRCSmall: of no bytes, of one, and of zeros alone.
func TestWholeCRCSmall(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	defer closeStore(t, s)
	for _, body := range []string{"", "x", "123456789"} {
		put(t, s, "/a", body)
		expectCRC(t, s, "/a", body)
	}
	put(t, s, "/a", "")
	tx := begin(t, s, "/a", TxOptions{})
	setLength(t, tx, 1<<40) // nobody reads that
	commit(t, tx)
	if got, err := wholeCRCOf(t, s, "/a"); err != nil || got != fmt.Sprintf("%08x", crc32c.Zeros(1<<40)) {
		t.Errorf("%s, %v", got, err)
	}
	fillWith(t, s, "/i", "0123456789", 10, ranges.Range{End: 4}, ranges.Range{Start: 6, End: 10})
	expectCRC(t, s, "/i", "0123")
}

// TestWholeCRCDamaged: the checksum is that of what was written, also if the
// disk returns something else. What has to be read for it is verified.
func TestWholeCRCDamaged(t *testing.T) {
	body := pattern(300_000)
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	defer func() { closeStore(t, s) }()
	put(t, s, "/a", body)
	file := s.files.path(s.slots["/a"].pub.Load().home)
	flip(t, fs, file, 70_000) // in [65536,131072), of which there is a piece
	expectCRC(t, s, "/a", body)

	overwrite(t, s, "/a", 100_000, "x") // now an extent cuts that piece
	_, err := wholeCRCOf(t, s, "/a")
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("%v, want ErrDamaged", err)
	}
	s.damage.settle()
	for range 2 { // it is known by now, and after a restart
		_, err := wholeCRCOf(t, s, "/a")
		if got := lostRange(t, err); got.Start != 65_536 {
			t.Errorf("lost %v", got)
		}
		closeStore(t, s)
		s = openMem(t, fs, Options{})
	}
	overwrite(t, s, "/a", 65_536, body[65_536:131_072])
	expectCRC(t, s, "/a", body)

	// What was found is not told as if it was there, even if the map is not to
	// hear of it.
	closeStore(t, s)
	flip(t, fs, file, 200_000)
	s = openMem(t, fs, Options{ReadOnly: true, VerifyReads: true})
	expectCRC(t, s, "/a", body)
	if _, err := tryRead(s, "/a", ranges.Range{Start: 200_000, End: 200_001}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("%v, want ErrDamaged", err)
	}
	if sum, err := wholeCRCOf(t, s, "/a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("%s, %v, want ErrDamaged", sum, err)
	}
}

// TestWholeCRCRemembered: what is put together of many parts is remembered
// while the version stays, and nothing else is.
func TestWholeCRCRemembered(t *testing.T) {
	const size = rememberCRC + 2
	s, err := Open(t.TempDir(), &Options{Durability: DurabilityNone, MinFree: -1, InlineSize: -1, FoldExtents: -1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	body := bytes.Repeat([]byte("a"), size)
	put(t, s, "/a", string(body))
	remembered := func() bool {
		sn, err := s.Snapshot(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		defer sn.Close()
		return sn.st.known[CRC32C] != nil
	}
	expectCRC(t, s, "/a", string(body))
	if remembered() {
		t.Error("it is remembered although it takes no time")
	}
	for off := 0; off < size; {
		tx := begin(t, s, "/a", TxOptions{})
		for end := min(size, off+512); off < end; off += 2 {
			write(t, tx, int64(off), "b")
			body[off] = 'b'
		}
		commit(t, tx)
	}
	version := statOf(t, s, "/a").Version
	for range 2 {
		expectCRC(t, s, "/a", string(body))
		if !remembered() || statOf(t, s, "/a").Version != version {
			t.Fatal("it is not remembered with the version")
		}
	}
	overwrite(t, s, "/a", 0, "c")
	if remembered() {
		t.Error("it is remembered with another version")
	}
	expectCRC(t, s, "/a", "c"+string(body[1:]))

	// Nobody can declare one: it counts for nothing.
	tx := begin(t, s, "/d", TxOptions{Create: true})
	if err := tx.Declare(CRC32C, []byte(strings.Repeat("x", 4))); err != nil {
		t.Fatal(err)
	}
	write(t, tx, 0, "hello")
	setLength(t, tx, 5)
	if res := commit(t, tx); !res.Info.Complete {
		t.Errorf("%+v", res.Info)
	}
	expectCRC(t, s, "/d", "hello")
}
