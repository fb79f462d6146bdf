package store

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tryOpen opens a store and closes it again.
func tryOpen(fs vfs.FS, d Durability) error {
	s, err := Open("store", &Options{FS: fs, Logger: quiet(), MinFree: -1, Durability: d})
	if err != nil {
		return err
	}
	return s.Close()
}

// TestUnclean: once a store without durability was not closed cleanly, no
// later use without durability makes it trustworthy again.
func TestUnclean(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openMem(t, mem, Options{Durability: DurabilityNone})
	put(t, s, "/a", "0123")
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	closeStore(t, s)
	if err := tryOpen(mem, DurabilitySync); err != nil {
		t.Errorf("closed cleanly: %v", err)
	}
	if err := tryOpen(crashed, DurabilitySync); !errors.Is(err, ErrUnclean) {
		t.Errorf("not closed: %v", err)
	}
	if err := tryOpen(crashed, DurabilityNone); err != nil {
		t.Errorf("without durability: %v", err)
	}
	if err := tryOpen(crashed, DurabilitySync); !errors.Is(err, ErrUnclean) {
		t.Errorf("not closed once, then closed cleanly: %v", err)
	}
}

// TestCleanCloseIsDurable: closing a store without durability syncs it.
func TestCleanCloseIsDurable(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := openMem(t, mem, Options{Durability: DurabilityNone})
	put(t, s, "/a", "0123")
	closeStore(t, s)
	s = openMem(t, mem.CrashClone(vfs.CrashCloneCfg{}), Options{})
	if got := read(t, s, "/a"); got != "0123" {
		t.Errorf("got %q", got)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header func(v []byte) []byte
		want   error
	}{
		{"newer", func(v []byte) []byte { binary.BigEndian.PutUint32(v, formatVersion+1); return v }, ErrFormat},
		{"newer and longer", func(v []byte) []byte { binary.BigEndian.PutUint32(v, 1<<20); return append(v, 1) }, ErrFormat},
		{"short", func(v []byte) []byte { return v[:3] }, ErrCorrupt},
		{"cut", func(v []byte) []byte { return v[:10] }, ErrCorrupt},
		{"as it is", func(v []byte) []byte { return v }, nil},
	} {
		fs := vfs.NewMem()
		s := openMem(t, fs, Options{})
		v, err := s.get([]byte{kindHeader})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.db.Set([]byte{kindHeader}, tt.header(v), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		for range 2 { // a store that was refused is closed again
			if err := tryOpen(fs, DurabilitySync); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
	}
}

func TestLocked(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	if err := tryOpen(fs, DurabilitySync); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	closeStore(t, s)
	if err := tryOpen(fs, DurabilitySync); err != nil {
		t.Errorf("after the other closed it: %v", err)
	}
}

// TestDeepDirectory: the directories above a new store are durable too.
func TestDeepDirectory(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s, err := Open("some/where/store", &Options{FS: mem, Logger: quiet(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a", "0123")
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	closeStore(t, s)
	s, err = Open("some/where/store", &Options{FS: crashed, Logger: quiet(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "/a"); got != "0123" {
		t.Errorf("got %q", got)
	}
	closeStore(t, s)
}
