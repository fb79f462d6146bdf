package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

var ctx = context.Background()

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func openMem(t testing.TB, fs vfs.FS, o Options) *Store {
	t.Helper()
	o.FS, o.MinFree = fs, -1
	def(&o.InlineSize, -1) // bytes in files are what most tests are about
	if o.Logger == nil {
		o.Logger = quiet()
	}
	s, err := Open("store", &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, name, body string) Result {
	t.Helper()
	tx, err := s.Begin(ctx, name, TxOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.WriteFrom(bytes.NewReader([]byte(body)), 0, -1, -1); err != nil {
		t.Fatal(err)
	}
	if err := tx.SetLength(int64(len(body))); err != nil {
		t.Fatal(err)
	}
	res, err := tx.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func patch(s *Store, name string, off, length int64, body string) (Result, error) {
	tx, err := s.Begin(ctx, name, TxOptions{})
	if err != nil {
		return Result{}, err
	}
	defer tx.Rollback()
	if _, err := tx.WriteFrom(bytes.NewReader([]byte(body)), off, int64(len(body)), length); err != nil {
		return Result{}, err
	}
	return tx.Commit(ctx)
}

func read(t testing.TB, s *Store, name string) string {
	t.Helper()
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	defer sn.Close()
	var b bytes.Buffer
	if _, err := sn.WriteRange(&b, ranges.Range{End: sn.Info().Size()}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSmoke(t *testing.T) {
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	put(t, s, "/a", "0123456789")
	if got := read(t, s, "/a"); got != "0123456789" {
		t.Fatalf("got %q", got)
	}
	res, err := patch(s, "/b", 6, 8, "GH")
	if err != nil || !res.Created || res.Info.Received.String() != "[6,8)" {
		t.Fatal(res, err)
	}
	res, err = patch(s, "/b", 0, -1, "ABCDEF")
	if err != nil || !res.Completed {
		t.Fatal(res, err)
	}
	if _, err := patch(s, "/a", 11, -1, "x"); !errors.Is(err, ErrNotAdjacent) {
		t.Fatal(err)
	}
	if res, err = patch(s, "/a", 2, -1, "wxyz"); err != nil {
		t.Fatal(err)
	}
	rev := res.Info.Revision
	if res, err = patch(s, "/a", 2, -1, "wxyz"); err != nil || res.Info.Revision != rev {
		t.Fatal(res.Info.Revision, rev, err)
	}
	if _, err := s.Move(ctx, "/a", "/c", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Copy(ctx, "/c", "/b", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "/c", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openMem(t, fs, Options{})
	if got := read(t, s, "/b"); got != "01wxyz6789" {
		t.Fatalf("got %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
