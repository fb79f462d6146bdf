package store

import (
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// DiskFS is the file system of the operating system. It offers what a store
// needs for sendfile.
var DiskFS vfs.FS = diskFS{vfs.Default}

type diskFS struct{ vfs.FS }

// osOpener is what a file system has whose files are the operating system's:
// each call is an open file description of its own, with an offset of its own.
type osOpener interface {
	openOS(name string) (*os.File, error)
}

func (diskFS) openOS(name string) (*os.File, error) { return os.Open(name) }
