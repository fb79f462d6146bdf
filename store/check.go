package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// maxFindings is how many faults a check collects before it gives up.
const maxFindings = 100

// A checker compares everything in the map with everything else and with the
// files, at one moment: it sees a snapshot of the map. Its memory does not
// grow with the store, but with the extents of the largest resource.
type checker struct {
	s        *Store
	ctx      context.Context
	data     bool // read the files and compare the checksums
	snap     *pebble.Snapshot
	nextFile fileID
	refs     int64 // pairs of file and resource that extents name
	found    []error

	// The chunk of checksums that was looked at last.
	file   fileID
	chunk  int64
	pieces ranges.Set
}

// check verifies invariants 3 and 8, that every committed byte of a file has
// a checksum, and that nothing in the map is left over; with data, also that
// the bytes have the checksums (invariant 1). It returns all faults, joined,
// each an ErrCorrupt. The store may be in use meanwhile.
func (s *Store) check(ctx context.Context, data bool) error {
	c := checker{s: s, ctx: ctx, data: data, chunk: -1}
	// A file is listed in the map before it is made, so what the directories
	// show now, a later snapshot of the map accounts for.
	listed, err := c.listFiles()
	if err != nil {
		return err
	}
	c.snap = s.db.NewSnapshot()
	defer c.snap.Close()
	for _, step := range []func() error{
		c.checkHeader, c.checkNames, c.checkResources, c.checkRefs, c.checkSums, c.checkVerdicts,
		func() error { return c.checkFiles(listed) },
	} {
		if err := step(); err != nil {
			return errors.Join(append(c.found, err)...)
		}
	}
	return errors.Join(c.found...)
}

var errTooManyFindings = errors.New("too many faults, the check stops here")

// fault notes what is wrong.
func (c *checker) fault(format string, args ...any) error {
	c.found = append(c.found, fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...)))
	if len(c.found) >= maxFindings {
		return errTooManyFindings
	}
	return nil
}

// each calls f with the keys of a kind, without the kind, and their values.
func (c *checker) each(kind byte, f func(key, value []byte) error) error {
	it, err := c.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if err := errors.Join(c.ctx.Err(), f(it.Key()[1:], it.Value())); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

// has reports whether the map has a key that begins with prefix.
func has(r pebble.Reader, prefix []byte) (bool, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return false, err
	}
	ok := it.First()
	return ok, it.Close()
}

func (c *checker) checkHeader() error {
	v, err := getFrom(c.snap, []byte{kindHeader})
	if err != nil {
		return err
	}
	if len(v) < 4 || binary.BigEndian.Uint32(v) != formatVersion {
		return c.fault("header %x", v)
	}
	c.nextFile = 1
	next, err := getFrom(c.snap, []byte{kindNextID})
	if err != nil {
		return err
	}
	if len(next) == 8 {
		c.nextFile = fileID(binary.BigEndian.Uint64(next))
	} else if next != nil {
		return c.fault("next file id %x", next)
	}
	return nil
}

// checkNames verifies that every name leads to a record of that name.
func (c *checker) checkNames() error {
	return c.each(kindName, func(name, value []byte) error {
		if len(value) != 16 {
			return c.fault("name %q leads to %x", name, value)
		}
		rec, err := loadRecord(c.snap, ID(value))
		switch {
		case errors.Is(err, ErrCorrupt):
			return c.fault("name %q: %w", name, err)
		case err == nil && rec.name != string(name):
			return c.fault("name %q leads to %v, which has the name %q", name, rec.id, rec.name)
		}
		return err
	})
}

// checkResources goes through the records and the extents side by side: both
// are in the order of ids.
func (c *checker) checkResources() error {
	it, err := c.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{kindExtent}, UpperBound: []byte{kindExtent + 1}})
	if err != nil {
		return err
	}
	more := it.First()
	strays := func(before []byte) error {
		for ; more && (before == nil || bytes.Compare(it.Key()[1:], before) < 0); more = it.Next() {
			if err := c.fault("extent %x has no record", it.Key()); err != nil {
				return err
			}
		}
		return nil
	}
	err = c.each(kindRecord, func(key, value []byte) error {
		if len(key) != 16 {
			return c.fault("record key %x", key)
		}
		if err := strays(key); err != nil {
			return err
		}
		rec, err := decodeRecord(ID(key), value)
		if err != nil {
			return c.fault("%w", err)
		}
		st, end := &state{record: rec}, int64(0)
		for ; more && bytes.HasPrefix(it.Key()[1:], key); more = it.Next() {
			r, p, err := decodeExtent(it.Key(), it.Value())
			if err != nil {
				return c.fault("%w", err)
			}
			if r.Start < end {
				if err := c.fault("extent %v of %v begins below %d", r, rec.id, end); err != nil {
					return err
				}
			}
			end = r.End
			st.put(r, p)
		}
		return c.checkResource(st.seal())
	})
	if err == nil {
		err = strays(nil)
	}
	return errors.Join(err, it.Error(), it.Close())
}

