package store

import (
	"errors"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// pipedFile has the descriptor of a pipe, which has no write-back.
type pipedFile struct {
	vfs.File
	pipe *os.File
}

func (f pipedFile) Fd() uintptr { return f.pipe.Fd() }

// TestPushFailure: an error of early write-back counts as one of a sync.
func TestPushFailure(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s, err := Open(t.TempDir(), &Options{Logger: quiet(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	df, err := s.files.make()
	if err != nil {
		t.Fatal(err)
	}
	df.f = pipedFile{df.f, w}
	if err := s.files.push(df, 0, pushSize); !errors.Is(err, ErrReadOnly) {
		t.Errorf("push: %v", err)
	}
	if err := s.files.sync(df); !errors.Is(err, ErrReadOnly) {
		t.Errorf("sync after it: %v", err)
	}
	if err := s.Writable(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("the store: %v", err)
	}
	s.files.release(df)
	closeStore(t, s)
}
