package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// check joins what is wrong with the store, each fault as an ErrCorrupt.
func (s *Store) check(ctx context.Context, data bool) error {
	report, err := s.Check(ctx, CheckOptions{Data: data})
	if err != nil {
		return err
	}
	var faults []error
	for _, f := range report.Faults {
		faults = append(faults, fmt.Errorf("%w: %v", ErrCorrupt, f))
	}
	return errors.Join(faults...)
}

// dataFiles returns the ids of all data files, and of the inline files.
func dataFiles(s *Store) ([]fileID, error) {
	var all []fileID
	for d := range s.files.dirs {
		ids, foreign, err := s.files.list(d)
		if err != nil || len(foreign) > 0 {
			return nil, fmt.Errorf("files %q in directory %02x (%w)", foreign, d, err)
		}
		all = append(all, ids...)
	}
	err := s.scan(kindInline, func(key, _ []byte) {
		if id := fileID(binary.BigEndian.Uint64(key[1:])); !slices.Contains(all, id) {
			all = append(all, id)
		}
	})
	return all, err
}

// verifyStore is verify for tests that expect nothing to be wrong.
func verifyStore(t testing.TB, s *Store) {
	t.Helper()
	if err := verify(s); err != nil {
		t.Fatal(err)
	}
}

// verify checks everything, and that what is published in memory is what the
// map holds. Nothing may be in flight.
func verify(s *Store) error {
	if err := s.check(ctx, true); err != nil {
		return err
	}
	s.mu.Lock()
	slots := maps.Clone(s.slots)
	s.mu.Unlock()
	for name, sl := range slots {
		stored, err := s.loadName(name)
		if err != nil {
			return err
		}
		pub := sl.pub.Load()
		if got, want := dumpState(stored), dumpState(pub); got != want {
			return fmt.Errorf("%s: the map holds\n%s, published is\n%s", name, got, want)
		}
	}
	return nil
}

// dumpState describes a state in full, with files under their numbers.
func dumpState(st *state) string {
	if st == nil {
		return "absent"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %d %q %+v complete=%v mismatch=%v base=%v%v home=%d<%d epoch=%d idle=%d %v", st.id, st.revision, st.name,
		st.meta, st.complete, st.mismatch, st.base, st.baseRange, st.home, st.homeHigh, st.epoch, st.idle, st.modified.UnixMicro())
	for _, m := range []map[Algorithm][]byte{st.declared, st.known} {
		for _, alg := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, " %s=%x", alg, m[alg])
		}
	}
	fmt.Fprintf(&b, "\n%s of %d\n", st.covered, st.length)
	for r, p := range st.extents.All() {
		fmt.Fprintf(&b, "%v at %+v\n", r, p)
	}
	for _, f := range slices.Sorted(maps.Keys(st.files)) {
		fmt.Fprintf(&b, "file %d: %d\n", f, st.files[f])
	}
	return b.String()
}

