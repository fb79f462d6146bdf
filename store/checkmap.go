package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// checkNames verifies that every name leads to a record of that name.
func (c *checker) checkNames() error {
	return c.each(kindName, func(name, value []byte) error {
		fault := Fault{Kind: FaultMap, Name: string(name)}
		if len(value) != 16 {
			fault.Reason = fmt.Sprintf("the name leads to %x", value)
			c.fault(fault)
			return nil
		}
		fault.ID = ID(value)
		rec, err := loadRecord(c.snap, fault.ID)
		switch {
		case errors.Is(err, ErrCorrupt):
			fault.Reason = err.Error()
		case err != nil:
			return err
		case rec.name != string(name):
			fault.Reason = fmt.Sprintf("the name leads to %v, which has the name %q", rec.id, rec.name)
		default:
			return nil
		}
		c.fault(fault)
		return nil
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
	strays := func(before []byte) {
		for ; more && (before == nil || bytes.Compare(it.Key()[1:], before) < 0); more = it.Next() {
			c.contradiction("extent %x has no record", it.Key())
		}
	}
	err = c.each(kindRecord, func(key, value []byte) error {
		if len(key) != 16 {
			c.contradiction("record key %x", key)
			return nil
		}
		c.report.Resources++
		strays(key)
		rec, bad := decodeRecord(ID(key), value)
		if bad != nil {
			c.fault(Fault{Kind: FaultMap, ID: ID(key), Reason: bad.Error()})
		}
		st, end := &state{record: rec}, int64(0)
		for ; more && bytes.HasPrefix(it.Key()[1:], key); more = it.Next() {
			if bad != nil {
				continue // what the record has to say about them is not known
			}
			r, p, err := decodeExtent(it.Key(), it.Value())
			if err != nil {
				bad = err
				c.fault(Fault{Kind: FaultMap, Name: rec.name, ID: rec.id, Reason: err.Error()})
				continue
			}
			if r.Start < end {
				c.fault(Fault{Kind: FaultMap, Name: rec.name, ID: rec.id, Range: r, Reason: fmt.Sprintf("the extent begins below %d", end)})
			}
			end = r.End
			st.put(r, p)
		}
		if bad != nil {
			return nil
		}
		return c.checkResource(st.seal())
	})
	if err == nil {
		strays(nil)
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
		{rec.length < 0 && top > st.covered.Prefix() && !rec.suspect, "an island although the complete-length is unknown"},
		{rec.complete && !st.whole() && !rec.suspect, "complete with a hole"},
		{rec.complete && rec.mismatch, "complete with a digest that does not match"},
		{!rec.complete && st.whole() && len(rec.declared) == 0, "whole and not complete"},
		{rec.home == 0 && rec.homeHigh != 0, "an end of home bytes without a home"},
		{rec.home != 0 && st.files[rec.home] == 0, "a home that no extent names"},
		{rec.modified.Before(rec.created), "modified before it was created"},
		{rec.complete != (rec.idle == 0), fmt.Sprintf("complete %v, and idle since %d", rec.complete, rec.idle)},
	} {
		if rule.broken {
			c.fault(Fault{Kind: FaultMap, Name: rec.name, ID: rec.id, Reason: rule.what})
		}
	}
	if rec.complete && rec.suspect {
		for gap := range st.covered.Gaps(ranges.Range{End: rec.length}) {
			c.fault(Fault{Kind: FaultDamaged, Name: rec.name, ID: rec.id, Range: gap, Reason: "found before, and not read until it is written again"})
		}
	}
	ends := make(map[fileID]int64)
	inline := make(map[fileID]bool)
	for r, p := range st.extents.All() {
		fault := Fault{Kind: FaultMap, Name: rec.name, ID: rec.id, Range: r}
		if p.kind == placeZero {
			if !rec.complete {
				fault.Reason = "zeros in an incomplete resource"
				c.fault(fault)
			}
			continue
		}
		if p.kind == placeInline {
			inline[p.file] = true
			have, err := c.s.files.eachInline(c.snap, p.file, ranges.Range{Start: p.off, End: p.off + r.Len()}, func(int64, []byte) {})
			if err != nil {
				return err
			}
			if have < r.Len() {
				fault.Kind, fault.Reason = FaultMissing, fmt.Sprintf("%d of its bytes are not in the map", r.Len()-have)
				c.fault(fault)
			}
			continue
		}
		fault.File = dataPath(p.file)
		ends[p.file] = max(ends[p.file], p.off+r.Len())
		if p.file == rec.home && p.off+r.Len() > rec.homeHigh {
			fault.Reason = fmt.Sprintf("the extent ends above the committed home bytes, %d", rec.homeHigh)
			c.fault(fault)
		}
		if err := c.checkCovered(fault, p); err != nil {
			return err
		}
	}
	c.refs += int64(len(ends) + len(inline))
	for file := range inline {
		if _, err := c.checkRef(st, file); err != nil {
			return err
		}
	}
	short := make(map[fileID]badBytes)
	for file, end := range ends {
		bad, err := c.checkNamed(st, file, end)
		if err != nil {
			return err
		}
		if !bad.set.Empty() {
			short[file] = bad
		}
	}
	c.blame(st, short)
	return errors.Join(c.checkAwaiting(st), c.checkListed(st))
}

// checkCovered verifies that checksums cover the bytes of an extent, which
// begin at p. The fault describes it.
func (c *checker) checkCovered(fault Fault, p place) error {
	for want := (ranges.Range{Start: p.off, End: p.off + fault.Range.Len()}); !want.Empty(); {
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
			fault.Reason = fmt.Sprintf("no checksums for all of %v of the file", part)
			c.fault(fault)
			return nil
		}
		want.Start = part.End
	}
	return nil
}

// checkNamed verifies that a file which a resource names is there, as large
// as it has to be, and neither forgotten nor listed as garbage. It returns
// what is missing of the file.
func (c *checker) checkNamed(st *state, file fileID, end int64) (badBytes, error) {
	ref, err := c.checkRef(st, file)
	if err != nil {
		return badBytes{}, err
	}
	info, err := c.s.opts.FS.Stat(c.s.files.path(file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if now, err := has(c.s.db, fileKey(kindRef, file)); err != nil || !now && ref {
			return badBytes{}, err // removed since the snapshot
		}
		return badBytes{FaultMissing, ranges.NewSet(ranges.Range{End: end}), "the file does not exist"}, nil
	case err != nil:
		return badBytes{}, err
	case info.Size() < end:
		gone := ranges.NewSet(ranges.Range{Start: info.Size(), End: end})
		return badBytes{FaultMissing, gone, fmt.Sprintf("the file ends at %d", info.Size())}, nil
	}
	return badBytes{}, nil
}

// checkRef verifies that a file which a resource names is neither forgotten
// nor listed as garbage, and reports whether there is a reference.
func (c *checker) checkRef(st *state, file fileID) (bool, error) {
	ref, err := getFrom(c.snap, refKey(file, st.id))
	if err != nil {
		return false, err
	}
	garbage, err := getFrom(c.snap, fileKey(kindGarbage, file))
	if err != nil {
		return false, err
	}
	fault := Fault{Kind: FaultMap, Name: st.name, ID: st.id, File: dataPath(file)}
	switch {
	case ref == nil:
		fault.Reason = "the file is named without a reference"
	case garbage != nil:
		fault.Reason = "the file is named and listed as garbage"
	case file >= c.nextFile:
		fault.Reason = fmt.Sprintf("the file is named, but the next one is %s", dataPath(c.nextFile))
	}
	if fault.Reason != "" {
		c.fault(fault)
	}
	return ref != nil, nil
}

// checkAwaiting verifies that a resource is listed for its verdict if, and
// only if, it waits for one.
func (c *checker) checkAwaiting(st *state) error {
	v, err := getFrom(c.snap, idKey(kindVerify, st.id))
	if err == nil && (st.unverified() != (v != nil) || v != nil && string(v) != st.name) {
		c.fault(Fault{Kind: FaultMap, Name: st.name, ID: st.id,
			Reason: fmt.Sprintf("it is listed for its verdict as %q, unverified %v", v, st.unverified())})
	}
	return err
}

// checkListed verifies that a resource is listed as idle if its record says so.
func (c *checker) checkListed(st *state) error {
	if st.idle == 0 {
		return nil // checkIdle finds it if it is
	}
	v, err := getFrom(c.snap, idleKey(st.idle, st.id))
	if err == nil && (v == nil || string(v) != st.name) {
		c.fault(Fault{Kind: FaultMap, Name: st.name, ID: st.id, Reason: fmt.Sprintf("it is listed as idle as %q", v)})
	}
	return err
}

// checkRefs verifies that there are no references but those that
// checkResources found extents for.
func (c *checker) checkRefs() error {
	var refs int64
	err := c.each(kindRef, func(key, _ []byte) error {
		refs++
		if len(key) != 8+16 {
			c.contradiction("reference %x", key)
		}
		return nil
	})
	if err != nil || refs == c.refs && c.report.CheckCounts.Faults == 0 {
		return err
	}
	return c.each(kindRef, func(key, _ []byte) error {
		if len(key) != 8+16 {
			return nil
		}
		file, fault := fileID(binary.BigEndian.Uint64(key)), Fault{Kind: FaultMap, ID: ID(key[8:])}
		fault.File = dataPath(file)
		st, err := loadID(c.snap, fault.ID)
		switch {
		case errors.Is(err, ErrCorrupt):
			fault.Reason = "reference to the file: " + err.Error()
		case err != nil:
			return err
		case st.files[file] == 0:
			fault.Name, fault.Reason = st.name, "reference to the file, which it does not name"
		default:
			return nil
		}
		c.fault(fault)
		return nil
	})
}
