package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/infill-http/infill/ranges"
)

// flip changes the byte at off of a file.
func flip(t testing.TB, fs vfs.FS, path string, off int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, dataCategory)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// cutFile leaves the first n bytes of a file.
func cutFile(t testing.TB, fs vfs.FS, path string, n int64) {
	t.Helper()
	old, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := old.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	f, err := fs.Create(path, dataCategory)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(old.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// overwrite writes to a complete resource.
func overwrite(t testing.TB, s *Store, name string, off int64, body string) {
	t.Helper()
	tx := begin(t, s, name, TxOptions{})
	write(t, tx, off, body)
	commit(t, tx)
}

// stripped returns the faults without ids, which are random, and reasons.
func stripped(faults []Fault) []Fault {
	var out []Fault
	for _, f := range faults {
		f.ID, f.Reason = ID{}, ""
		out = append(out, f)
	}
	return out
}

// sorted returns the faults in the order of names and ranges.
func sorted(faults []Fault) []Fault {
	return slices.SortedFunc(slices.Values(faults), func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Range.Start, b.Range.Start))
	})
}

// TestCheckDamage damages data files and expects the ranges of the resources.
// /a has 200,000 bytes, of which [100,200) were overwritten; /b is a copy of
// it. Both name the file 1 but for these bytes, which are at 0 in the file 2.
func TestCheckDamage(t *testing.T) {
	const size, home, over = 200_000, fileID(1), fileID(2)
	fault := func(kind FaultKind, name string, start, end int64, file fileID) Fault {
		return Fault{Kind: kind, Name: name, Range: ranges.Range{Start: start, End: end}, File: dataPath(file)}
	}
	// both returns the faults of the copies, in the order of the two ids.
	both := func(kind FaultKind, file fileID, rs ...ranges.Range) (faults []Fault) {
		for _, name := range []string{"/a", "/b"} {
			for _, r := range rs {
				faults = append(faults, fault(kind, name, r.Start, r.End, file))
			}
		}
		return faults
	}
	flipAt := func(file fileID, offs ...int64) func(testing.TB, *Store, *hook) {
		return func(t testing.TB, s *Store, _ *hook) {
			for _, off := range offs {
				flip(t, s.opts.FS, s.files.path(file), off)
			}
		}
	}
	tests := []struct {
		name    string
		breakIt func(testing.TB, *Store, *hook)
		mapOnly []Fault // found without reading data
		want    []Fault // found with data
	}{
		{"none", flipAt(home), nil, nil},
		{"one byte", flipAt(home, 70_000), nil, both(FaultDamaged, home, ranges.Range{Start: 65536, End: 131072})},
		{"first of a block", flipAt(home, 65536), nil, both(FaultDamaged, home, ranges.Range{Start: 65536, End: 131072})},
		{"last of a block", flipAt(home, 65535), nil, both(FaultDamaged, home, ranges.Range{End: 100}, ranges.Range{Start: 200, End: 65536})},
		{"neighbours", flipAt(home, 70_000, 140_000), nil, both(FaultDamaged, home, ranges.Range{Start: 65536, End: 196608})},
		{"apart", flipAt(home, 199_999, 70_000), nil, both(FaultDamaged, home, ranges.Range{Start: 65536, End: 131072}, ranges.Range{Start: 196608, End: size})},
		{"overlay", flipAt(over, 99), nil, both(FaultDamaged, over, ranges.Range{Start: 100, End: 200})},
		{"cut", func(t testing.TB, s *Store, _ *hook) { cutFile(t, s.opts.FS, s.files.path(home), 131072) },
			both(FaultMissing, home, ranges.Range{Start: 131072, End: size}),
			both(FaultMissing, home, ranges.Range{Start: 131072, End: size})},
		{"cut in a block", func(t testing.TB, s *Store, _ *hook) { cutFile(t, s.opts.FS, s.files.path(home), 70_000) },
			both(FaultMissing, home, ranges.Range{Start: 70_000, End: size}),
			append(both(FaultMissing, home, ranges.Range{Start: 70_000, End: size}),
				both(FaultDamaged, home, ranges.Range{Start: 65536, End: 70_000})...)},
		{"removed", func(t testing.TB, s *Store, _ *hook) { s.opts.FS.Remove(s.files.path(home)) },
			both(FaultMissing, home, ranges.Range{End: 100}, ranges.Range{Start: 200, End: size}),
			both(FaultMissing, home, ranges.Range{End: 100}, ranges.Range{Start: 200, End: size})},
		{"unreadable", func(_ testing.TB, s *Store, h *hook) {
			h.on(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileReadAt && op.Path == s.files.path(home) && op.Offset == 65536 {
					return syscall.EIO
				}
				return nil
			})
		}, nil, both(FaultUnreadable, home, ranges.Range{Start: 65536, End: 131072})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fs, h := hooked(vfs.NewMem())
			s := openMem(t, fs, Options{FoldExtents: -1})
			defer s.Close()
			put(t, s, "/a", strings.Repeat("x", size))
			overwrite(t, s, "/a", 100, strings.Repeat("y", 100))
			if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
				t.Fatal(err)
			}
			tt.breakIt(t, s, h)
			for _, data := range []bool{false, true} {
				report, err := s.Check(ctx, CheckOptions{Data: data})
				if err != nil {
					t.Fatal(err)
				}
				want := tt.want
				if !data {
					want = tt.mapOnly
				}
				got := stripped(report.Faults)
				if diff := gocmp.Diff(sorted(want), sorted(got)); diff != "" {
					t.Errorf("data %v (-want +got):\n%s", data, diff)
				}
				if report.CheckCounts.Faults != int64(len(want)) || report.Resources != 2 {
					t.Errorf("data %v: counts %+v", data, report.CheckCounts)
				}
				if data && report.TotalBytes > 0 && tt.name == "none" && report.Bytes != report.TotalBytes {
					t.Errorf("read %d of %d bytes", report.Bytes, report.TotalBytes)
				}
			}
		})
	}
}

