package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// badBytes are physical ranges of one file that have the same fault.
type badBytes struct {
	kind   FaultKind
	set    ranges.Set
	reason string
}

// blame notes the faults of files as faults of the ranges that st has there,
// in logical order and as few as possible. It returns the physical ranges that
// st names.
func (c *checker) blame(st *state, bad map[fileID]badBytes) ranges.Set {
	var named ranges.Set
	var fault Fault
	for r, p := range st.extents.All() {
		b, ok := bad[p.file]
		if p.kind != placeFile || !ok {
			continue
		}
		for part := range b.set.Within(ranges.Range{Start: p.off, End: p.off + r.Len()}) {
			named.Add(part)
			next := Fault{Kind: b.kind, Name: st.name, ID: st.id, File: dataPath(p.file), Reason: b.reason}
			next.Range = ranges.Range{Start: r.Start + part.Start - p.off, End: r.Start + part.End - p.off}
			if fault.File == next.File && fault.Range.End == next.Range.Start {
				fault.Range.End = next.Range.End
				continue
			}
			if !fault.Range.Empty() {
				c.fault(fault)
			}
			fault = next
		}
	}
	if !fault.Range.Empty() {
		c.fault(fault)
	}
	return named
}

// checkSums verifies that checksums are of files that exist, and counts the
// bytes that they are of.
func (c *checker) checkSums() error {
	return c.each(kindCRC, func(key, value []byte) error {
		if len(key) != 8+8 {
			c.contradiction("checksum key %x", key)
			return nil
		}
		if file := fileID(binary.BigEndian.Uint64(key)); file != c.summed {
			named, garbage, err := known(c.snap, file)
			if err != nil {
				return err
			}
			if !named && !garbage {
				c.fault(Fault{Kind: FaultMap, File: dataPath(file), Reason: "checksums of a file that is forgotten"})
			}
			c.summed, c.named = file, named
		}
		pieces, err := decodeCRC(int64(binary.BigEndian.Uint64(key[8:])), value)
		if err != nil {
			c.fault(Fault{Kind: FaultMap, File: dataPath(c.summed), Reason: err.Error()})
		}
		if c.named && c.opts.Data {
			for _, p := range pieces {
				c.report.TotalBytes += p.n
			}
		}
		return nil
	})
}

// checkInline verifies that bytes in the map are of files that exist.
func (c *checker) checkInline() error {
	var last fileID
	return c.each(kindInline, func(key, _ []byte) error {
		if len(key) != 8+8 {
			c.contradiction("inline key %x", key)
			return nil
		}
		file := fileID(binary.BigEndian.Uint64(key))
		if file == last {
			return nil
		}
		last = file
		named, garbage, err := known(c.snap, file)
		if err == nil && !named && !garbage {
			c.contradiction("bytes of inline file %d, which is forgotten", file)
		}
		return err
	})
}

// checkFiles verifies that every file is named or listed as garbage (invariant 8).
func (c *checker) checkFiles() error {
	for d := range c.s.files.dirs {
		if err := errors.Join(c.ctx.Err(), c.checkDir(d)); err != nil {
			return err
		}
		c.progress()
	}
	return nil
}

func (c *checker) checkDir(d int) error {
	ids, foreign, err := c.s.files.list(d)
	if errors.Is(err, fs.ErrNotExist) {
		c.fault(Fault{Kind: FaultMissing, File: dataDir(d), Reason: "the directory does not exist"})
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range foreign {
		c.fault(Fault{Kind: FaultStray, File: path.Join(dataDir(d), name), Reason: "not the name of a data file of this directory"})
	}
	c.report.Files += int64(len(ids))
	// A file is listed in the map before it is made, so what the directory
	// showed, a later snapshot of the map accounts for.
	snap := c.s.db.NewSnapshot()
	defer snap.Close()
	for _, id := range ids {
		named, garbage, err := known(snap, id)
		if err != nil {
			return err
		}
		if named || garbage {
			continue
		}
		if _, err := c.s.opts.FS.Stat(c.s.files.path(id)); errors.Is(err, fs.ErrNotExist) {
			continue // removed since the list was made
		}
		c.fault(Fault{Kind: FaultStray, File: dataPath(id), Reason: "the file is neither named nor listed as garbage"})
	}
	return nil
}

// list returns what is in a directory of data files: the ids of those, and the
// names of others.
func (fl *files) list(d int) (ids []fileID, foreign []string, err error) {
	names, err := fl.fs.List(fl.dirPath(d))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		id, err := strconv.ParseUint(name, 16, 64)
		if err != nil || fl.path(fileID(id)) != filepath.Join(fl.dirPath(d), name) {
			foreign = append(foreign, name)
			continue
		}
		ids = append(ids, fileID(id))
	}
	return ids, foreign, nil
}

