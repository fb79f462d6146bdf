package store

import (
	"io"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// A pageCache is a file system on which what is written to a data file stays
// in memory until it is synced, and which can make a part of a file durable:
// that part and nothing else of it reaches the file system below, which is the
// disk. Readers see all that was written.
type pageCache struct {
	vfs.FS
	mu    sync.Mutex
	files map[string]*cachedFile // by path, from when they are opened for writing
}

// A cachedFile is a data file as it is in memory.
type cachedFile struct {
	mu    sync.Mutex
	b     []byte
	dirty ranges.Set // of b: not on the disk
}

func newPageCache(fs vfs.FS) *pageCache {
	return &pageCache{FS: fs, files: make(map[string]*cachedFile)}
}

var _ rangeSyncer = (*pageCache)(nil)

func isData(path string) bool { return strings.HasPrefix(path, filepath.Join("store", "data")) }

// get returns what is in memory of a file, or nil.
func (pc *pageCache) get(path string) *cachedFile {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return pc.files[path]
}

func (pc *pageCache) OpenReadWrite(path string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := pc.FS.OpenReadWrite(path, c, opts...)
	if err != nil || !isData(path) {
		return f, err
	}
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.files[path] == nil {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		b := make([]byte, info.Size())
		if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
			return nil, err
		}
		pc.files[path] = &cachedFile{b: b}
	}
	return pageFile{f, pc.files[path]}, nil
}

func (pc *pageCache) Open(path string, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := pc.FS.Open(path, opts...)
	if cf := pc.get(path); err == nil && cf != nil {
		return pageFile{f, cf}, nil
	}
	return f, err
}

func (pc *pageCache) Remove(path string) error {
	err := pc.FS.Remove(path)
	if err == nil {
		pc.mu.Lock()
		defer pc.mu.Unlock()
		delete(pc.files, path)
	}
	return err
}

func (pc *pageCache) syncRange(f vfs.File, off, n int64) error {
	return f.(pageFile).sync(ranges.Range{Start: off, End: off + n})
}

// A pageFile is a data file that is open.
type pageFile struct {
	vfs.File
	in *cachedFile
}

func (f pageFile) ReadAt(b []byte, off int64) (int, error) {
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	n := copy(b, f.in.b[min(off, int64(len(f.in.b))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f pageFile) WriteAt(b []byte, off int64) (int, error) {
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	end := off + int64(len(b))
	if more := end - int64(len(f.in.b)); more > 0 {
		f.in.b = append(f.in.b, make([]byte, more)...)
	}
	copy(f.in.b[off:], b)
	f.in.dirty.Add(ranges.Range{Start: off, End: end})
	return len(b), nil
}

func (f pageFile) SyncData() error {
	f.in.mu.Lock()
	end := int64(len(f.in.b))
	f.in.mu.Unlock()
	return f.sync(ranges.Range{End: end})
}

func (f pageFile) sync(r ranges.Range) error {
	f.in.mu.Lock()
	defer f.in.mu.Unlock()
	for part := range f.in.dirty.Within(r) {
		if _, err := f.File.WriteAt(f.in.b[part.Start:part.End], part.Start); err != nil {
			return err
		}
	}
	f.in.dirty.Sub(r)
	return f.File.SyncData()
}
