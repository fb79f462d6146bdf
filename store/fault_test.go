package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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

// TestFaultSweep fails the first operation on data, then the second, and so
// on, until a whole life of a store goes by without a fault. Whatever was
// acknowledged is there, and nothing in between.
func TestFaultSweep(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		n := 0
		for failed := true; failed; n++ {
			mem := vfs.NewMem()
			fs, h := hooked(mem)
			s := openMem(t, fs, Options{FoldExtents: -1})
			var count atomic.Int64
			var hit atomic.Bool
			h.on(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
					return nil
				}
				if count.Add(1) == int64(n+1) {
					hit.Store(true)
					return fmt.Errorf("operation %d on %s: %w", op.Kind, op.Path, fault)
				}
				return nil
			})
			want := make(map[string]string)
			life(s, want)
			failed = hit.Load()
			h.on(nil)
			s.files.janitor.drain()
			if err := s.check(ctx, true); err != nil {
				t.Fatalf("%v at %d: %v", fault, n, err)
			}
			for round := range 2 {
				for _, name := range []string{"/a", "/b", "/c"} {
					got := "absent"
					if _, err := s.Stat(ctx, name); err == nil {
						got = read(t, s, name)
					}
					if w, ok := want[name]; !ok && got != "absent" || ok && got != w {
						t.Fatalf("%v at %d, round %d: %s is %q, want %q", fault, n, round, name, got, w)
					}
				}
				closeStore(t, s)
				if round == 0 {
					s = openMem(t, mem, Options{})
					s.files.janitor.drain()
					verifyStore(t, s)
				}
			}
		}
		if n < 8 {
			t.Errorf("only %d operations with %v", n, fault)
		}
	}
}

// life does a bit of everything and notes in want what was acknowledged.
func life(s *Store, want map[string]string) {
	overlay := func(name string, off int64, body string, length int64) {
		if _, err := patch(s, name, off, length, body); err == nil {
			b := []byte(want[name])
			b = append(b, make([]byte, max(0, int(off)+len(body)-len(b)))...)
			copy(b[off:], body)
			want[name] = string(b)
		}
	}
	overlay("/a", 0, "0123", 8)
	if want["/a"] != "" {
		overlay("/a", 4, "4567", -1)
	}
	if len(want["/a"]) == 8 {
		overlay("/a", 2, "xyz", -1)
		if _, err := s.Copy(ctx, "/a", "/b", nil, nil); err == nil {
			want["/b"] = want["/a"]
		}
	}
	if len(want["/b"]) == 8 {
		overlay("/b", 6, "tail", -1)
		if s.Delete(ctx, "/a", nil) == nil {
			delete(want, "/a")
		}
	}
	tx, err := s.Begin(ctx, "/c", TxOptions{Create: true})
	if err != nil {
		return
	}
	defer tx.Rollback()
	body := strings.Repeat("0123456789abcdef", 1000)
	if _, err := tx.WriteFrom(strings.NewReader(body), 0, -1, int64(len(body))); err != nil {
		return
	}
	if _, err := tx.Commit(ctx); err == nil {
		want["/c"] = body
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
