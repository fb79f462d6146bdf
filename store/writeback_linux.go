package store

import (
	"errors"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// startWriteback asks the system to begin writing [off, off+n) of the file to
// the disk. It promises nothing: the sync does. Files that are not the
// operating system's have nothing to begin.
func startWriteback(f vfs.File, off, n int64) error {
	if f.Fd() == vfs.InvalidFd {
		return nil
	}
	return unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}

// syncRange implements [rangeSyncer] for a file that is open for writing.
//
// fsync has no range, and sync_file_range leaves out what finds the bytes, and
// the cache of the disk. msync has both, for a mapping: Linux does for it what
// it does after a write with O_DSYNC to the same range, and looks at no page of
// the mapping, so that none is loaded. (It does nothing for a mapping of a
// file that is open for reading only.)
func (diskFS) syncRange(f vfs.File, off, n int64) error {
	first := off &^ int64(os.Getpagesize()-1)
	b, err := unix.Mmap(int(f.Fd()), first, int(off+n-first), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return f.SyncData() // no memory for the mapping
	}
	return errors.Join(unix.Msync(b, unix.MS_SYNC), unix.Munmap(b))
}
