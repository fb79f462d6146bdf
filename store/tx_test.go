package store

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestPersistOverwrite commits an overwrite of a complete resource bit by
// bit: the length that the whole of it makes is no fault before its end.
func TestPersistOverwrite(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", "0123456789")
	tx := begin(t, s, "/a", TxOptions{Persist: true})
	if _, err := tx.WriteFrom(io.MultiReader(strings.NewReader("abcdef"), errReader{}), 8, 12, 20); !errors.Is(err, errRead) {
		t.Fatal(err)
	}
	res, err := tx.Persist(ctx)
	if err != nil || res.Info.Length != 14 {
		t.Fatalf("%+v, %v", res.Info, err)
	}
	tx.Rollback()
	if got := read(t, s, "/a"); got != "01234567abcdef" {
		t.Errorf("got %q", got)
	}

	tx = begin(t, s, "/a", TxOptions{Persist: true})
	if _, err := tx.WriteFrom(strings.NewReader("xyz"), 2, 3, 12); !errors.Is(err, ErrLengthConflict) {
		t.Errorf("complete-length below the length: %v", err)
	}
	tx.Rollback()

	// A length that is set holds after all writes, not between them.
	tx = begin(t, s, "/a", TxOptions{})
	setLength(t, tx, 4)
	write(t, tx, 14, "gh")
	if res, err := tx.Persist(ctx); err != nil || res.Info.Length != 16 {
		t.Fatalf("%+v, %v", res.Info, err)
	}
	if res := commit(t, tx); res.Info.Length != 4 {
		t.Errorf("length %d after the commit", res.Info.Length)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

var errRead = errors.New("reader failed")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errRead }

// TestPersistTellsCompletion: the transaction that made a resource complete
// in one of its commits says so in its last.
func TestPersistTellsCompletion(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	tx := begin(t, s, "/a", TxOptions{Persist: true})
	if _, err := tx.WriteFrom(strings.NewReader("0123"), 0, 4, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Persist(ctx); err != nil {
		t.Fatal(err)
	}
	if res := commit(t, tx); !res.Completed || !res.Created || !res.Changed {
		t.Errorf("%+v", res)
	}
	if res, err := patch(s, "/a", 0, 4, "0123"); err != nil || res.Completed || res.Created || res.Changed {
		t.Errorf("repeated: %+v, %v", res, err)
	}
	closeStore(t, s)
}

// TestIdenticalOverwrites: overwriting with what somebody else has committed
// since the transaction began is no new version.
func TestIdenticalOverwrites(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{FoldExtents: -1})
	put(t, s, "/a", "0123456789")
	first, second, third := begin(t, s, "/a", TxOptions{}), begin(t, s, "/a", TxOptions{}), begin(t, s, "/a", TxOptions{})
	write(t, first, 2, "same")
	write(t, second, 2, "same")
	write(t, third, 2, "2345") // as it was
	res := commit(t, first)
	if again := commit(t, second); again.Changed || again.Info.Version != res.Info.Version {
		t.Errorf("the second made a new version: %+v", again)
	}
	if back := commit(t, third); !back.Changed {
		t.Errorf("the third changed nothing: %+v", back)
	}
	if got := read(t, s, "/a"); got != "0123456789" {
		t.Errorf("got %q", got)
	}
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}

func TestWriteRejects(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{MaxLength: 1000, MaxRanges: 2})
	put(t, s, "/c", "0123456789")
	if _, err := patch(s, "/i", 4, 8, "EF"); err != nil {
		t.Fatal(err)
	}
	if _, err := patch(s, "/u", 0, -1, "ABCD"); err != nil {
		t.Fatal(err)
	}
	if _, err := patch(s, "/full", 0, 100, "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := patch(s, "/full", 10, 100, "b"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name        string
		off, length int64
		body        string
		want        error
	}{
		{"/c", 11, -1, "x", ErrNotAdjacent},
		{"/c", 9, 10, "xy", ErrLengthConflict},
		{"/c", 0, 11, "x", ErrLengthConflict},
		{"/c", 999, -1, "xy", ErrTooLarge},
		{"/c", 0, 1001, "x", ErrTooLarge},
		{"/i", 0, 9, "x", ErrLengthConflict},
		{"/i", 7, -1, "xy", ErrLengthConflict},
		{"/i", 4, -1, "EX", ErrRangeConflict},
		{"/i", 3, 8, "DX", ErrRangeConflict},
		{"/u", 5, -1, "x", ErrNotAdjacent},
		{"/u", 0, 3, "ABC", ErrLengthConflict},
		{"/u", 3, -1, "X", ErrRangeConflict},
		{"/new", 1, -1, "x", ErrNotAdjacent},
		{"/full", 20, -1, "c", ErrTooManyRanges},
	} {
		before, _ := s.Stat(ctx, tt.name)
		_, err := patch(s, tt.name, tt.off, tt.length, tt.body)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s %q at %d of %d: %v, want %v", tt.name, tt.body, tt.off, tt.length, err, tt.want)
		}
		if after, _ := s.Stat(ctx, tt.name); after != before {
			t.Errorf("%s %q at %d of %d: changed the state", tt.name, tt.body, tt.off, tt.length)
		}
	}
	s.files.janitor.drain()
	verifyStore(t, s)
	closeStore(t, s)
}

// TestAppendAndTruncate appends and sets the length in one commit: nothing
// stays beyond the end, also if the length is what it was before.
func TestAppendAndTruncate(t *testing.T) {
	for _, n := range []int64{4, 10, 12, 20} {
		fs := vfs.NewMem()
		s := openMem(t, fs, Options{})
		put(t, s, "/a", "0123456789")
		tx := begin(t, s, "/a", TxOptions{})
		write(t, tx, 8, "abcdefg")
		setLength(t, tx, n)
		commit(t, tx)
		verifyStore(t, s)
		closeStore(t, s)
		s = openMem(t, fs, Options{})
		if got, want := read(t, s, "/a"), ("01234567abcdefg" + strings.Repeat("\x00", 5))[:n]; got != want {
			t.Errorf("length %d: got %q, want %q", n, got, want)
		}
		closeStore(t, s)
	}
}

// TestWriteOfUnknownLength: it may begin behind a gap that other writes fill,
// and ends where bytes begin that the transaction has written.
func TestWriteOfUnknownLength(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	defer closeStore(t, s)
	tx := begin(t, s, "/a", TxOptions{})
	for _, w := range []struct {
		off, n int64
		body   string
		err    error
	}{
		{6, -1, "678", nil},
		{4, -1, "45xx", ErrRangeConflict},
		{7, -1, "x", ErrRangeConflict},
		{5, 1, "x", ErrRangeConflict},
		{0, -1, "0123", nil},
	} {
		if _, err := tx.WriteFrom(strings.NewReader(w.body), w.off, w.n, -1); !errors.Is(err, w.err) {
			t.Errorf("%q at %d: %v, want %v", w.body, w.off, err, w.err)
		}
	}
	commit(t, tx)
	if got := read(t, s, "/a"); got != "012345678" {
		t.Errorf("got %q", got)
	}
	verifyStore(t, s)
}
