package store

import (
	"errors"
	"strings"
	"testing"
)

// TestFileTooLarge: an offset that the file system cannot reach is the fault
// of the write alone; the store goes on.
func TestFileTooLarge(t *testing.T) {
	s, err := Open(t.TempDir(), &Options{Logger: quiet(), MinFree: -1, MaxLength: 1 << 62, InlineSize: -1})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(ctx, "/a", TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const far = 1 << 61 // no file system of today has such files
	if _, err := tx.WriteFrom(strings.NewReader("x"), far, 1, far+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("write at 2^61: %v", err)
	}
	tx.Rollback()
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
	put(t, s, "/b", "0123")
	if got := read(t, s, "/b"); got != "0123" {
		t.Errorf("got %q", got)
	}
	closeStore(t, s)
}
