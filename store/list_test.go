package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/infill-http/infill/ranges"
)

func names(t testing.TB, s *Store, prefix, after string) (out []string) {
	t.Helper()
	for e, err := range s.List(ctx, prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		if (e.Info == nil) != (e.Name[len(e.Name)-1] == '/') || e.Info != nil && e.Info.Name != e.Name {
			t.Errorf("entry %+v", e)
		}
		out = append(out, e.Name)
	}
	return out
}

func TestList(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	for _, name := range []string{"/a", "/d.txt", "/d/1", "/d/2", "/d/e/3", "/d0", "/é", "/z"} {
		put(t, s, name, "x")
	}
	if _, err := patch(s, "/part", 1, 3, "x"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, tt := range []struct {
			prefix, after string
			want          []string
		}{
			{"/none/", "", nil},
			{"/", "/é", nil},
			{"/", "", []string{"/a", "/d.txt", "/d/", "/d0", "/part", "/z", "/é"}},
			{"/", "/d.txt", []string{"/d/", "/d0", "/part", "/z", "/é"}},
			{"/", "/d/", []string{"/d0", "/part", "/z", "/é"}},
			{"/d/", "", []string{"/d/1", "/d/2", "/d/e/"}},
			{"/d/", "/d/1", []string{"/d/2", "/d/e/"}},
			{"/d/", "/a", []string{"/d/1", "/d/2", "/d/e/"}},
		} {
			if got := names(t, s, tt.prefix, tt.after); !slices.Equal(got, tt.want) {
				t.Errorf("%s after %s: %q, want %q", tt.prefix, tt.after, got, tt.want)
			}
		}
		closeStore(t, s) // the second time, nothing is in memory
		s = openMem(t, fs, Options{})
	}
	closeStore(t, s)
	for _, err := range s.List(ctx, "/", "") {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("list of a closed store: %v", err)
		}
	}
}

// TestListRaces lists while names come, go, and are replaced, with next to
// nothing cached: no entry is a fault.
func TestListRaces(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{CacheExtents: 1})
	put(t, s, "/stays", "x")
	done := make(chan bool)
	for i := range 2 {
		go func() {
			defer func() { done <- true }()
			for n := range 150 {
				name := fmt.Sprintf("/%d", (n+i)%4)
				if n%3 == 0 {
					if err := s.Delete(ctx, name, nil); err != nil && !errors.Is(err, ErrNotFound) {
						t.Error(err)
					}
					continue
				}
				if _, err := patch(s, name, int64(n%2), 2, "x"); err != nil && !errors.Is(err, ErrReplaced) {
					t.Error(err)
				}
			}
		}()
	}
	for running := 2; running > 0; {
		select {
		case <-done:
			running--
		default:
		}
		if got := names(t, s, "/", ""); !slices.Contains(got, "/stays") {
			t.Fatalf("got %q", got)
		}
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestListIncomplete compares entries of incomplete resources that nobody
// uses with what Stat tells of them.
func TestListIncomplete(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{InlineSize: 1, IncompleteMaxAge: time.Hour}
	s := openMem(t, fs, o)
	for name, parts := range map[string][]ranges.Range{
		"/island":  {{Start: 1, End: 2}, {Start: 5, End: 9}},
		"/prefix":  {{End: 4}, {Start: 4, End: 5}, {Start: 5, End: 7}, {Start: 8, End: 9}}, // in two files
		"/waiting": {{End: 10}},
	} {
		for _, r := range parts {
			tx := begin(t, s, name, TxOptions{})
			write(t, tx, r.Start, pattern(10)[r.Start:r.End])
			if err := errors.Join(tx.SetLength(10), tx.Declare(SHA256, sum256("other"))); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Commit(ctx); err != nil && !errors.Is(err, ErrDigestMismatch) {
				t.Fatal(err)
			}
		}
	}
	closeStore(t, s)
	s = openMem(t, fs, o)
	got, want := map[string]Info{}, map[string]Info{}
	for e, err := range s.List(ctx, "/", "") {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name] = *e.Info
	}
	for name := range got {
		info := *statOf(t, s, name)
		info.Received = ranges.NewSet(ranges.Range{End: info.Offset})
		want[name] = info
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 3 || got["/prefix"].Offset != 7 {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	closeStore(t, s)
}
