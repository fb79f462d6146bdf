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
