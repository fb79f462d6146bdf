package store

import (
	"bytes"
	"errors"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// failing lets every operation of a kind on data fail with err.
func failing(kind errorfs.OpKind, err error) func(errorfs.Op) error {
	return func(op errorfs.Op) error {
		if op.Kind == kind {
			return err
		}
		return nil
	}
}

// TestFaults injects one kind of fault into one write. The write fails, the
// state is as before, what was committed stays readable, and, if the fault was
// lack of space, the same write succeeds once that has passed.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  errorfs.OpKind
		err   error
		fresh bool // of a resource that is new, so that it needs a file
		want  error
	}{
		{"no space to write", errorfs.OpFileWriteAt, syscall.ENOSPC, false, ErrFull},
		{"quota", errorfs.OpFileWriteAt, syscall.EDQUOT, false, ErrFull},
		{"no space to sync", errorfs.OpFileSyncData, syscall.ENOSPC, false, ErrFull},
		{"no space to create", errorfs.OpCreate, syscall.ENOSPC, true, ErrFull},
		{"no space for the directory", errorfs.OpFileSync, syscall.ENOSPC, true, ErrFull},
		{"too many files", errorfs.OpOpen, syscall.EMFILE, false, syscall.EMFILE},
		{"write", errorfs.OpFileWriteAt, syscall.EIO, false, ErrReadOnly},
		{"sync", errorfs.OpFileSyncData, syscall.EIO, false, ErrReadOnly},
		{"create", errorfs.OpCreate, syscall.EIO, true, ErrReadOnly},
		{"sync of the directory", errorfs.OpFileSync, syscall.EIO, true, ErrReadOnly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem := vfs.NewMem()
			fs, h := hooked(mem)
			s := openMem(t, fs, Options{})
			put(t, s, "/other", "other")
			name, want := "/new", ErrNotFound
			if !tt.fresh {
				name, want = "/a", nil
				if _, err := patch(s, name, 0, 20, "01234"); err != nil {
					t.Fatal(err)
				}
			}
			before, err := s.Stat(ctx, name)
			if !errors.Is(err, want) {
				t.Fatal(err)
			}
			h.on(failing(tt.kind, tt.err))
			for range 2 {
				if _, err := patch(s, name, 10, 20, "abcde"); !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
			}
			h.on(nil)
			if after, err := s.Stat(ctx, name); after != before || !errors.Is(err, want) {
				t.Errorf("state %+v, was %+v", after, before)
			}
			if got := read(t, s, "/other"); got != "other" {
				t.Errorf("got %q", got)
			}
			_, err = patch(s, name, 10, 20, "abcde")
			if tt.want == ErrReadOnly {
				if !errors.Is(err, ErrReadOnly) || !errors.Is(s.Writable(), ErrReadOnly) {
					t.Errorf("after the fault: %v, writable: %v", err, s.Writable())
				}
				if err := s.Delete(ctx, "/other", nil); !errors.Is(err, ErrReadOnly) {
					t.Errorf("delete: %v", err)
				}
				if _, err := s.Copy(ctx, "/other", "/copy", nil, nil); !errors.Is(err, ErrReadOnly) {
					t.Errorf("copy: %v", err)
				}
			} else if err != nil {
				t.Errorf("after the fault: %v", err)
			}
			s.files.janitor.drain()
			verifyStore(t, s)
			closeStore(t, s)
			s = openMem(t, mem, Options{})
			if _, err := patch(s, name, 10, 20, "abcde"); err != nil {
				t.Errorf("after reopening: %v", err)
			}
			s.files.janitor.drain()
			verifyStore(t, s)
			closeStore(t, s)
		})
	}
}

// TestDirectorySyncFailure: a sync of a directory that fails may lose every
// entry made before it, and the next sync need not say so. What is
// acknowledged afterwards is there all the same.
func TestDirectorySyncFailure(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		fs := newFaultFS(vfs.NewCrashableMem(), fault{})
		s := openMem(t, fs, Options{})
		put(t, s, "/old", "old")
		var txs []*Tx
		for _, name := range []string{"/a", "/b"} {
			tx := begin(t, s, name, TxOptions{Create: true})
			write(t, tx, 0, name)
			setLength(t, tx, 2)
			txs = append(txs, tx)
		}
		fs.begin(fault{opClass: opClass{"data", "syncdir"}, err: cause, drop: true})
		for _, tx := range txs {
			if _, err := tx.Commit(ctx); !errors.Is(err, ErrFull) {
				t.Errorf("%v: commit: %v", cause, err)
			}
		}
		fs.heal()
		put(t, s, "/a", "again")
		image, err := fs.image(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = openMem(t, image, Options{})
		s.files.janitor.drain()
		for name, want := range map[string]string{"/old": "old", "/a": "again"} {
			if got := read(t, s, name); got != want {
				t.Errorf("%v: %s is %q, want %q", cause, name, got, want)
			}
		}
		verifyStore(t, s)
		closeStore(t, s)
	}
}

// TestFreeSpaceFloor: below the floor writes are refused and deletions are not.
func TestFreeSpaceFloor(t *testing.T) {
	mem := vfs.NewMem()
	s, err := Open("store", &Options{FS: mem, Logger: quiet(), MinFree: 1000})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a", "0123")
	tx := begin(t, s, "/a", TxOptions{})
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 999, TotalBytes: 10000})
	if _, err := s.Begin(ctx, "/b", TxOptions{}); !errors.Is(err, ErrFull) {
		t.Errorf("begin: %v", err)
	}
	if _, err := tx.WriteFrom(bytes.NewReader([]byte("x")), 0, 1, -1); !errors.Is(err, ErrFull) {
		t.Errorf("write: %v", err)
	}
	tx.Rollback()
	if _, err := s.Copy(ctx, "/a", "/b", nil, nil); !errors.Is(err, ErrFull) {
		t.Errorf("copy: %v", err)
	}
	if err := s.Delete(ctx, "/a", nil); err != nil {
		t.Errorf("delete: %v", err)
	}
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1000, TotalBytes: 10000})
	put(t, s, "/b", "0123")
	closeStore(t, s)
}
