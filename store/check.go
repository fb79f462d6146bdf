package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// A checker compares everything in the map with everything else and with the
// files, at one moment: it sees a snapshot of the map. Its memory grows
// neither with the number of resources nor with their bytes, but with the
// extents of the largest resource and the files of the largest directory.
type checker struct {
	s        *Store
	ctx      context.Context
	opts     CheckOptions
	snap     *pebble.Snapshot
	report   CheckReport
	nextFile fileID
	refs     int64 // pairs of file and resource that extents name

	// The file whose checksums were looked at last.
	summed fileID
	named  bool // by an extent

	// The chunk of checksums that was looked at last.
	file   fileID
	chunk  int64
	pieces ranges.Set

	// The data file that is being read, and what is wrong with it.
	reading    fileID
	data       vfs.File // nil: cannot be opened
	damaged    ranges.Set
	unreadable ranges.Set
	cause      error // of the last unreadable range
}

// Check verifies invariants 3 and 8, that every committed byte of a file has
// a checksum, and that nothing in the map is left over; with
// [CheckOptions].Data also that the bytes have the checksums (invariant 1).
// Faults are reported, not returned. An error means that the check could not
// come to its end; the report then has what was found before. The store may be
// in use meanwhile.
func (s *Store) Check(ctx context.Context, opts CheckOptions) (*CheckReport, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.active.Add(1)
	s.mu.Unlock()
	defer s.active.Done()

	def(&opts.MaxFaults, 10_000)
	c := checker{s: s, ctx: ctx, opts: opts, chunk: -1}
	c.report.Unclean = s.unclean
	c.snap = s.db.NewSnapshot()
	defer c.snap.Close()
	for _, step := range []func() error{
		c.checkHeader, c.checkNames, c.checkResources, c.checkRefs, c.checkVerdicts,
		c.checkIdle, c.checkSums, c.checkInline, c.checkFiles, c.checkData,
	} {
		if err := step(); err != nil {
			return &c.report, fmt.Errorf("check store: %w", err)
		}
	}
	return &c.report, nil
}

// fault notes what is wrong.
func (c *checker) fault(f Fault) {
	c.report.CheckCounts.Faults++
	if len(c.report.Faults) < c.opts.MaxFaults {
		c.report.Faults = append(c.report.Faults, f)
	}
}

// contradiction notes a fault of the map that belongs to no resource.
func (c *checker) contradiction(format string, args ...any) {
	c.fault(Fault{Kind: FaultMap, Reason: fmt.Sprintf(format, args...)})
}

// progress tells how far the check is.
func (c *checker) progress() {
	if c.opts.Progress != nil {
		c.opts.Progress(c.report.CheckCounts)
	}
}

// dataPath returns the path of a data file as faults have it.
func dataPath(id fileID) string {
	return path.Join(dataDir(dirOf(id)), fmt.Sprintf("%016x", uint64(id)))
}

// dataDir returns the path of a directory of data files as faults have it.
func dataDir(d int) string { return fmt.Sprintf("data/%02x", d) }

// each calls f with the keys of a kind, without the kind, and their values.
func (c *checker) each(kind byte, f func(key, value []byte) error) error {
	return c.under([]byte{kind}, f)
}

// under calls f with the keys that begin with prefix, without the kind, and
// their values.
func (c *checker) under(prefix []byte, f func(key, value []byte) error) error {
	it, err := c.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if err := errors.Join(c.ctx.Err(), f(it.Key()[1:], it.Value())); err != nil {
			return errors.Join(err, it.Close())
		}
		c.progress()
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

// known reports whether an extent names a file, and whether it is listed as garbage.
func known(r pebble.Reader, file fileID) (named, garbage bool, err error) {
	if named, err = has(r, fileKey(kindRef, file)); err != nil {
		return false, false, err
	}
	v, err := getFrom(r, fileKey(kindGarbage, file))
	return named, v != nil, err
}

func (c *checker) checkHeader() error {
	v, err := getFrom(c.snap, []byte{kindHeader})
	if err != nil {
		return err
	}
	if len(v) < 4 || binary.BigEndian.Uint32(v) != formatVersion {
		c.contradiction("the header is %x", v)
	}
	c.nextFile = 1
	next, err := getFrom(c.snap, []byte{kindNextID})
	if err != nil {
		return err
	}
	if len(next) == 8 {
		c.nextFile = fileID(binary.BigEndian.Uint64(next))
	} else if next != nil {
		c.contradiction("the next file id is %x", next)
	}
	return nil
}

// checkVerdicts verifies that what is noted about digests belongs to records.
func (c *checker) checkVerdicts() error {
	for _, kind := range []byte{kindHash, kindVerify} {
		if err := c.each(kind, func(key, _ []byte) error {
			if len(key) != 16 {
				c.contradiction("key %c%x", kind, key)
				return nil
			}
			rec, err := getFrom(c.snap, idKey(kindRecord, ID(key)))
			if err == nil && rec == nil {
				c.contradiction("key %c%x has no record", kind, key)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// checkIdle verifies that what is listed as idle belongs to records that say so.
func (c *checker) checkIdle() error {
	return c.each(kindIdle, func(key, _ []byte) error {
		since, id, err := decodeIdle(append([]byte{kindIdle}, key...))
		if err != nil {
			c.contradiction("%v", err)
			return nil
		}
		rec, err := loadRecord(c.snap, id)
		fault := Fault{Kind: FaultMap, Name: rec.name, ID: id}
		switch {
		case errors.Is(err, ErrCorrupt):
			fault.Reason = "it is listed as idle: " + err.Error()
		case err != nil:
			return err
		case rec.idle != since:
			fault.Reason = fmt.Sprintf("it is listed as idle since %d, not since %d", since, rec.idle)
		default:
			return nil
		}
		c.fault(fault)
		return nil
	})
}