// TestCheckDead damages bytes that no resource names any more.
func TestCheckDead(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{FoldExtents: -1})
	defer s.Close()
	put(t, s, "/a", strings.Repeat("x", 3*crcBlock))
	overwrite(t, s, "/a", crcBlock, strings.Repeat("y", crcBlock))
	flip(t, s.opts.FS, s.files.path(1), crcBlock)
	report, err := s.Check(ctx, CheckOptions{Data: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) != 1 || report.Faults[0].Name != "" || !report.Faults[0].Range.Empty() ||
		!strings.Contains(report.Faults[0].Reason, "65536 in [65536,131072) that no resource names") {
		t.Errorf("got %v", report.Faults)
	}
}

func TestCheckBounds(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	defer s.Close()
	put(t, s, "/a", strings.Repeat("x", 6*crcBlock))
	for _, block := range []int64{0, 2, 4} {
		flip(t, s.opts.FS, s.files.path(1), block*crcBlock)
	}
	var last CheckCounts
	report, err := s.Check(ctx, CheckOptions{Data: true, MaxFaults: 2, Progress: func(c CheckCounts) {
		if c.Bytes < last.Bytes || c.Bytes > c.TotalBytes {
			t.Errorf("progress from %+v to %+v", last, c)
		}
		last = c
	}})
	if err != nil || report.CheckCounts.Faults != 3 || len(report.Faults) != 2 {
		t.Errorf("%d of %d faults: %v", len(report.Faults), report.CheckCounts.Faults, err)
	}
	if last.Bytes != 6*crcBlock || last.TotalBytes != last.Bytes || last.Files != 1 {
		t.Errorf("last progress %+v", last)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Check(done, CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled check: %v", err)
	}
}

func TestCheckClosed(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(ctx, CheckOptions{}); err != ErrClosed {
		t.Errorf("got %v", err)
	}
}

func TestFaultString(t *testing.T) {
	id := ID{1}
	for _, tt := range []struct {
		fault Fault
		want  string
	}{
		{Fault{Kind: FaultMap, Reason: "why"}, "map: why"},
		{Fault{Kind: FaultStray, File: "data/00/x", Reason: "why"}, "stray: data/00/x: why"},
		{Fault{Kind: FaultMap, ID: id, Reason: "why"}, "map: " + id.String() + ": why"},
		{Fault{Kind: FaultMap, Name: "/a", ID: id, File: "data/00/x", Reason: "why"}, `map: "/a" in data/00/x: why`},
		{Fault{Kind: FaultDamaged, Name: "/a\n", Range: ranges.Range{Start: 1, End: 2}, File: "f", Reason: "why"}, `damaged: "/a\n" [1,2) in f: why`},
	} {
		if got := tt.fault.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
