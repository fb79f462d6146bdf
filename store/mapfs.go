package store

import (
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// mapFS is the file system that pebble has for the map. While the store is
// open it gives errors of writing their meaning before pebble does:
//
//	file       error                    pebble would                   here
//	log        write, sync, create      keep it for a later commit,    the process ends
//	                                    or panic in some request
//	directory  sync                     panic, or repeat it, which     the process ends
//	                                    proves nothing (invariant 7)
//	table      create, write, sync      begin another one at once,     as for data files; until one
//	                                    for as long as it fails, and   is written, the next one waits
//	                                    hold up commits in the end     and no transaction begins
//	manifest   any                      call Logger.Fatalf             the same
//
// Commits that pebble has taken are visible in the map although their sync
// failed; so nothing may be read from it any more, and only the end of the
// process keeps that from happening. While the store opens, errors are those
// of Open and end nothing; while it closes, those of the log are those of Close.
type mapFS struct {
	vfs.FS
	opts  *Options
	check func(err error) error // [files.check]

	mu      sync.Mutex // guards what follows
	phase   mapPhase
	gaveUp  error // why the map cannot be opened
	trouble error // why the last table could not be written
	since   time.Time

	refused chan struct{} // closed when gaveUp is set
	closing chan struct{} // closed when nothing waits any more
}

type mapPhase int

const (
	mapOpening mapPhase = iota
	mapOpen
	mapClosing
)

func newMapFS(s *Store) *mapFS {
	return &mapFS{
		FS: s.opts.FS, opts: &s.opts, check: (&files{fail: s.fail}).check,
		refused: make(chan struct{}), closing: make(chan struct{}),
	}
}

// open opens the map. After an error of writing, pebble would wait there for
// ever, panic in a goroutine of its own, or end the process; here all that is
// an error. What pebble has begun then stays as it is and does nothing more,
// and the directory stays locked, for as long as the process runs.
func (m *mapFS) open(dir string, po *pebble.Options) (*pebble.DB, error) {
	var db *pebble.DB
	opened := make(chan error, 1)
	go func() {
		var err error
		db, err = pebble.Open(dir, po)
		opened <- err
	}()
	select {
	case err := <-opened:
		m.mu.Lock()
		defer m.mu.Unlock()
		if err == nil {
			err = m.gaveUp
		}
		if err == nil {
			m.phase = mapOpen
			return db, nil
		}
		return nil, err
	case <-m.refused:
		return nil, m.gaveUp
	}
}

// close begins the closing of the map.
func (m *mapFS) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = mapClosing
	close(m.closing)
}

// fatal is the end of the map, and of the process unless the store is only
// being opened. It does not return.
func (m *mapFS) fatal(err error) {
	m.mu.Lock()
	if m.phase == mapOpening {
		if m.gaveUp == nil {
			m.gaveUp = err
			close(m.refused)
		}
		m.mu.Unlock()
		select {}
	}
	m.mu.Unlock()
	m.opts.fatal("the map cannot be written", err)
}

// A mapFileKind says what an error of writing a file means.
type mapFileKind int

const (
	mapOther mapFileKind = iota // pebble deals with it
	mapLog
	mapDir
	mapTable
)

func mapKind(path string) mapFileKind {
	switch filepath.Ext(path) {
	case ".log":
		return mapLog
	case ".sst":
		return mapTable
	}
	return mapOther
}

// verdict gives an error of writing its meaning, and returns it.
func (m *mapFS) verdict(kind mapFileKind, err error) error {
	if err == nil {
		return nil
	}
	m.mu.Lock()
	phase := m.phase
	m.mu.Unlock()
	switch {
	case kind == mapDir, kind == mapLog && phase == mapOpen, kind == mapTable && phase == mapOpening:
		m.fatal(err)
	case kind == mapTable && phase == mapOpen:
		trouble := m.check(err)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.trouble, m.since = trouble, time.Now()
	}
	return err
}

// written notes that a table is durable.
func (m *mapFS) written() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = nil
}

// writable returns why tables of the map cannot be written at present, or nil.
func (m *mapFS) writable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

// pause waits until a table may be begun.
func (m *mapFS) pause() {
	m.mu.Lock()
	trouble, left := m.trouble, m.opts.retry-time.Since(m.since)
	m.mu.Unlock()
	if trouble == nil || left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.closing:
	}
}

// Unwrap is for pebble, see [vfs.Root].
func (m *mapFS) Unwrap() vfs.FS { return m.FS }

func (m *mapFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	kind := mapKind(name)
	if kind == mapTable {
		m.pause()
	}
	f, err := m.FS.Create(name, c)
	return m.wrap(kind, f, err)
}

func (m *mapFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.ReuseForWrite(from, to, c)
	return m.wrap(mapKind(to), f, err)
}

func (m *mapFS) OpenDir(name string) (vfs.File, error) {
	f, err := m.FS.OpenDir(name) // while the store opens
	if err != nil {
		return nil, err
	}
	return &mapFile{f, m, mapDir}, nil
}

// Remove logs what is not removed; it is tried again when the store opens.
func (m *mapFS) Remove(name string) error {
	err := m.FS.Remove(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.opts.Logger.Error("cannot remove file of the map", slog.String("path", name), slog.Any("err", err))
	}
	return err
}

func (m *mapFS) wrap(kind mapFileKind, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, m.verdict(kind, err)
	}
	return &mapFile{f, m, kind}, nil
}

// A mapFile is a file that pebble writes, or a directory that it syncs.
type mapFile struct {
	vfs.File
	fs   *mapFS
	kind mapFileKind
}

func (f *mapFile) verdict(err error) error { return f.fs.verdict(f.kind, err) }

func (f *mapFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, f.verdict(err)
}

func (f *mapFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(b, off)
	return n, f.verdict(err)
}

func (f *mapFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.verdict(err)
}

// Sync of a table is the last that is done to it.
func (f *mapFile) Sync() error     { return f.synced(f.File.Sync()) }
func (f *mapFile) SyncData() error { return f.synced(f.File.SyncData()) }

func (f *mapFile) synced(err error) error {
	if err == nil && f.kind == mapTable {
		f.fs.written()
	}
	return f.verdict(err)
}

func (f *mapFile) SyncTo(n int64) (bool, error) {
	full, err := f.File.SyncTo(n)
	return full, f.verdict(err)
}

func (f *mapFile) Close() error {
	err := f.File.Close()
	if f.kind == mapDir {
		return err // nothing depends on it
	}
	return f.verdict(err)
}