// TestCheckFinds breaks one thing after the other and expects a fault.
func TestCheckFinds(t *testing.T) {
	set := func(key, value []byte) func(*Store, *pebble.Batch) {
		return func(_ *Store, b *pebble.Batch) { b.Set(key, value, nil) }
	}
	id := func(s *Store) ID { return s.slots["/a"].pub.Load().id }
	home := func(s *Store) fileID { return s.slots["/a"].pub.Load().home }
	edit := func(f func(*record)) func(*Store, *pebble.Batch) {
		return func(s *Store, b *pebble.Batch) {
			rec := s.slots["/a"].pub.Load().record
			f(&rec)
			b.Set(idKey(kindRecord, rec.id), rec.encode(), nil)
		}
	}
	extent := func(off, n, phys int64) func(*Store, *pebble.Batch) {
		return func(s *Store, b *pebble.Batch) {
			b.Set(extentKey(id(s), off), encodeExtent(n, place{placeFile, home(s), phys}), nil)
		}
	}
	var stray ID
	tests := []struct {
		name, fault string
		breakIt     func(*Store, *pebble.Batch)
	}{
		{"none", "", func(*Store, *pebble.Batch) {}},
		{"header", "header", set([]byte{kindHeader}, []byte{0})},
		{"next id", "next file id", set([]byte{kindNextID}, []byte{0})},
		{"next id too low", "the next one is", set([]byte{kindNextID}, fileKey(0, 1)[1:])},
		{"name of nothing", "no record", set(nameKey("/x"), stray[:])},
		{"bad name", "leads to", set(nameKey("/x"), []byte("short"))},
		{"second name", "which has the name", func(s *Store, b *pebble.Batch) { i := id(s); b.Set(nameKey("/x"), i[:], nil) }},
		{"no name", "does not lead to it", func(s *Store, b *pebble.Batch) { b.Delete(nameKey("/a"), nil) }},
		{"bad record", "record of", func(s *Store, b *pebble.Batch) { b.Set(idKey(kindRecord, id(s)), []byte{200}, nil) }},
		{"stray extent", "has no record", set(extentKey(stray, 0), encodeExtent(1, place{kind: placeZero}))},
		{"overlap", "begins below", extent(3, 2, 3)},
		{"bad extent", "extent", func(s *Store, b *pebble.Batch) { b.Set(extentKey(id(s), 10), []byte{9, 9}, nil) }},
		{"beyond the end", "beyond the complete-length", extent(10, 1, 0)},
		{"hole", "complete with a hole", edit(func(r *record) { r.length = 20 })},
		{"not complete", "whole and not complete", edit(func(r *record) { r.complete = false })},
		{"mismatch", "does not match", edit(func(r *record) { r.mismatch = true })},
		{"home bytes", "above the committed home bytes", edit(func(r *record) { r.homeHigh = 9 })},
		{"homeless", "without a home", edit(func(r *record) { r.home = 0 })},
		{"other home", "home that no extent names", edit(func(r *record) { r.home = 99 })},
		{"verdict", "listed for its verdict", func(s *Store, b *pebble.Batch) { b.Set(idKey(kindVerify, id(s)), []byte("/a"), nil) }},
		{"stray verdict", "has no record", set(idKey(kindVerify, stray), []byte("/a"))},
		{"stray progress", "has no record", set(idKey(kindHash, stray), nil)},
		{"not listed", "is listed as idle as", edit(func(r *record) { r.complete, r.length, r.idle = false, 20, 5 })},
		{"idle and complete", "complete true, and idle", edit(func(r *record) { r.idle = 5 })},
		{"incomplete, not idle", "complete false, and idle", edit(func(r *record) { r.complete, r.length = false, 20 })},
		{"stray idle", "listed as idle", set(idleKey(5, stray), []byte("/a"))},
		{"complete in the list", "listed as idle since 5", func(s *Store, b *pebble.Batch) { b.Set(idleKey(5, id(s)), []byte("/a"), nil) }},
		{"bad idle key", "idle key", set([]byte{kindIdle, 1}, nil)},
		{"no reference", "without a reference", func(s *Store, b *pebble.Batch) { b.Delete(refKey(home(s), id(s)), nil) }},
		{"stray reference", "reference to the file", func(s *Store, b *pebble.Batch) { b.Set(refKey(home(s), stray), nil, nil) }},
		{"garbage", "listed as garbage", func(s *Store, b *pebble.Batch) { b.Set(fileKey(kindGarbage, home(s)), nil, nil) }},
		{"no checksums", "no checksums", func(s *Store, b *pebble.Batch) { b.Delete(crcKey(home(s), 0), nil) }},
		{"bad checksums", "checksums of chunk", func(s *Store, b *pebble.Batch) { b.Set(crcKey(home(s), 0), []byte{1}, nil) }},
		{"wrong checksum", "do not have their checksums", func(s *Store, b *pebble.Batch) {
			b.Set(crcKey(home(s), 0), encodeCRC(0, crcPieces{{off: 0, n: 10, crc: 1}}), nil)
		}},
		{"stray checksums", "forgotten", set(crcKey(999, 0), nil)},
		{"lost file", "does not exist", func(s *Store, _ *pebble.Batch) { s.opts.FS.Remove(s.files.path(home(s))) }},
		{"short file", "ends at", func(s *Store, _ *pebble.Batch) {
			f, _ := s.opts.FS.Create(s.files.path(home(s)), dataCategory)
			f.Close()
		}},
		{"unlisted file", "neither named nor listed", func(s *Store, _ *pebble.Batch) {
			f, _ := s.opts.FS.Create(s.files.path(1<<30), dataCategory)
			f.Close()
		}},
		{"foreign file", "not the name of a data file", func(s *Store, _ *pebble.Batch) {
			f, _ := s.opts.FS.Create(s.files.dirPath(0)+"/x", dataCategory)
			f.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openMem(t, vfs.NewMem(), Options{})
			defer s.Close()
			put(t, s, "/a", "0123456789")
			b := s.db.NewBatch()
			tt.breakIt(s, b)
			if err := b.Commit(pebble.NoSync); err != nil {
				t.Fatal(err)
			}
			err := s.check(ctx, true)
			if tt.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.fault) {
				t.Fatalf("got %v, want one with %q", err, tt.fault)
			}
		})
	}
}
