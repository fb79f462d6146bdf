package store

import (
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
