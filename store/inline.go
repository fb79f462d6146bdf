package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// Small writes are kept in the map. Their bytes go to an inline file: one that
// has an id, references and offsets like any other, and whose bytes are values
// of pebble under its id and their offset. So a small write needs one sync,
// that of the commit: what was staged stands before it in the log.
//
//	inline file 7    |=== 'i' 7 0 ===|== 'i' 7 4096 ==|= 'i' 7 6000 =|   appended to, like an overlay
//
// A small resource stays there. What overwrites put into the map of a larger
// one is folded into an overlay file in the background, and while too much
// waits for that, small writes go to files as well.
const (
	// foldInline is from how many of the largest inline writes on a resource is folded.
	foldInline = 256
	// maxInline is with how many a resource gets no more inline bytes.
	maxInline = 4 * foldInline
	// inlineWriters is with how many transactions on a resource its small
	// writes go to files, whose syncs they then share: what is inline would
	// have to be copied by folds as fast as they come.
	inlineWriters = 8
)

// inlined returns the size of n of the largest inline writes, in bytes.
func (o *Options) inlined(n int) int64 { return int64(n) * int64(max(o.InlineSize, 0)) }

func inlineKey(f fileID, off int64) []byte {
	return binary.BigEndian.AppendUint64(fileKey(kindInline, f), uint64(off))
}

// makeInline makes a new inline file. The caller holds it until release.
func (fl *files) makeInline() (*dataFile, error) {
	id, err := fl.newID()
	if err != nil {
		return nil, err
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.holdInlineLocked(id), nil
}

// acquireInline is acquire for an inline file.
func (fl *files) acquireInline(id fileID) *dataFile {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.holdInlineLocked(id)
}

func (fl *files) holdInlineLocked(id fileID) *dataFile {
	df := fl.open[id]
	if df == nil {
		df = &dataFile{id: id, inline: true, placed: true}
		fl.open[id] = df
	}
	df.users++
	fl.pins[id]++
	return df
}

// writeInline stages b, all of it or nothing.
func (fl *files) writeInline(id fileID, b []byte, off int64) error {
	return fl.check(fl.db.Set(inlineKey(id, off), b, pebble.NoSync))
}

// readInline fills b with bytes of an inline file.
func (fl *files) readInline(p place, b []byte) error {
	if v, closer, err := fl.db.Get(inlineKey(p.file, p.off)); err == nil {
		n := copy(b, v)
		if err := closer.Close(); err != nil || n == len(b) {
			return err
		}
	}
	filled, err := fl.eachInline(fl.db, p.file, ranges.Range{Start: p.off, End: p.off + int64(len(b))},
		func(off int64, v []byte) { copy(b[off-p.off:], v) })
	if err == nil && filled < int64(len(b)) {
		err = fmt.Errorf("%w: %d of %d bytes at %d of inline file %d", ErrCorrupt, filled, len(b), p.off, p.file)
	}
	return err
}

// eachInline calls f with the bytes of r that an inline file has, in order,
// and returns how many there are.
func (*files) eachInline(from pebble.Reader, id fileID, r ranges.Range, f func(off int64, v []byte)) (int64, error) {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: fileKey(kindInline, id), UpperBound: inlineKey(id, r.End)})
	if err != nil {
		return 0, err
	}
	var n int64
	for ok := it.SeekLT(inlineKey(id, r.Start+1)) || it.First(); ok; ok = it.Next() {
		off := int64(binary.BigEndian.Uint64(it.Key()[1+8:]))
		v := it.Value()
		if skip := r.Start - off; skip >= int64(len(v)) {
			continue
		} else if skip > 0 {
			off, v = r.Start, v[skip:]
		}
		v = v[:min(int64(len(v)), r.End-off)]
		f(off, v)
		n += int64(len(v))
	}
	return n, it.Close()
}
