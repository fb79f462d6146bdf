package store

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// A section is bytes of a data file on their way to a connection. It is what
// [Snapshot.WriteRange] has an [io.ReaderFrom] read from, inside an
// [io.LimitedReader] that says how many bytes are meant, and there are three
// ways to read it:
//
//   - Read, at offsets of the shared file
//   - FileAt, which tells the shared file and the offset of the next byte, for
//     a sendfile(2) that takes an offset. Seek then says how far that came
//   - SyscallConn, by which package net finds a file for its sendfile, which
//     moves the position of the file: it gets one that was opened for it
//
// It is for one goroutine.
type section struct {
	fl  *files
	h   *handle
	off int64
	own *os.File // opened by SyscallConn
}

// Read implements [io.Reader].
func (sc *section) Read(b []byte) (int, error) {
	n, err := sc.h.r.ReadAt(b, sc.off)
	sc.off += int64(n)
	return n, err
}

// FileAt returns the file and the offset of the byte that is to be read next.
// The file is others' too: it may only be read, at offsets.
func (sc *section) FileAt() (f *os.File, off int64) { return sc.h.os, sc.off }

// Seek implements [io.Seeker], for the offsets in the file; its end is not known.
func (sc *section) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += sc.off
	default:
		return 0, errors.ErrUnsupported
	}
	if sc.own != nil {
		if _, err := sc.own.Seek(off, io.SeekStart); err != nil {
			return 0, err
		}
	}
	sc.off = off
	return off, nil
}

// SyscallConn implements [syscall.Conn] with a file whose position is that of
// the section, and nobody else's.
func (sc *section) SyscallConn() (syscall.RawConn, error) {
	if sc.own == nil {
		f, err := sc.fl.openOS(sc.h.id)
		if err != nil {
			return nil, err
		}
		if _, err := f.Seek(sc.off, io.SeekStart); err != nil {
			f.Close() // read only
			return nil, err
		}
		sc.own = f
	}
	return sc.own.SyscallConn()
}

// close closes what the section has opened.
func (sc *section) close() {
	if sc.own != nil {
		sc.own.Close() // read only
	}
}
