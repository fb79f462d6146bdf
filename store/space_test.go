package store

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestSpaceGivesUpFiles overwrites all of a resource while transactions that
// have not written yet keep its space alive: the files that nothing names any
// more are removed, and later writes must not go to them.
func TestSpaceGivesUpFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		drop func(t *testing.T, s *Store)
	}{
		{"overwritten", func(t *testing.T, s *Store) {
			if _, err := patch(s, "/a", 0, -1, "ABCDEFGHIJ"); err != nil {
				t.Fatal(err)
			}
		}},
		{"truncated", func(t *testing.T, s *Store) {
			tx := begin(t, s, "/a", TxOptions{})
			setLength(t, tx, 0)
			commit(t, tx)
			tx = begin(t, s, "/a", TxOptions{})
			setLength(t, tx, 10)
			commit(t, tx)
		}},
	} {
		for _, overlay := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				s := openMem(t, vfs.NewMem(), Options{FoldExtents: -1})
				put(t, s, "/a", "0123456789")
				if overlay {
					if _, err := patch(s, "/a", 0, -1, "9876543210"); err != nil {
						t.Fatal(err)
					}
				}
				before := begin(t, s, "/a", TxOptions{})
				tt.drop(t, s)
				idle := begin(t, s, "/a", TxOptions{})
				before.Rollback() // what it began on is no longer pinned
				s.files.janitor.drain()
				if _, err := patch(s, "/a", 10, -1, "tail"); err != nil {
					t.Fatal(err)
				}
				write(t, idle, 2, "xyz")
				commit(t, idle)
				s.files.janitor.drain()
				verifyStore(t, s)
				got := read(t, s, "/a")
				if got[2:5] != "xyz" || got[10:] != "tail" {
					t.Errorf("got %q", got)
				}
				closeStore(t, s)
			})
		}
	}
}

// TestSpaceOfFleetingResource: a resource that is created and deleted within
// one batch takes its space with it; those who come later start anew.
func TestSpaceOfFleetingResource(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	other := begin(t, s, "/a", TxOptions{})
	sl := other.sl
	sl.queue.enter(&ticket{alone: true})
	sl.queue.take()
	done := make(chan error)
	go func() {
		_, err := patch(s, "/a", 0, 4, "ab")
		done <- err
	}()
	sl.queue.await(1)
	go func() { done <- s.Delete(ctx, "/a", nil) }()
	sl.queue.await(2)
	sl.queue.leave()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	res, err := patch(s, "/a", 0, 4, "cd")
	if err != nil || !res.Created || res.Info.Revision != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	if _, err := other.WriteFrom(nil, 0, 0, -1); err != nil {
		t.Error(err)
	}
	if _, err := other.Commit(ctx); !errors.Is(err, ErrReplaced) {
		t.Errorf("commit to the deleted resource: %v", err)
	}
	closeStore(t, s)
}

// TestSealedFileStaysSealed: a file whose sync failed is not written again by
// this process, even if nobody had it open meanwhile (invariant 7).
func TestSealedFileStaysSealed(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{CacheExtents: 1})
	if _, err := patch(s, "/a", 0, 20, "01234"); err != nil {
		t.Fatal(err)
	}
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			return syscall.ENOSPC
		}
		return nil
	})
	if _, err := patch(s, "/a", 5, 20, "56789"); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	h.on(nil)
	put(t, s, "/other", "x") // so that the slot of /a is not in memory
	res, err := patch(s, "/a", 5, 20, "abcde")
	if err != nil {
		t.Fatal(err)
	}
	st := s.slots["/a"]
	if st == nil {
		sl, err := s.acquire(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		defer s.release(sl)
		st = sl
	}
	if n := len(st.pub.Load().files); n != 2 {
		t.Errorf("%d files for %v, want another after the failed sync", n, res.Info.Received)
	}
	if got := read(t, s, "/a"); got != "01234abcde" {
		t.Errorf("got %q", got)
	}
	verifyStore(t, s)
}

// TestSpaceWhileCreated writes to a resource between the commit that makes it
// and the sync of that commit.
func TestSpaceWhileCreated(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{})
	first, second := begin(t, s, "/a", TxOptions{}), begin(t, s, "/a", TxOptions{})
	setLength(t, first, 8)
	write(t, first, 0, "0123")
	write(t, second, 6, "6") // so that the file is there
	b := newBarrier()
	h.onMap(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync {
			b.stop()
		}
		return nil
	})
	done := make(chan error)
	go func() { _, err := first.Commit(ctx); done <- err }()
	<-b.reached
	if _, err := second.WriteFrom(strings.NewReader("45"), 4, 2, -1); err != nil {
		t.Error(err)
	}
	close(b.lifted)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if res := commit(t, second); res.Info.Received.String() != "[0,7)" {
		t.Errorf("%v", res.Info.Received)
	}
	verifyStore(t, s)
	closeStore(t, s)
}
