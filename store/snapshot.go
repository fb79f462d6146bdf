package store

import (
	"context"
	"fmt"
	"io"

	"github.com/infill-http/infill/ranges"
)

// A Snapshot is the representation of a resource at one moment. It has the
// same bytes for as long as it is open, whatever is written, moved or deleted
// meanwhile (invariant 5). Its methods may be called concurrently, but not
// during or after Close.
type Snapshot struct {
	s  *Store
	sl *slot
	st *state
}

// Snapshot opens the representation that a name has now: all bytes of a
// complete resource, the prefix [0,Offset) of an incomplete one.
func (s *Store) Snapshot(ctx context.Context, name string) (*Snapshot, error) {
	sl, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	st := s.pinned(sl)
	if st == nil {
		s.release(sl)
		return nil, ErrNotFound
	}
	return &Snapshot{s: s, sl: sl, st: st}, nil
}

// Close lets go of the files.
func (sn *Snapshot) Close() error {
	sn.s.files.unpin(sn.st)
	sn.s.release(sn.sl)
	return nil
}

// Info describes the state that the snapshot shows.
func (sn *Snapshot) Info() *Info { return sn.st.info }

// ReadAt implements [io.ReaderAt] over the representation, [0, Info.Size).
func (sn *Snapshot) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	size := sn.st.info.Size()
	r := ranges.Range{Start: min(off, size)}
	r.End = r.Start + min(size-r.Start, int64(len(b)))
	if err := sn.readable(r); err != nil {
		return 0, err
	}
	src := sn.source()
	defer src.close()
	n := 0
	for sub, p := range sn.st.extents.Within(r) {
		part := b[sub.Start-off : sub.End-off]
		if err := src.read(p, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteRange writes the bytes of r, which must be inside the representation,
// to w and returns how many it wrote. If w is an [io.ReaderFrom], it is given
// longer runs of bytes in files to read by itself, as sections, so that they
// can go from the file to a connection by sendfile. An error before the last
// byte means that w does not have the range.
func (sn *Snapshot) WriteRange(w io.Writer, r ranges.Range) (int64, error) {
	if r.Start < 0 || r.End > sn.st.info.Size() {
		return 0, fmt.Errorf("range %v is outside of the representation [0,%d)", r, sn.st.info.Size())
	}
	if err := sn.readable(r); err != nil {
		return 0, err
	}
	out := sn.output(w)
	defer out.close()
	for sub, p := range sn.st.extents.Within(r) {
		if err := out.write(p, sub.Len()); err != nil {
			return out.done, err
		}
	}
	err := out.flush()
	return out.done, err
}

// readable returns an ErrDamaged if not all of r, which is inside the
// representation, can be read.
func (sn *Snapshot) readable(r ranges.Range) error {
	for gap := range sn.st.covered.Gaps(r) {
		return &RangeError{Err: ErrDamaged, Range: gap, Offset: sn.st.offset(), Length: sn.st.length}
	}
	return nil
}

// A source reads bytes of places. It is for one goroutine.
type source interface {
	read(p place, b []byte) error
	close()
}

// source returns what the bytes are to be read with.
func (sn *Snapshot) source() source {
	if sn.verifies() {
		return &checkedReader{s: sn.s}
	}
	return plainReader{sn.s}
}

// verifies reports whether reads compare checksums.
func (sn *Snapshot) verifies() bool { return sn.s.opts.VerifyReads || sn.st.suspect }

// A plainReader takes bytes as the disk returns them.
type plainReader struct{ s *Store }

func (plainReader) close() {}

func (r plainReader) read(p place, b []byte) error { return r.s.readPlace(p, b) }

// readPlace reads committed or staged bytes whose file the caller has pinned.
func (s *Store) readPlace(p place, b []byte) error {
	if p.kind == placeZero {
		clear(b)
		return nil
	}
	if p.kind == placeInline {
		return s.files.readInline(p, b)
	}
	if err := s.damage.spared(p, int64(len(b))); err != nil {
		return err
	}
	h, err := s.files.handles.get(p.file)
	if err != nil {
		return err
	}
	err = readFull(h.r, b, p.off)
	s.files.handles.put(h, err)
	return err
}

func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		err = fmt.Errorf("%w: data file ends at %d", ErrCorrupt, off+int64(n))
	}
	return err
}
