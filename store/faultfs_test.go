package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// faultFS counts the operations on a file system and has one of them fail, or
// all from that one on. It keeps account of what is not durable, so that a
// failed sync can lose it as Linux does.
type faultFS struct {
	vfs.FS

	mu     sync.Mutex // guards what follows
	fault  fault
	off    bool
	counts map[opClass]int
	hit    chan struct{} // closed by the first operation that failed
	what   string        // which one that was
	dirty  map[string][]undo
	fresh  map[string][]string // by directory: the data files that are not durable there
	lost   map[string]bool     // data files whose entry a failed sync lost
}

// An undo is what a write that was not synced replaced.
type undo struct {
	off int64
	old []byte
}

func newFaultFS(base vfs.FS, f fault) *faultFS {
	return &faultFS{
		FS: base, fault: f, counts: make(map[opClass]int), hit: make(chan struct{}),
		dirty: make(map[string][]undo), fresh: make(map[string][]string), lost: make(map[string]bool),
	}
}

// begin lets a fault count from now on.
func (x *faultFS) begin(f fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fault, x.off = f, false
	clear(x.counts)
}

// heal ends the fault.
func (x *faultFS) heal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.off = true
}

// now returns the fault that is injected.
func (x *faultFS) now() fault {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fault
}

// wasHit reports whether an operation has failed, and which one failed first.
func (x *faultFS) wasHit() (string, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.what, x.what != ""
}

// op counts an operation and returns the error that it fails with, or nil.
func (x *faultFS) op(kind, path string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := opClass{areaOf(path), kind}
	n := x.counts[c]
	x.counts[c]++
	if x.fault.opClass == anyClass {
		n = x.counts[anyClass]
		x.counts[anyClass]++
	} else if x.fault.opClass != c {
		return nil
	}
	if x.off || n < x.fault.n || n > x.fault.n && !x.fault.always || !x.fault.applies(kind) {
		return nil
	}
	if x.what == "" {
		x.what = c.String() + " of " + path
		close(x.hit)
	}
	return &fs.PathError{Op: kind, Path: path, Err: x.fault.err}
}

