package store

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// undone returns how many pages of a part of the file are not on the disk.
func undone(t *testing.T, f vfs.File, off, n int64) uint64 {
	t.Helper()
	var stat unix.Cachestat_t
	err := unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{Off: uint64(off), Len: uint64(n)}, &stat, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("the system does not tell: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return stat.Dirty + stat.Writeback
}

// TestSyncOwn: the bytes of a large write to a file that others write to are on the disk after its commit, with a sync of
// their own.
func TestSyncOwn(t *testing.T) {
	s, err := Open(t.TempDir(), &Options{Logger: quiet(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	const size = 3<<20 + 12345
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
	write := func(off int64) *Tx {
		tx, err := s.Begin(t.Context(), "a", TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.WriteFrom(bytes.NewReader(content), off, size, 4*size); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	if _, err := write(0).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, tx := write(2*size), write(size)
	defer other.Rollback()
	if len(tx.files) != 1 {
		t.Fatalf("%d files", len(tx.files))
	}
	for _, f := range tx.files {
		if f.own == nil || f.off != size || f.end != 2*size {
			t.Errorf("sync of its own: %v, for [%d,%d)", f.own != nil, f.off, f.end)
		}
		if undone(t, f.df.f, size, size) == 0 {
			t.Log("all was on the disk before")
		}
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := undone(t, f.df.f, size, size); n > 0 {
			t.Errorf("%d pages are not on the disk", n)
		}
	}
	if len(s.files.open) != 1 {
		t.Errorf("%d files are open", len(s.files.open))
	}
}

// unsyncedFile is a file whose sync fails.
type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Fd() uintptr     { return ^uintptr(0) >> 1 } // nothing to be mapped
func (unsyncedFile) SyncData() error { return syscall.EIO }

// TestSyncOwnFailure: an error of a sync of its own seals the file for all (invariant 7).
func TestSyncOwnFailure(t *testing.T) {
	s, err := Open(t.TempDir(), &Options{Logger: quiet(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	df, err := s.files.make()
	if err != nil {
		t.Fatal(err)
	}
	defer s.files.release(df)
	if s.files.openOwn(df) != nil {
		t.Error("a file whose entry is not durable is not synced as a whole")
	}
	if err := s.files.sync(df); err != nil {
		t.Fatal(err)
	}
	own := s.files.openOwn(df)
	if own == nil {
		t.Fatal("the file cannot be opened again")
	}
	defer own.Close()
	if err := s.files.syncOwn(df, own, 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := s.files.syncOwn(df, unsyncedFile{own}, 0, 1<<20); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a sync that fails: %v", err)
	}
	if err := s.files.syncOwn(df, own, 0, 1<<20); !errors.Is(err, ErrReadOnly) {
		t.Errorf("another one, after it: %v", err)
	}
}
