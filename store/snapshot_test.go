package store

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

func TestSnapshotRead(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", "0123456789")
	if _, err := patch(s, "/a", 3, -1, "abc"); err != nil {
		t.Fatal(err)
	}
	sn, err := s.Snapshot(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		off  int64
		n    int
		want string
		err  error
	}{
		{10, 1, "", io.EOF},
		{math.MaxInt64, 1, "", io.EOF},
		{8, 5, "89", io.EOF},
		{0, 0, "", nil},
		{2, 5, "2abc6", nil},
	} {
		b := make([]byte, tt.n)
		n, err := sn.ReadAt(b, tt.off)
		if string(b[:n]) != tt.want || err != tt.err {
			t.Errorf("%d bytes at %d: %q, %v", tt.n, tt.off, b[:n], err)
		}
	}
	if _, err := sn.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read below 0")
	}
	for _, r := range []ranges.Range{{Start: -1, End: 1}, {Start: 0, End: 11}} {
		if _, err := sn.WriteRange(io.Discard, r); err == nil {
			t.Errorf("wrote %v", r)
		}
	}
	if err := iotest.TestReader(io.NewSectionReader(sn, 0, 10), []byte("012abc6789")); err != nil {
		t.Error(err)
	}
	sn.Close()
	closeStore(t, s)
}

// TestSnapshotOfDamagedFile: a file that is too short is a fault, not a short read.
func TestSnapshotOfDamagedFile(t *testing.T) {
	for _, fs := range []vfs.FS{vfs.NewMem(), DiskFS} {
		dir := "store"
		if fs == DiskFS {
			dir = t.TempDir()
		}
		s, err := Open(dir, &Options{FS: fs, MinFree: -1, MaxOpenFiles: -1, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "/a", strings.Repeat("0123456789", 10_000))
		sn, err := s.Snapshot(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if n, err := sn.WriteRange(&b, ranges.Range{Start: 5, End: 100_000}); n != 99_995 || err != nil || b.Len() != 99_995 {
			t.Errorf("%d, %v", n, err)
		}
		f, err := fs.Create(s.files.path(sn.st.home), dataCategory)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		sn.Close()
		if sn, err = s.Snapshot(ctx, "/a"); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		if _, err := sn.WriteRange(&b, ranges.Range{End: 10}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("write of damaged bytes: %v", err)
		}
		sn.Close()
		closeStore(t, s)
	}
}
