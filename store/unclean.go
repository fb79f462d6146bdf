package store

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A store that is used with [DurabilityNone] has the file UNCLEAN for as long
// as that lasts. It is there before anything is written without sync, and goes
// when all was synced; so whoever finds it when the store opens cannot trust
// what the store holds.
const uncleanName = "UNCLEAN"

// admitUnclean looks for the mark of an unclean stop, and sets it if this
// process is not going to sync. The caller has the lock of the store.
func (s *Store) admitUnclean() error {
	path := filepath.Join(s.dir, uncleanName)
	_, err := s.disk.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.unclean = err == nil
	if s.opts.ReadOnly {
		return nil
	}
	if s.opts.Durability == DurabilitySync {
		if s.unclean {
			return ErrUnclean
		}
		return nil
	}
	f, err := s.disk.Create(path, dataCategory)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(s.disk, s.dir))
}

// settleUnclean makes durable what was written without sync and removes the
// mark, unless an earlier process had left it. The map is closed.
func (s *Store) settleUnclean() error {
	if s.opts.Durability == DurabilitySync || s.unclean || s.writable() != nil {
		return nil
	}
	if err := syncTree(s.disk, s.dir); err != nil {
		return err
	}
	if err := s.disk.Remove(filepath.Join(s.dir, uncleanName)); err != nil {
		return err
	}
	return syncDir(s.disk, s.dir)
}

// syncTree makes a directory and all that is in it durable.
func syncTree(fs vfs.FS, dir string) error {
	if all, ok := fs.(interface{ syncAll(dir string) error }); ok {
		return all.syncAll(dir)
	}
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := syncTree(fs, path); err != nil {
				return err
			}
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return syncDir(fs, dir)
}
