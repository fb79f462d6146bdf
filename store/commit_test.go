package store

import (
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestSharedFileNamedAgain: of two resources that share a file, one drops it
// while a transaction on the other, which had dropped it before, names it
// again. Whoever is published last, the file stays.
func TestSharedFileNamedAgain(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{FoldExtents: -1})
	for range 50 {
		put(t, s, "/a", "0123456789")
		if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, s, "/b", TxOptions{})
		write(t, tx, 0, "0123456789") // staged as what is there
		file := tx.base.extents
		if _, err := patch(s, "/b", 0, -1, "abcdefghij"); err != nil {
			t.Fatal(err)
		}
		// Both batches are in the map before either is durable.
		b := newBarrier()
		h.onMap(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync {
				b.stop()
			}
			return nil
		})
		done := make(chan error)
		go func() { done <- s.Delete(ctx, "/a", nil) }()
		<-b.reached
		go func() { _, err := tx.Commit(ctx); done <- err }()
		_, p, _ := file.First()
		for ref := []byte(nil); ref == nil; runtime.Gosched() {
			var err error
			if ref, err = s.get(refKey(p.file, tx.sp.id)); err != nil {
				t.Fatal(err)
			}
		}
		close(b.lifted)
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		h.onMap(nil)
		s.files.janitor.drain()
		if got := read(t, s, "/b"); got != "0123456789" {
			t.Fatalf("got %q", got)
		}
		verifyStore(t, s)
	}
	closeStore(t, s)
}

// TestDroppedFileStaysUntilPublished: while the deletion of a resource is in
// the map and not published, the resource can be read, although the deletion
// of its copy finds that nothing refers to their file any more.
func TestDroppedFileStaysUntilPublished(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{FoldExtents: -1})
	defer closeStore(t, s)
	put(t, s, "/a", "0123456789")
	if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err != nil {
		t.Fatal(err)
	}
	sl, err := s.acquire(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	defer s.release(sl)
	st := sl.pub.Load()

	sl.mu.Lock() // so nothing is published
	done := make(chan error)
	go func() { done <- s.Delete(ctx, "/a", nil) }()
	for there := true; there; runtime.Gosched() {
		if there, err = has(s.db, refKey(st.home, st.id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(ctx, "/b", nil); err != nil {
		t.Error(err)
	}
	s.files.janitor.drain()
	got := make([]byte, st.length)
	if err := s.readPlace(place{placeFile, st.home, 0}, got); err != nil || string(got) != "0123456789" {
		t.Errorf("got %q, %v", got, err)
	}
	sl.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.files.janitor.drain()
	if n := dataBytes(t, s); n > 0 {
		t.Errorf("%d bytes are left in files", n)
	}
}
