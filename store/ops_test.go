package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

func TestRelocateRejects(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	defer s.Close()
	put(t, s, "/a", "0123")
	if _, err := patch(s, "/part", 2, 4, "x"); err != nil {
		t.Fatal(err)
	}
	refuse := errors.New("refused")
	no := func(cur, own *Info) error { return refuse }
	for _, tt := range []struct {
		name, from, to string
		cond, dest     Cond
		want           error
	}{
		{"same name", "/a", "/a", nil, nil, ErrSameName},
		{"absent", "/x", "/b", nil, nil, ErrNotFound},
		{"incomplete", "/part", "/b", nil, nil, ErrIncomplete},
		{"condition", "/a", "/b", no, nil, refuse},
		{"condition on the destination", "/a", "/part", nil, no, refuse},
	} {
		if _, err := s.Move(ctx, tt.from, tt.to, tt.cond, tt.dest); !errors.Is(err, tt.want) {
			t.Errorf("move, %s: %v", tt.name, err)
		}
		if _, err := s.Copy(ctx, tt.from, tt.to, tt.cond, tt.dest); !errors.Is(err, tt.want) {
			t.Errorf("copy, %s: %v", tt.name, err)
		}
	}
	verifyStore(t, s)
}

// TestRelocateBaseRange: a move or copy writes no range, so none is told as
// that of the last commit, before and after a restart.
func TestRelocateBaseRange(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	put(t, s, "/a", "0123")
	if _, err := patch(s, "/a", 1, -1, "xy"); err != nil {
		t.Fatal(err)
	}
	for _, op := range []func() (Result, error){
		func() (Result, error) { return s.Copy(ctx, "/a", "/b", nil, nil) },
		func() (Result, error) { return s.Move(ctx, "/a", "/c", nil, nil) },
	} {
		res, err := op()
		if err != nil || res.Info.BaseRange != (ranges.Range{}) {
			t.Errorf("%v, %v", res.Info.BaseRange, err)
		}
	}
	closeStore(t, s)
}

// TestRelocateCrosswise swaps names from both sides at once: there is an
// order of slots, so nobody waits for ever.
func TestRelocateCrosswise(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", "0123")
	done := make(chan bool)
	for _, names := range [][2]string{{"/a", "/b"}, {"/b", "/a"}} {
		go func() {
			for range 200 {
				if _, err := s.Move(ctx, names[0], names[1], nil, nil); err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
			done <- true
		}()
	}
	<-done
	<-done
	verifyStore(t, s)
	closeStore(t, s)
}

// TestMoveThereAndBack: a transaction fails although the resource has its
// name back when it commits.
func TestMoveThereAndBack(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", "0123")
	early, late := begin(t, s, "/a", TxOptions{}), begin(t, s, "/a", TxOptions{})
	write(t, early, 0, "x")
	for _, names := range [][2]string{{"/a", "/b"}, {"/b", "/a"}} {
		if _, err := s.Move(ctx, names[0], names[1], nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := early.Commit(ctx); !errors.Is(err, ErrReplaced) {
		t.Errorf("commit: %v", err)
	}
	if _, err := late.WriteFrom(strings.NewReader("x"), 4, 1, -1); !errors.Is(err, ErrReplaced) {
		t.Errorf("write: %v", err)
	}
	late.Rollback()
	verifyStore(t, s)
	closeStore(t, s)
}
