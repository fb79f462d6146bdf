package store

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// forget asks the system to drop what it has in memory of [off, off+n) of the
// file, so that the next read is one of the disk. Bytes that are not on the
// disk yet stay.
func forget(f vfs.File, off, n int64) {
	if f.Fd() != vfs.InvalidFd {
		_ = unix.Fadvise(int(f.Fd()), off, n, unix.FADV_DONTNEED) // advice
	}
}
