package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A header is what the store knows of itself.
//
//	value of key 0x00: | version (4, big-endian) | secret (32) |
type header struct {
	version  uint32
	secret   [32]byte
	nextFile fileID // of key 0x01: the first id that was never handed out
}

// readHeader reads the header; a new store gets its directories and a header.
func (s *Store) readHeader() (header, error) {
	var h header
	v, err := s.get([]byte{kindHeader})
	if err != nil {
		return h, err
	}
	if v == nil && s.opts.ReadOnly {
		return h, fmt.Errorf("%w: no header", ErrFormat)
	}
	if v == nil {
		h = header{version: formatVersion, nextFile: 1}
		rand.Read(h.secret[:])
		if err := s.makeDirs(); err != nil {
			return h, err
		}
		return h, s.writeHeader(h)
	}
	if len(v) < 4 {
		return h, fmt.Errorf("%w: header", ErrCorrupt)
	}
	if h.version = binary.BigEndian.Uint32(v); h.version != formatVersion {
		return h, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, h.version, formatVersion)
	}
	if len(v) != 4+len(h.secret) {
		return h, fmt.Errorf("%w: header", ErrCorrupt)
	}
	copy(h.secret[:], v[4:])
	next, err := s.get([]byte{kindNextID})
	if err != nil {
		return h, err
	}
	h.nextFile = 1
	if next != nil {
		if len(next) != 8 {
			return h, fmt.Errorf("%w: next file id", ErrCorrupt)
		}
		h.nextFile = fileID(binary.BigEndian.Uint64(next))
	}
	return h, nil
}

func (s *Store) writeHeader(h header) error {
	v := binary.BigEndian.AppendUint32(nil, h.version)
	v = append(v, h.secret[:]...)
	return s.db.Set([]byte{kindHeader}, v, pebble.Sync)
}

// makeRoot makes the directory of the store and those above it, durably as
// far as they are not there yet.
func makeRoot(fs vfs.FS, dir string) error {
	var made []string
	for path := dir; ; path = filepath.Dir(path) {
		if _, err := fs.Stat(path); err == nil || filepath.Dir(path) == path {
			break
		}
		made = append(made, filepath.Dir(path))
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, path := range made {
		if err := syncDir(fs, path); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// makeDirs makes the directories of the data files, durably, before the
// header says that they are there.
func (s *Store) makeDirs() error {
	fs := s.opts.FS
	for d := range s.files.dirs {
		if err := fs.MkdirAll(s.files.dirPath(d), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(fs, s.files.dir), syncDir(fs, s.dir))
}
