package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// Small writes are kept in the map. Their bytes go to an inline file: one that
// has an id, references and offsets like any other, and whose bytes are values
// of pebble under its id and their offset. What is staged waits in memory, and
// the batch that commits it has the bytes too: a small write needs one sync,
// and leaves nothing behind if it is not committed.
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

// An inlineFile is what an inline file that is open for writing has in memory.
type inlineFile struct {
	mu    sync.Mutex       // guards what follows; lock order: files.mu, mu
	fresh bool             // no batch ever had anything of it
	size  int64            // bytes that wait
	waits map[int64][]byte // staged, and not in the map yet, by their offset
}

// room reports whether n more bytes may wait: those of as many writes of the
// largest size as there may be writers.
func (in *inlineFile) room(n int64, o *Options) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.size+n <= o.inlined(inlineWriters)
}

// stage takes in bytes.
func (in *inlineFile) stage(b []byte, off int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waits[off] = bytes.Clone(b)
	in.size += int64(len(b))
}

// forget drops bytes that are in the map by now, or will never be.
func (in *inlineFile) forget(offs []int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, off := range offs {
		in.size -= int64(len(in.waits[off]))
		delete(in.waits, off)
	}
}

// get returns the bytes that were staged at off and wait, or nil.
func (in *inlineFile) get(off int64) []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.waits[off]
}

// within calls f with the bytes of r that wait.
func (in *inlineFile) within(r ranges.Range, f func(off int64, v []byte)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for off, v := range in.waits {
		if part := r.Intersect(ranges.Range{Start: off, End: off + int64(len(v))}); !part.Empty() {
			f(part.Start, v[part.Start-off:part.End-off])
		}
	}
}

func (in *inlineFile) isFresh() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fresh
}

// used reports whether the file is fresh. It is not from then on.
func (in *inlineFile) used() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	was := in.fresh
	in.fresh = false
	return was
}

// inlined returns the size of n of the largest inline writes, in bytes.
func (o *Options) inlined(n int) int64 { return int64(n) * int64(max(o.InlineSize, 0)) }

func inlineKey(f fileID, off int64) []byte {
	return binary.BigEndian.AppendUint64(fileKey(kindInline, f), uint64(off))
}

// makeInline makes a new inline file. The caller holds it until release.
func (fl *files) makeInline() (*dataFile, error) {
	id, err := fl.ids.inlineFile()
	if err != nil {
		return nil, fl.check(err)
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.holdInlineLocked(id, true), nil
}

// acquireInline is acquire for an inline file.
func (fl *files) acquireInline(id fileID) *dataFile {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.holdInlineLocked(id, false)
}

func (fl *files) holdInlineLocked(id fileID, fresh bool) *dataFile {
	df := fl.open[id]
	if df == nil {
		in := &inlineFile{fresh: fresh, waits: make(map[int64][]byte)}
		df = &dataFile{id: id, inline: in, placed: true}
		fl.open[id] = df
	}
	df.users++
	fl.pins[id]++
	return df
}

// openInline returns what is open of an inline file, or nil.
func (fl *files) openInline(id fileID) *inlineFile {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if df := fl.open[id]; df != nil {
		return df.inline
	}
	return nil
}

// forget drops what was staged in the file and is committed, or never will be.
func (f *stagedFile) forget() {
	if f.df.inline != nil {
		f.df.inline.forget(f.offs)
	}
}

// add has the batch bring what was staged in a file.
func (b *batch) add(f *stagedFile) {
	b.addSums(f.df.id, f.sums)
	for _, off := range f.offs {
		b.inline = append(b.inline, inlinePiece{f.df.id, off, f.df.inline.get(off)})
	}
}

// An inlinePiece is bytes that a batch brings to an inline file.
type inlinePiece struct {
	file fileID
	off  int64
	b    []byte
}

// size returns about how large a batch with the pieces is, in bytes.
func (b *batch) size() int {
	n := 512
	for _, p := range b.inline {
		n += len(p.b)
	}
	return n
}

// onlyFresh reports whether the references are to inline files that are fresh,
// which nobody else can know and which are not listed as garbage. They are not
// fresh any more.
func (fl *files) onlyFresh(named []ref) bool {
	only := true
	for _, r := range named {
		in := fl.openInline(r.file)
		only = in != nil && in.used() && only
	}
	return only
}

// putInline adds the pieces of files that a state names.
func putInline(pb *pebble.Batch, pieces []inlinePiece, news map[ID]*state) {
	for _, p := range pieces {
		for _, st := range news {
			if st.files[p.file] > 0 {
				pb.Set(inlineKey(p.file, p.off), p.b, nil)
				break
			}
		}
	}
}

// readInline fills b with bytes of an inline file.
func (fl *files) readInline(p place, b []byte) error {
	if v, closer, err := fl.db.Get(inlineKey(p.file, p.off)); err == nil {
		n := copy(b, v)
		if err := closer.Close(); err != nil || n == len(b) {
			return err
		}
	}
	want := ranges.Range{Start: p.off, End: p.off + int64(len(b))}
	var have ranges.Set
	take := func(off int64, v []byte) {
		copy(b[off-p.off:], v)
		have.Add(ranges.Range{Start: off, End: off + int64(len(v))})
	}
	if in := fl.openInline(p.file); in != nil {
		in.within(want, take) // before the map, where what ceases to wait is by then
	}
	_, err := fl.eachInline(fl.db, p.file, want, take)
	if err == nil && !have.Covers(want) {
		err = fmt.Errorf("%w: %d of %d bytes at %d of inline file %d", ErrCorrupt, have.Size(), len(b), p.off, p.file)
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