// maxBadRanges is how many separate bad ranges of a file a check collects
// before it looks for the resources that name them.
const maxBadRanges = 4096

// checkData compares the bytes of files with their checksums, file by file.
func (c *checker) checkData() error {
	if !c.opts.Data {
		return nil
	}
	b := make([]byte, crcBlock)
	err := c.each(kindCRC, func(key, value []byte) error {
		if len(key) != 8+8 {
			return nil
		}
		if file := fileID(binary.BigEndian.Uint64(key)); file != c.reading {
			if err := c.openData(file); err != nil {
				return err
			}
		}
		pieces, err := decodeCRC(int64(binary.BigEndian.Uint64(key[8:])), value)
		if err != nil || c.data == nil {
			return nil // noted before
		}
		for _, p := range pieces {
			c.checkPiece(p, b[:p.n])
		}
		if c.damaged.Len()+c.unreadable.Len() > maxBadRanges {
			return c.blameFile()
		}
		return nil
	})
	if err != nil {
		if c.data != nil {
			c.data.Close()
		}
		return err
	}
	return c.closeData()
}

// openData goes on to the next file. A file that no extent names is not read,
// nor is one that does not exist, which was noted before or is no fault.
func (c *checker) openData(file fileID) error {
	if err := c.closeData(); err != nil {
		return err
	}
	c.reading = file
	named, err := has(c.snap, fileKey(kindRef, file))
	if err != nil || !named {
		return err
	}
	f, err := c.s.files.openRead(file)
	if errors.Is(err, ErrCorrupt) {
		return nil
	}
	c.data = f
	return err
}

// closeData ends the reading of a file.
func (c *checker) closeData() error {
	if c.data == nil {
		return nil
	}
	err := c.blameFile()
	c.data.Close()
	c.data = nil
	return err
}

// checkPiece reads a piece into b and compares its checksum.
func (c *checker) checkPiece(p crcPiece, b []byte) {
	c.report.Bytes += p.n
	piece := ranges.Range{Start: p.off, End: p.end()}
	forget(c.data, p.off, p.n)
	err := readFull(c.data, b, p.off)
	switch {
	case errors.Is(err, ErrCorrupt):
		// The file is short. What is missing was noted; the rest of the piece
		// cannot be trusted.
		if info, err := c.data.Stat(); err == nil && info.Size() > p.off {
			c.damaged.Add(ranges.Range{Start: p.off, End: info.Size()})
		}
	case err != nil:
		c.unreadable.Add(piece)
		c.cause = err
	case crc32c.Checksum(b) != p.crc:
		c.damaged.Add(piece)
	}
}

// blameFile notes what was found in the file that is being read, for each of
// the resources that name it. Bad bytes that none of them names are noted too:
// nothing is lost, but the disk that returned them lies.
func (c *checker) blameFile() error {
	for _, bad := range []badBytes{
		{FaultDamaged, c.damaged, "the bytes do not have their checksums"},
		{FaultUnreadable, c.unreadable, fmt.Sprint(c.cause)},
	} {
		if bad.set.Empty() {
			continue
		}
		rest := bad.set
		if err := c.under(fileKey(kindRef, c.reading), func(key, _ []byte) error {
			if len(key) != 8+16 {
				return nil
			}
			st, err := loadID(c.snap, ID(key[8:]))
			if errors.Is(err, ErrCorrupt) {
				return nil // noted before
			}
			if err == nil {
				for part := range c.blame(st, map[fileID]badBytes{c.reading: bad}).All() {
					// A checksum ends with its block at the latest, so one that is
					// of bytes with and without a name was noted now.
					rest.Sub(ranges.Range{Start: part.Start / crcBlock * crcBlock, End: (part.End-1)/crcBlock*crcBlock + crcBlock})
				}
			}
			return err
		}); err != nil {
			return err
		}
		if !rest.Empty() {
			c.fault(Fault{Kind: bad.kind, File: dataPath(c.reading),
				Reason: fmt.Sprintf("%s, %d in %v that no resource names", bad.reason, rest.Size(), rest.Bounds())})
		}
	}
	c.damaged, c.unreadable, c.cause = ranges.Set{}, ranges.Set{}, nil
	return nil
}
