package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// A checkedReader reads bytes of data files and returns them only if they
// have their checksums. What does not is noted as damaged. It is for one
// goroutine, and for files that the caller has pinned.
type checkedReader struct {
	s *Store
	// unsummed lets bytes pass that have no checksum in the map, as those of
	// a commit under way have.
	unsummed bool
	// fromDisk asks the system to read what it has in memory anew.
	fromDisk bool

	file fileID
	f    vfs.File // nil: none is open

	chunk  int64 // of which pieces are
	pieces crcPieces

	piece crcPiece // the one in buf, if n > 0
	buf   []byte
}

func (r *checkedReader) close() {
	if r.f != nil {
		r.f.Close() // read only
		r.f = nil
	}
}

// open goes on to a file.
func (r *checkedReader) open(file fileID) error {
	if r.f != nil && r.file == file {
		return nil
	}
	r.close()
	f, err := r.s.files.openRead(file)
	if err != nil {
		return err
	}
	r.f, r.file, r.chunk, r.piece = f, file, -1, crcPiece{}
	return nil
}

// read fills b with the bytes at p.
func (r *checkedReader) read(p place, b []byte) error {
	if p.kind == placeZero {
		clear(b)
		return nil
	}
	if p.kind == placeInline {
		return r.s.files.readInline(p, b) // the map has checksums of its own
	}
	if err := r.s.damage.spared(p, int64(len(b))); err != nil {
		return err
	}
	if err := r.open(p.file); err != nil {
		return err
	}
	for off := p.off; len(b) > 0; {
		piece, ok, err := r.pieceAt(off)
		if err != nil {
			return err
		}
		n := min(int64(len(b)), piece.end()-off)
		switch {
		case !ok && !r.unsummed:
			return fmt.Errorf("%w: no checksum at %d of %s", ErrCorrupt, off, dataPath(r.file))
		case !ok:
			err = readFull(r.f, b[:n], off)
		case piece.off == off && piece.n == n:
			err = r.load(piece, b[:n])
		default:
			if r.piece != piece {
				if r.buf == nil {
					r.buf = make([]byte, crcBlock)
				}
				r.piece = crcPiece{}
				if err := r.load(piece, r.buf[:piece.n]); err != nil {
					return err
				}
				r.piece = piece
			}
			copy(b[:n], r.buf[off-piece.off:])
		}
		if err != nil {
			return err
		}
		off, b = off+n, b[n:]
	}
	return nil
}

// pieceAt returns the piece that holds the byte at off, or the bytes up to the
// next one, which have no checksum.
func (r *checkedReader) pieceAt(off int64) (piece crcPiece, ok bool, err error) {
	if chunk := off / crcChunk; chunk != r.chunk {
		v, err := r.s.get(crcKey(r.file, chunk))
		if err != nil {
			return piece, false, err
		}
		if r.pieces, err = decodeCRC(chunk, v); err != nil {
			return piece, false, err
		}
		r.chunk = chunk
	}
	end := (r.chunk + 1) * crcChunk
	for _, p := range r.pieces {
		if p.off > off {
			end = p.off
			break
		}
		if off < p.end() {
			return p, true, nil
		}
	}
	return crcPiece{off: off, n: end - off}, false, nil
}

// load reads a piece into b. Before it says that the bytes are damaged, it
// reads them a second time, from the disk.
func (r *checkedReader) load(p crcPiece, b []byte) error {
	if r.fromDisk {
		forget(r.f, p.off, p.n)
	}
	err := r.try(p, b)
	if errors.Is(err, ErrCorrupt) || unreadable(err) {
		forget(r.f, p.off, p.n)
		if err = r.try(p, b); errors.Is(err, ErrCorrupt) {
			return r.s.damaged(r.file, p.bytes(), err)
		}
	}
	return err
}

// errChecksum says that bytes do not have their checksum.
var errChecksum = fmt.Errorf("%w: the bytes do not have their checksum", ErrCorrupt)

func (r *checkedReader) try(p crcPiece, b []byte) error {
	if err := readFull(r.f, b, p.off); err != nil {
		return err
	}
	if crc32c.Checksum(b) != p.crc {
		return errChecksum
	}
	return nil
}

// unreadable reports whether the disk did not return bytes. They may come back,
// as when a cable is plugged in again, so they stay in the map; but a write
// need not agree with them.
func unreadable(err error) bool {
	for _, e := range unreadableErrnos {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// verifyPlace reads n bytes at p and compares their checksums: ErrDamaged.
func (s *Store) verifyPlace(p place, n int64) error {
	r := checkedReader{s: s, unsummed: true}
	defer r.close()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for n > 0 {
		k := min(n, int64(len(*buf)))
		if err := r.read(p, (*buf)[:k]); err != nil {
			return err
		}
		p, n = p.Cut(k), n-k
	}
	return nil
}

// bytes is where the piece is in its file.
func (p crcPiece) bytes() ranges.Range { return ranges.Range{Start: p.off, End: p.end()} }
