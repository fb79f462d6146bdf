package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A fileID numbers a data file. Numbers are never reused; 0 is no file.
type fileID uint64

// dataCategory accounts for data files in pebble's disk statistics.
const dataCategory = vfs.WriteCategoryUnspecified

// files creates, opens, syncs and removes data files.
type files struct {
	fs   vfs.FS
	dir  string // holds 256 directories, made with the store
	db   *pebble.DB
	opts *Options
	fail func(err error) // reports an I/O error that ends writing

	ids fileIDs

	dirs [256]group

	handles *handles // for reading

	mu     sync.Mutex // guards what follows; held for moments only
	pins   map[fileID]int
	doomed map[fileID]bool // removed at the last unpin
	open   map[fileID]*dataFile
	sealed map[fileID]error // files that are not written again by this process

	janitor janitor
}

// A dataFile is a data file open for writing, shared by the transactions that
// write to it at present. Bytes are written at offsets that their writers
// own, so writes need no lock; syncs are grouped.
type dataFile struct {
	id     fileID
	f      vfs.File
	inline *inlineFile // its bytes are in the map; f is nil
	users  int         // guarded by files.mu
	group  group

	writing sync.Mutex // a leaf

	mu     sync.Mutex // lock order: files.mu, mu
	placed bool       // the directory entry is durable
	sealed error      // after a failed sync nothing uncommitted in it counts (invariant 7)
}

// dirOf spreads files over the directories so that 256 neighbours share one.
func dirOf(id fileID) int { return int(id>>8) & 0xff }

func (fl *files) dirPath(d int) string { return filepath.Join(fl.dir, fmt.Sprintf("%02x", d)) }

func (fl *files) path(id fileID) string {
	return filepath.Join(fl.dirPath(dirOf(id)), fmt.Sprintf("%016x", uint64(id)))
}

// make makes a new data file. The caller holds it until release.
func (fl *files) make() (*dataFile, error) {
	id, err := fl.ids.file()
	if err != nil {
		return nil, fl.check(err)
	}
	f, err := fl.fs.Create(fl.path(id), dataCategory)
	if err != nil {
		return nil, fl.check(err)
	}
	// Create opens for writing alone on some file systems; WriteAt needs more.
	if err := f.Close(); err != nil {
		return nil, fl.check(err)
	}
	return fl.acquire(id, false)
}

// acquire opens an existing file for writing, or shares it with those that
// have it open. It also pins the file.
func (fl *files) acquire(id fileID, placed bool) (*dataFile, error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	df := fl.open[id]
	if df == nil {
		// OpenReadWrite would create it.
		if _, err := fl.fs.Stat(fl.path(id)); err != nil {
			return nil, fl.check(err)
		}
		f, err := fl.fs.OpenReadWrite(fl.path(id), dataCategory)
		if err != nil {
			return nil, fl.check(err)
		}
		df = &dataFile{id: id, f: f, placed: placed, sealed: fl.sealed[id]}
		fl.open[id] = df
	}
	df.users++
	fl.pins[id]++
	return df, nil
}

// hold counts one more user of a file that is open.
func (fl *files) hold(df *dataFile) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	df.users++
	fl.pins[df.id]++
}

// release gives up what make, acquire or hold gave.
func (fl *files) release(df *dataFile) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if df.users--; df.users == 0 {
		delete(fl.open, df.id)
		if df.inline == nil {
			// Everything that counts was synced before; a fault in closing loses nothing.
			df.f.Close()
		}
	}
	fl.unpinLocked(df.id)
}

// openOwn opens the file again, for syncOwn. The kernel tells an error of
// writing to the disk once to each opening of a file that was there before: so
// syncs that run at the same time each need one of their own, from before the
// first of their bytes was written. Nil: there is none, and sync is to be used.
func (fl *files) openOwn(df *dataFile) vfs.File {
	df.mu.Lock()
	placed := df.placed
	df.mu.Unlock()
	if _, ok := fl.fs.(rangeSyncer); !ok || df.inline != nil || !placed {
		return nil
	}
	f, err := fl.fs.OpenReadWrite(fl.path(df.id), dataCategory)
	if err != nil {
		return nil // too many open files, perhaps
	}
	return f
}

// syncOwn is sync for the bytes [off, off+n) alone, which were written after
// own was opened. A sync of the whole file would also wait for what others are
// writing to it meanwhile.
func (fl *files) syncOwn(df *dataFile, own vfs.File, off, n int64) error {
	if own == nil || n < fl.opts.ownSync {
		return fl.sync(df)
	}
	return fl.seal(df, fl.check(fl.fs.(rangeSyncer).syncRange(own, off, n)))
}

// sync makes all writes to the file that returned before the call durable,
// and its directory entry.
func (fl *files) sync(df *dataFile) error {
	if df.inline != nil {
		return nil // the commit does that
	}
	err := df.group.do(func() error {
		if err := df.fault(); err != nil {
			return err
		}
		return fl.seal(df, fl.check(df.f.SyncData()))
	})
	if err != nil {
		return err
	}
	df.mu.Lock()
	placed := df.placed
	df.mu.Unlock()
	if placed {
		return nil
	}
	if err := fl.syncDir(dirOf(df.id)); err != nil {
		return fl.seal(df, err)
	}
	df.mu.Lock()
	defer df.mu.Unlock()
	df.placed = df.sealed == nil
	return df.sealed
}