// checkResource verifies what has to hold for one resource.
func (c *checker) checkResource(st *state) error {
	rec := &st.record
	name, err := getFrom(c.snap, nameKey(rec.name))
	if err != nil {
		return err
	}
	top := st.covered.Bounds().End
	for _, rule := range []struct {
		broken bool
		what   string
	}{
		{!bytes.Equal(name, rec.id[:]), "its name does not lead to it"},
		{rec.length >= 0 && top > rec.length, "an extent ends beyond the complete-length"},
		{rec.length < 0 && st.covered.Len() > 1, "an island although the complete-length is unknown"},
		{rec.length < 0 && top > st.covered.Prefix(), "an island although the complete-length is unknown"},
		{rec.complete && !st.whole(), "complete with a hole"},
		{rec.complete && rec.mismatch, "complete with a digest that does not match"},
		{!rec.complete && st.whole() && len(rec.declared) == 0, "whole and not complete"},
		{rec.home == 0 && rec.homeHigh != 0, "an end of home bytes without a home"},
		{rec.home != 0 && st.files[rec.home] == 0, "a home that no extent names"},
		{rec.modified.Before(rec.created), "modified before it was created"},
	} {
		if rule.broken {
			if err := c.fault("%v (%q): %s", rec.id, rec.name, rule.what); err != nil {
				return err
			}
		}
	}
	ends := make(map[fileID]int64)
	for r, p := range st.extents.All() {
		if p.kind != placeFile {
			if !rec.complete {
				if err := c.fault("%v: zeros %v in an incomplete resource", rec.id, r); err != nil {
					return err
				}
			}
			continue
		}
		ends[p.file] = max(ends[p.file], p.off+r.Len())
		if p.file == rec.home && p.off+r.Len() > rec.homeHigh {
			if err := c.fault("%v: extent %v ends above the committed home bytes, %d", rec.id, r, rec.homeHigh); err != nil {
				return err
			}
		}
		if err := c.checkCovered(rec.id, r, p); err != nil {
			return err
		}
	}
	c.refs += int64(len(ends))
	for file, end := range ends {
		if err := c.checkNamed(rec.id, file, end); err != nil {
			return err
		}
	}
	return c.checkAwaiting(st)
}

// checkCovered verifies that checksums cover the bytes of an extent.
func (c *checker) checkCovered(id ID, r ranges.Range, p place) error {
	for want := (ranges.Range{Start: p.off, End: p.off + r.Len()}); !want.Empty(); {
		chunk := want.Start / crcChunk
		if c.file != p.file || c.chunk != chunk {
			v, err := getFrom(c.snap, crcKey(p.file, chunk))
			if err != nil {
				return err
			}
			pieces, err := decodeCRC(chunk, v)
			if err != nil {
				return nil // checkSums says so
			}
			c.file, c.chunk, c.pieces = p.file, chunk, ranges.Set{}
			for _, piece := range pieces {
				c.pieces.Add(ranges.Range{Start: piece.off, End: piece.end()})
			}
		}
		part := ranges.Range{Start: want.Start, End: min(want.End, (chunk+1)*crcChunk)}
		if !c.pieces.Covers(part) {
			return c.fault("%v: extent %v: no checksums for all of %v of file %d", id, r, part, p.file)
		}
		want.Start = part.End
	}
	return nil
}

