package store

import (
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markerFS is the file system of the map. Pebble names its current
// manifest by making a marker file and then removing the one before, and
// syncs the directory once, at the end. A loss of power may keep of that what
// it likes: a marker and not the manifest that it names, or neither marker.
// Then the map does not open. So here the directory is synced before a marker
// is made, and before one is removed. Markers are made when a store opens, and
// once in 128 MiB of manifest.
type markerFS struct{ vfs.FS }

func (fs markerFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.beforeMarker(name); err != nil {
		return nil, err
	}
	return fs.FS.Create(name, c)
}

func (fs markerFS) Remove(name string) error {
	if err := fs.beforeMarker(name); err != nil {
		return err
	}
	return fs.FS.Remove(name)
}

func (fs markerFS) Unwrap() vfs.FS { return fs.FS }

// beforeMarker syncs the directory of a marker.
func (fs markerFS) beforeMarker(name string) error {
	if !strings.HasPrefix(filepath.Base(name), "marker.") {
		return nil
	}
	return syncDir(fs.FS, filepath.Dir(name))
}
