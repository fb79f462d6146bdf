package store

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DiskFS is the file system of the operating system. It offers what a store
// needs for sendfile.
var DiskFS vfs.FS = diskFS{vfs.Default}

type diskFS struct{ vfs.FS }

// osOpener is what a file system has whose files are the operating system's.
type osOpener interface {
	// openOS opens a file to read it: each call is an open file description of
	// its own, with an offset of its own.
	openOS(name string) (*os.File, error)
	// truncate takes from a file what it has from size on.
	truncate(name string, size int64) error
}

// rangeSyncer is what a file system has that can make a part of a file durable.
type rangeSyncer interface {
	// syncRange makes [off, off+n) of a file durable, with all that it takes to
	// find these bytes. It need not await other bytes, as a sync does. An error
	// of writing any byte of the file to the disk since f was opened is
	// returned, once.
	syncRange(f vfs.File, off, n int64) error
}

func (diskFS) openOS(name string) (*os.File, error) { return os.Open(name) }

func (diskFS) truncate(name string, size int64) error { return os.Truncate(name, size) }
