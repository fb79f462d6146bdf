package store

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tree returns the content of all files below dir.
func tree(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			maps.Copy(all, tree(t, fs, path))
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, info.Size())
		if err := readFull(f, b, 0); err != nil && len(b) > 0 {
			t.Fatal(err)
		}
		f.Close()
		all[path] = string(b)
	}
	return all
}

// TestReadOnlyAbsent opens what is no store, and expects that it stays none.
func TestReadOnlyAbsent(t *testing.T) {
	for _, have := range []string{"", "store", "store/map"} {
		fs := vfs.NewMem()
		if err := fs.MkdirAll(have, 0o755); err != nil {
			t.Fatal(err)
		}
		s, err := Open("store", &Options{FS: fs, ReadOnly: true, Logger: quiet()})
		if !errors.Is(err, ErrFormat) {
			t.Errorf("with %q: store %v, error %v", have, s, err)
		}
		if _, err := fs.Stat("store/map"); (err == nil) != (have == "store/map") {
			t.Errorf("with %q: the directory of the map: %v", have, err)
		}
	}
}

// awaitVerdict makes a complete resource one that waits for its verdict.
func awaitVerdict(t testing.TB, s *Store, name string) {
	t.Helper()
	rec := s.slots[name].pub.Load().record
	rec.complete, rec.idle = false, 5
	rec.declared = map[Algorithm][]byte{SHA256: make([]byte, 32)}
	b := s.db.NewBatch()
	b.Set(idKey(kindRecord, rec.id), rec.encode(), nil)
	b.Set(idKey(kindVerify, rec.id), []byte(name), nil)
	b.Set(idleKey(rec.idle, rec.id), []byte(name), nil)
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
}

// TestReadOnly opens a store that did not close, with garbage and with a
// digest that waits for its verdict: it is left as it is, is read and takes
// no writes.
func TestReadOnly(t *testing.T) {
	for _, d := range []Durability{DurabilitySync, DurabilityNone} {
		mem := vfs.NewCrashableMem()
		s := openMem(t, mem, Options{Durability: d})
		put(t, s, "/a", "0123456789")
		put(t, s, "/b", "0123456789")
		awaitVerdict(t, s, "/b")
		garbage, err := s.files.make()
		if err != nil {
			t.Fatal(err)
		}
		s.files.release(garbage)
		if err := s.files.syncDir(dirOf(garbage.id)); err != nil {
			t.Fatal(err)
		}
		fs := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
		closeStore(t, s)

		before := tree(t, fs, "store")
		var log bytes.Buffer
		s = openMem(t, fs, Options{ReadOnly: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		report, err := s.Check(ctx, CheckOptions{Data: true})
		if err != nil || len(report.Faults) > 0 || report.Files != 3 || report.Unclean != (d == DurabilityNone) {
			t.Errorf("durability %d: report %+v, error %v", d, report, err)
		}
		if got := read(t, s, "/a"); got != "0123456789" {
			t.Errorf("durability %d: read %q", d, got)
		}
		sl, err := s.acquire(ctx, "/b")
		if err != nil {
			t.Fatal(err)
		}
		<-s.verifyLater(sl).done
		if info := describe(sl.pub.Load()); !info.Unverified {
			t.Errorf("durability %d: %+v", d, info)
		}
		s.release(sl)
		if _, err := s.Begin(ctx, "/c", TxOptions{Create: true}); !errors.Is(err, ErrReadOnly) {
			t.Errorf("durability %d: begin: %v", d, err)
		}
		if err := s.Delete(ctx, "/a", nil); !errors.Is(err, ErrReadOnly) {
			t.Errorf("durability %d: delete: %v", d, err)
		}
		s.files.janitor.drain()
		closeStore(t, s)
		if strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("durability %d: something was tried in the background:\n%s", d, &log)
		}
		after := tree(t, fs, "store")
		for path := range after {
			if before[path] != after[path] {
				t.Errorf("durability %d: %s changed", d, path)
			}
		}
		if len(before) != len(after) {
			t.Errorf("durability %d: %d files, now %d", d, len(before), len(after))
		}
	}
}
