package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
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

	mu   sync.Mutex // guards open
	open map[fileID]vfs.File
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
	for _, f := range sn.open {
		f.Close() // read only
	}
	sn.open = nil
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
// to w and returns how many it wrote. Bytes in files go by sendfile if w is
// an io.ReaderFrom that can. An error before the last byte means that w does
// not have the range.
func (sn *Snapshot) WriteRange(w io.Writer, r ranges.Range) (int64, error) {
	if r.Start < 0 || r.End > sn.st.info.Size() {
		return 0, fmt.Errorf("range %v is outside of the representation [0,%d)", r, sn.st.info.Size())
	}
	if err := sn.readable(r); err != nil {
		return 0, err
	}
	src := sn.source()
	defer src.close()
	var done int64
	for sub, p := range sn.st.extents.Within(r) {
		n, err := sn.writePlace(w, src, p, sub.Len())
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
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
	return plainReader{sn}
}

// verifies reports whether reads compare checksums.
func (sn *Snapshot) verifies() bool { return sn.s.opts.VerifyReads || sn.st.suspect }

func (sn *Snapshot) writePlace(w io.Writer, src source, p place, n int64) (int64, error) {
	if _, ok := w.(io.ReaderFrom); ok && p.kind == placeFile && !sn.verifies() {
		if err := sn.s.damage.spared(p, n); err != nil {
			return 0, err
		}
		f, err := sn.s.files.openOS(p.file)
		if err != nil {
			return 0, err
		}
		if f != nil {
			defer f.Close()
			return sendFile(w, f, p.off, n)
		}
	}
	buf := sn.s.buffers.Get().(*[]byte)
	defer sn.s.buffers.Put(buf)
	var done int64
	for done < n {
		b := (*buf)[:min(n-done, int64(len(*buf)))]
		if err := src.read(p.Cut(done), b); err != nil {
			return done, err
		}
		k, err := w.Write(b)
		done += int64(k)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// sendFile copies n bytes at off; f is an open file description of its own,
// because its offset moves.
func sendFile(w io.Writer, f *os.File, off, n int64) (int64, error) {
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	k, err := io.CopyN(w, f, n)
	if err == io.EOF {
		err = fmt.Errorf("%w: data file ends at %d", ErrCorrupt, off+k)
	}
	return k, err
}

// A plainReader takes bytes as the disk returns them.
type plainReader struct{ *Snapshot }

func (plainReader) close() {}

func (sn plainReader) read(p place, b []byte) error {
	if p.kind == placeZero {
		clear(b)
		return nil
	}
	if p.kind == placeInline {
		return sn.s.files.readInline(p, b)
	}
	if err := sn.s.damage.spared(p, int64(len(b))); err != nil {
		return err
	}
	f, err := sn.file(p.file)
	if err != nil {
		return err
	}
	return readFull(f, b, p.off)
}

// file returns a file open for reading, kept until Close.
func (sn *Snapshot) file(id fileID) (vfs.File, error) {
	sn.mu.Lock()
	defer sn.mu.Unlock()
	if f := sn.open[id]; f != nil {
		return f, nil
	}
	f, err := sn.s.files.openRead(id)
	if err != nil {
		return nil, err
	}
	if sn.open == nil {
		sn.open = make(map[fileID]vfs.File)
	}
	sn.open[id] = f
	return f, nil
}

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
	f, err := s.files.openRead(p.file)
	if err != nil {
		return err
	}
	defer f.Close()
	return readFull(f, b, p.off)
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