// syncDir makes the entries of a directory durable. An error of the sync
// seals every file that has its entry there and is not known to be durable:
// the next sync may succeed without it.
func (fl *files) syncDir(d int) error {
	return fl.dirs[d].do(func() error {
		dir, err := fl.fs.OpenDir(fl.dirPath(d))
		if err != nil {
			return fl.check(err)
		}
		err = fl.check(errors.Join(dir.Sync(), dir.Close()))
		if err != nil {
			fl.sealDir(d, err)
		}
		return err
	})
}

// sealDir seals the files of a directory that are new there.
func (fl *files) sealDir(d int, err error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for id, df := range fl.open {
		df.mu.Lock()
		if dirOf(id) == d && !df.placed {
			fl.sealLocked(df, err)
		}
		df.mu.Unlock()
	}
}

// seal marks the file with the first error that it is given, for as long as
// the process runs, and returns the mark.
func (fl *files) seal(df *dataFile, err error) error {
	if err == nil {
		return df.fault()
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	df.mu.Lock()
	defer df.mu.Unlock()
	fl.sealLocked(df, err)
	return df.sealed
}

// sealLocked is seal for a caller that has both locks.
func (fl *files) sealLocked(df *dataFile, err error) {
	if df.sealed == nil {
		df.sealed = fmt.Errorf("file %d is sealed: %w", df.id, err)
		fl.sealed[df.id] = df.sealed
	}
}

// fault returns the mark of a sealed file, or nil.
func (df *dataFile) fault() error {
	df.mu.Lock()
	defer df.mu.Unlock()
	return df.sealed
}

// write writes b at off, which the caller owns.
func (fl *files) write(df *dataFile, b []byte, off int64) error {
	if df.inline != nil {
		df.inline.stage(b, off)
		return nil
	}
	// File systems let one write to a file in at a time. Those that wait here
	// for their turn burn less of the processor than those that wait there.
	df.writing.Lock()
	n, err := df.f.WriteAt(b, off)
	df.writing.Unlock()
	if err == nil && n < len(b) {
		err = fmt.Errorf("short write of %d bytes", len(b))
	}
	if errors.Is(err, syscall.EFBIG) {
		// Nothing was written, and nothing is wrong with the file.
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return fl.seal(df, fl.check(err))
	}
	return nil
}

// push starts the write-back of bytes that were written. Its failure is that
// of a sync (invariant 7).
func (fl *files) push(df *dataFile, off, n int64) error {
	if err := startWriteback(df.f, off, n); err != nil {
		return fl.seal(df, fl.check(err))
	}
	return nil
}

// check gives an I/O error its meaning: no space is ErrFull, and anything
// else but a missing file or too many open ones ends writing.
func (fl *files) check(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return err
	}
	fl.fail(err)
	return fmt.Errorf("%w: %w", ErrReadOnly, err)
}

// pin keeps a file from being removed, and reports whether somebody else does.
func (fl *files) pin(id fileID) (held bool) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.pins[id]++
	return fl.pins[id] > 1
}

func (fl *files) unpinFile(id fileID) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.unpinLocked(id)
}

// pinLocked keeps the files of a state from being removed.
func (fl *files) pinLocked(st *state) {
	for id := range st.files {
		fl.pins[id]++
	}
}

func (fl *files) unpin(st *state) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for id := range st.files {
		fl.unpinLocked(id)
	}
}

// pinRefs keeps files that lose references from being removed.
func (fl *files) pinRefs(refs []ref) {
	if len(refs) == 0 {
		return
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for _, r := range refs {
		fl.pins[r.file]++
	}
}

func (fl *files) unpinRefs(refs []ref) {
	if len(refs) == 0 {
		return
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for _, r := range refs {
		fl.unpinLocked(r.file)
	}
}

func (fl *files) unpinLocked(id fileID) {
	if fl.pins[id]--; fl.pins[id] > 0 {
		return
	}
	delete(fl.pins, id)
	if fl.doomed[id] {
		delete(fl.doomed, id)
		fl.janitor.remove(id)
	}
}

// doomLocked removes a file that no extent names, once nobody has it pinned.
func (fl *files) doomLocked(id fileID) {
	if fl.pins[id] > 0 {
		fl.doomed[id] = true
		return
	}
	fl.janitor.remove(id)
}

// discard dooms a file that no extent names.
func (fl *files) discard(id fileID) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if df := fl.open[id]; df != nil && df.inline != nil && df.inline.isFresh() {
		return // there is nothing of it
	}
	fl.doomLocked(id)
}

// openOS opens a data file as a file of the operating system, or returns nil
// if the file system has none.
func (fl *files) openOS(id fileID) (*os.File, error) {
	if o, ok := fl.fs.(osOpener); ok {
		f, err := o.openOS(fl.path(id))
		return f, fl.checkRead(err)
	}
	return nil, nil
}

// openRead opens a data file for reading by one.
func (fl *files) openRead(id fileID) (vfs.File, error) {
	f, err := fl.fs.Open(fl.path(id))
	return f, fl.checkRead(err)
}

// openHandle opens a data file for reading by many.
func (fl *files) openHandle(id fileID) (*handle, error) {
	if f, err := fl.openOS(id); f != nil || err != nil {
		return &handle{id: id, r: f, os: f}, err
	}
	f, err := fl.openRead(id)
	return &handle{id: id, r: f}, err
}

// checkRead gives an error of reading its meaning; it never ends writing.
func (fl *files) checkRead(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
