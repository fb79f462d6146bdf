//go:build !linux

package store

import "github.com/cockroachdb/pebble/v2/vfs"

// forget would ask the system to read [off, off+n) of the file from the disk next.
func forget(vfs.File, int64, int64) {}