// image is the disk as a loss of power leaves it now, with so much of what was
// not synced kept.
func (x *faultFS) image(percent int, rng *rand.Rand) (*vfs.MemFS, error) {
	image := x.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	x.mu.Lock()
	defer x.mu.Unlock()
	for path := range x.lost {
		if err := image.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := syncDir(image, filepath.Dir(path)); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// replaced notes what a write is about to replace.
func (x *faultFS) replaced(path string, off int64, n int) error {
	if !x.now().drop {
		return nil
	}
	f, err := x.FS.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	u := undo{off, make([]byte, n)} // zeros beyond the end
	if k, err := f.ReadAt(u.old, off); err != nil && err != io.EOF {
		return fmt.Errorf("%d bytes: %w", k, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dirty[path] = append(x.dirty[path], u)
	return nil
}

// sync does a sync of a file, or fails it.
func (x *faultFS) sync(path string, do func() error) error {
	err := x.op("sync", path)
	x.mu.Lock()
	undos := x.dirty[path]
	x.mu.Unlock()
	if err == nil {
		err = do()
	} else if x.now().drop {
		f, oerr := x.FS.OpenReadWrite(path, dataCategory)
		if oerr != nil {
			return errors.Join(err, oerr)
		}
		for _, u := range slices.Backward(undos) {
			if _, werr := f.WriteAt(u.old, u.off); werr != nil {
				return errors.Join(err, werr)
			}
		}
		f.Close()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dirty[path] = x.dirty[path][len(undos):]
	return err
}

// syncDir does a sync of a directory, or fails it.
func (x *faultFS) syncDir(path string, do func() error) error {
	err := x.op("syncdir", path)
	x.mu.Lock()
	fresh := x.fresh[path]
	x.fresh[path] = nil
	if err != nil && x.fault.drop {
		for _, name := range fresh {
			x.lost[name] = true
		}
	}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	return do()
}

// entered notes that a directory has a new entry.
func (x *faultFS) entered(path string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.lost, path)
	if areaOf(path) == "data" {
		x.fresh[filepath.Dir(path)] = append(x.fresh[filepath.Dir(path)], path)
	}
}

func (x *faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := x.op("create", name); err != nil {
		return nil, err
	}
	f, err := x.FS.Create(name, c)
	if err == nil {
		x.entered(name)
	}
	return x.wrap(name, f, err)
}

func (x *faultFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := x.op("reuse", to); err != nil {
		return nil, err
	}
	f, err := x.FS.ReuseForWrite(from, to, c)
	x.renamed(from, to)
	return x.wrap(to, f, err)
}

func (x *faultFS) renamed(from, to string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dirty[to] = x.dirty[from]
	delete(x.dirty, from)
}

func (x *faultFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := x.op("open", name); err != nil {
		return nil, err
	}
	f, err := x.FS.Open(name, opts...)
	return x.wrap(name, f, err)
}

func (x *faultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := x.op("openrw", name); err != nil {
		return nil, err
	}
	f, err := x.FS.OpenReadWrite(name, c, opts...)
	return x.wrap(name, f, err)
}

func (x *faultFS) OpenDir(name string) (vfs.File, error) {
	if err := x.op("opendir", name); err != nil {
		return nil, err
	}
	f, err := x.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &faultDir{f, x, name}, nil
}

func (x *faultFS) Remove(name string) error {
	if err := x.op("remove", name); err != nil {
		return err
	}
	x.mu.Lock()
	delete(x.dirty, name)
	delete(x.lost, name)
	dir := filepath.Dir(name)
	x.fresh[dir] = slices.DeleteFunc(x.fresh[dir], func(s string) bool { return s == name })
	x.mu.Unlock()
	return x.FS.Remove(name)
}

func (x *faultFS) Rename(from, to string) error {
	if err := x.op("rename", from); err != nil {
		return err
	}
	x.renamed(from, to)
	return x.FS.Rename(from, to)
}

func (x *faultFS) Link(from, to string) error {
	if err := x.op("link", from); err != nil {
		return err
	}
	return x.FS.Link(from, to)
}

func (x *faultFS) RemoveAll(name string) error {
	if err := x.op("remove", name); err != nil {
		return err
	}
	return x.FS.RemoveAll(name)
}

func (x *faultFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := x.op("mkdir", dir); err != nil {
		return err
	}
	return x.FS.MkdirAll(dir, perm)
}

func (x *faultFS) Lock(name string) (io.Closer, error) {
	if err := x.op("lock", name); err != nil {
		return nil, err
	}
	return x.FS.Lock(name)
}

func (x *faultFS) List(dir string) ([]string, error) {
	if err := x.op("list", dir); err != nil {
		return nil, err
	}
	return x.FS.List(dir)
}

func (x *faultFS) Stat(name string) (vfs.FileInfo, error) {
	if err := x.op("stat", name); err != nil {
		return nil, err
	}
	return x.FS.Stat(name)
}

func (x *faultFS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	if err := x.op("usage", path); err != nil {
		return vfs.DiskUsage{}, err
	}
	return x.FS.GetDiskUsage(path)
}

func (x *faultFS) Unwrap() vfs.FS { return x.FS }

// seen returns how many operations of each class there were.
func (x *faultFS) seen() map[opClass]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.counts)
}

func (x *faultFS) wrap(path string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &faultFile{File: f, fs: x, path: path}, nil
}

// A faultFile is a file of a faultFS.
type faultFile struct {
	vfs.File
	fs   *faultFS
	path string
	pos  int64 // where Write goes on; guarded by its caller
}

func (f *faultFile) Write(b []byte) (int, error) {
	n, err := f.put(b, f.pos, f.File.Write)
	f.pos += int64(n)
	return n, err
}

func (f *faultFile) WriteAt(b []byte, off int64) (int, error) {
	return f.put(b, off, func(b []byte) (int, error) { return f.File.WriteAt(b, off) })
}

// put writes b at off, or fails to.
func (f *faultFile) put(b []byte, off int64, write func([]byte) (int, error)) (int, error) {
	fault := f.fs.op("write", f.path)
	if fault != nil {
		if !f.fs.now().short {
			return 0, fault
		}
		b = b[:len(b)/2]
	}
	if err := f.fs.replaced(f.path, off, len(b)); err != nil {
		return 0, err
	}
	n, err := write(b)
	return n, errors.Join(fault, err)
}

func (f *faultFile) Sync() error     { return f.fs.sync(f.path, f.File.Sync) }
func (f *faultFile) SyncData() error { return f.fs.sync(f.path, f.File.SyncData) }

func (f *faultFile) SyncTo(n int64) (full bool, err error) {
	return true, f.fs.sync(f.path, f.File.Sync)
}

func (f *faultFile) Read(b []byte) (int, error) {
	if err := f.fs.op("read", f.path); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

func (f *faultFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fs.op("read", f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *faultFile) Stat() (vfs.FileInfo, error) {
	if err := f.fs.op("fstat", f.path); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// Close fails after closing, as close(2) does.
func (f *faultFile) Close() error {
	return errors.Join(f.fs.op("close", f.path), f.File.Close())
}

// A faultDir is a directory of a faultFS.
type faultDir struct {
	vfs.File
	fs   *faultFS
	path string
}

func (d *faultDir) Sync() error     { return d.fs.syncDir(d.path, d.File.Sync) }
func (d *faultDir) SyncData() error { return d.fs.syncDir(d.path, d.File.SyncData) }
