package store

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A hook sees every operation on a file system before it is done, and may
// fail it or hold it up.
type hook struct {
	mu sync.Mutex
	f  func(errorfs.Op) error // nil: nothing happens
	m  func(errorfs.Op) error // the same for files of the map
}

// on calls f from now on, for operations on data files and their directories.
func (h *hook) on(f func(errorfs.Op) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.f = f
}

// onMap calls f from now on, for operations on the files of the map.
func (h *hook) onMap(f func(errorfs.Op) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.m = f
}

func (h *hook) MaybeError(op errorfs.Op) error {
	h.mu.Lock()
	f := h.f
	if strings.HasPrefix(op.Path, "store/map") {
		f = h.m
	}
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op)
}

func (h *hook) String() string { return "hook" }

func hooked(fs vfs.FS) (vfs.FS, *hook) {
	h := new(hook)
	return errorfs.Wrap(fs, h), h
}

// A barrier stops whoever comes first until it is lifted; others pass.
type barrier struct {
	taken   atomic.Bool
	reached chan struct{}
	lifted  chan struct{}
}

func newBarrier() *barrier {
	return &barrier{reached: make(chan struct{}), lifted: make(chan struct{})}
}

func (b *barrier) stop() {
	if b.taken.CompareAndSwap(false, true) {
		close(b.reached)
		<-b.lifted
	}
}

// begin is Begin for tests that expect it to succeed.
func begin(t testing.TB, s *Store, name string, o TxOptions) *Tx {
	t.Helper()
	tx, err := s.Begin(ctx, name, o)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// write is WriteFrom of a string, for tests that expect it to succeed.
func write(t testing.TB, tx *Tx, off int64, body string) {
	t.Helper()
	if _, err := tx.WriteFrom(strings.NewReader(body), off, int64(len(body)), -1); err != nil {
		t.Fatal(err)
	}
}

func setLength(t testing.TB, tx *Tx, n int64) {
	t.Helper()
	if err := tx.SetLength(n); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, tx *Tx) Result {
	t.Helper()
	res, err := tx.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