// checkNamed verifies that a file which a resource names is there, as large
// as it has to be, and neither forgotten nor listed as garbage.
func (c *checker) checkNamed(id ID, file fileID, end int64) error {
	ref, err := getFrom(c.snap, refKey(file, id))
	if err != nil {
		return err
	}
	garbage, err := getFrom(c.snap, fileKey(kindGarbage, file))
	if err != nil {
		return err
	}
	switch {
	case ref == nil:
		return c.fault("%v names file %d without a reference", id, file)
	case garbage != nil:
		return c.fault("%v names file %d, which is listed as garbage", id, file)
	case file == 0 || file >= c.nextFile:
		return c.fault("%v names file %d, the next one is %d", id, file, c.nextFile)
	}
	info, err := c.s.opts.FS.Stat(c.s.files.path(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if now, err := has(c.s.db, fileKey(kindRef, file)); err != nil || !now {
			return err // removed since the snapshot
		}
		return c.fault("%v names file %d, which does not exist", id, file)
	case err == nil && info.Size() < end:
		return c.fault("%v: file %d ends at %d, not at %d", id, file, info.Size(), end)
	}
	return err
}

// checkAwaiting verifies that a resource is listed for its verdict if, and
// only if, it waits for one.
func (c *checker) checkAwaiting(st *state) error {
	v, err := getFrom(c.snap, idKey(kindVerify, st.id))
	switch {
	case err != nil:
		return err
	case st.unverified() != (v != nil), v != nil && string(v) != st.name:
		return c.fault("%v (%q) is listed for its verdict as %q, unverified %v", st.id, st.name, v, st.unverified())
	}
	return nil
}

// checkRefs verifies that there are no references but those that
// checkResources found extents for.
func (c *checker) checkRefs() error {
	var refs int64
	err := c.each(kindRef, func(key, _ []byte) error {
		refs++
		if len(key) != 8+16 {
			return c.fault("reference %x", key)
		}
		return nil
	})
	if err != nil || refs == c.refs || len(c.found) > 0 {
		return err
	}
	return c.each(kindRef, func(key, _ []byte) error {
		id, file := ID(key[8:]), fileID(binary.BigEndian.Uint64(key))
		st, err := loadID(c.snap, id)
		switch {
		case errors.Is(err, ErrCorrupt):
			return c.fault("reference to file %d: %w", file, err)
		case err == nil && st.files[file] == 0:
			return c.fault("reference of %v to file %d, which it does not name", id, file)
		}
		return err
	})
}

// checkSums verifies that checksums are of files that exist and, with data,
// that they are those of the bytes.
func (c *checker) checkSums() error {
	var file fileID
	var named bool
	return c.each(kindCRC, func(key, value []byte) error {
		if len(key) != 8+8 {
			return c.fault("checksum key %x", key)
		}
		if id := fileID(binary.BigEndian.Uint64(key)); id != file {
			file = id
			var err error
			if named, err = has(c.snap, fileKey(kindRef, file)); err != nil {
				return err
			}
			garbage, err := getFrom(c.snap, fileKey(kindGarbage, file))
			if err != nil {
				return err
			}
			if !named && garbage == nil {
				if err := c.fault("checksums of file %d, which is forgotten", file); err != nil {
					return err
				}
			}
		}
		chunk := int64(binary.BigEndian.Uint64(key[8:]))
		pieces, err := decodeCRC(chunk, value)
		if err != nil {
			return c.fault("file %d: %w", file, err)
		}
		if !c.data || !named {
			return nil
		}
		return c.checkBytes(file, pieces)
	})
}

// checkBytes compares bytes of a file with their checksums.
func (c *checker) checkBytes(file fileID, pieces crcPieces) error {
	b := make([]byte, crcBlock)
	for _, p := range pieces {
		err := c.s.readPlace(place{kind: placeFile, file: file, off: p.off}, b[:p.n])
		switch sum := crc32.Checksum(b[:p.n], castagnoli); {
		case errors.Is(err, ErrCorrupt):
			if now, err := has(c.s.db, fileKey(kindRef, file)); err != nil || !now {
				return err // removed since the snapshot
			}
			return c.fault("file %d: %w", file, err)
		case err != nil:
			return err
		case sum != p.crc:
			if err := c.fault("file %d: bytes [%d,%d) have the checksum %08x, not %08x", file, p.off, p.end(), sum, p.crc); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkVerdicts verifies that what is noted about digests belongs to records.
func (c *checker) checkVerdicts() error {
	for _, kind := range []byte{kindHash, kindVerify} {
		if err := c.each(kind, func(key, _ []byte) error {
			if len(key) != 16 {
				return c.fault("key %c%x", kind, key)
			}
			rec, err := getFrom(c.snap, idKey(kindRecord, ID(key)))
			if err == nil && rec == nil {
				return c.fault("key %c%x has no record", kind, key)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// listFiles returns the ids of the data files.
func (c *checker) listFiles() ([]fileID, error) {
	var ids []fileID
	for d := range c.s.files.dirs {
		names, err := c.s.opts.FS.List(c.s.files.dirPath(d))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			id, err := strconv.ParseUint(name, 16, 64)
			if err != nil || c.s.files.path(fileID(id)) != filepath.Join(c.s.files.dirPath(d), name) {
				if err := c.fault("file %s in directory %02x", name, d); err != nil {
					return nil, errors.Join(c.found...)
				}
				continue
			}
			ids = append(ids, fileID(id))
		}
	}
	return ids, nil
}

// checkFiles verifies that every file is named or listed as garbage (invariant 8).
func (c *checker) checkFiles(ids []fileID) error {
	for _, id := range ids {
		named, err := has(c.snap, fileKey(kindRef, id))
		if err != nil {
			return err
		}
		garbage, err := getFrom(c.snap, fileKey(kindGarbage, id))
		if err != nil {
			return err
		}
		if named || garbage != nil {
			continue
		}
		if _, err := c.s.opts.FS.Stat(c.s.files.path(id)); errors.Is(err, fs.ErrNotExist) {
			continue // removed since the list was made
		}
		if err := c.fault("file %d is neither named nor listed as garbage", id); err != nil {
			return err
		}
	}
	return nil
}
