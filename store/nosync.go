package store

import "github.com/cockroachdb/pebble/v2/vfs"

// noSyncFS is a file system whose syncs do nothing, for [DurabilityNone].
// Everything is then done in the same order as with syncs, so that the death
// of the process, which loses nothing that was written to a file, leaves a
// store as good as that of a process that syncs.
type noSyncFS struct{ vfs.FS }

// withoutSyncs returns fs without syncs.
func withoutSyncs(fs vfs.FS) vfs.FS {
	if o, ok := fs.(osOpener); ok {
		return noSyncOSFS{noSyncFS{fs}, o}
	}
	return noSyncFS{fs}
}

type noSyncOSFS struct {
	noSyncFS
	osOpener
}

func (fs noSyncFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return noSync(fs.FS.Create(name, c))
}

func (fs noSyncFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return noSync(fs.FS.OpenReadWrite(name, c, opts...))
}

func (fs noSyncFS) OpenDir(name string) (vfs.File, error) { return noSync(fs.FS.OpenDir(name)) }

func (fs noSyncFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return noSync(fs.FS.ReuseForWrite(from, to, c))
}

func (fs noSyncFS) Unwrap() vfs.FS { return fs.FS }

func noSync(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return noSyncFile{f}, nil
}

type noSyncFile struct{ vfs.File }

// Fd keeps the file from what only a descriptor can do: starting write-back.
func (noSyncFile) Fd() uintptr { return vfs.InvalidFd }

func (noSyncFile) Sync() error                { return nil }
func (noSyncFile) SyncData() error            { return nil }
func (noSyncFile) SyncTo(int64) (bool, error) { return false, nil }

var _ osOpener = noSyncOSFS{}
