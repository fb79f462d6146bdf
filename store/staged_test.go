package store

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/ranges"
)

// TestReadStaged reads what a transaction staged in every kind of place, and bytes that were there before.
func TestReadStaged(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{BufferSize: 4 << 10})
	content := bytes.Repeat([]byte("0123456789"), 3000)
	tx, err := s.Begin(t.Context(), "a", TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []ranges.Range{{Start: 100, End: 120}, {Start: 20000, End: 30000}} {
		if _, err := tx.WriteFrom(bytes.NewReader(content[r.Start:r.End]), r.Start, r.Len(), 30000); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}

	tx, err = s.Begin(t.Context(), "a", TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.WriteFrom(bytes.NewReader(content), 0, -1, -1); err != nil {
		t.Fatal(err)
	}
	for _, r := range []ranges.Range{{Start: 0, End: 30000}, {Start: 99, End: 121}, {Start: 110, End: 25000}, {Start: 7, End: 7}} {
		var got bytes.Buffer
		if err := tx.ReadStaged(&got, r); err != nil || !bytes.Equal(got.Bytes(), content[r.Start:r.End]) {
			t.Errorf("%v: %d bytes that are not those, or %v", r, got.Len(), err)
		}
	}
	if err := tx.ReadStaged(io.Discard, ranges.Range{Start: 29999, End: 30001}); err != io.ErrUnexpectedEOF {
		t.Errorf("beyond what is staged: %v", err)
	}
	stop := errors.New("stop")
	r, w := io.Pipe()
	r.CloseWithError(stop)
	if err := tx.ReadStaged(w, ranges.Range{End: 10}); err != stop {
		t.Errorf("error of the writer: %v", err)
	}
}
