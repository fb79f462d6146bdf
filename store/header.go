package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
)

// A header is what the store knows of itself.
//
//	value of key 0x00: | version (4, big-endian) | flags (1) | secret (32) |
type header struct {
	version  uint32
	flags    byte
	secret   [32]byte
	nextFile fileID // of key 0x01: the first id that was never handed out
}

// flagUndurable says that a process with DurabilityNone has the store open,
// or had, and did not close it.
const flagUndurable = 1

// readHeader reads the header and marks the store for this process; a new
// store gets its directories and a header.
func (s *Store) readHeader() (header, error) {
	var h header
	v, err := s.get([]byte{kindHeader})
	if err != nil {
		return h, err
	}
	if v == nil {
		h = header{version: formatVersion, nextFile: 1}
		rand.Read(h.secret[:])
		if err := s.makeDirs(); err != nil {
			return h, err
		}
		return h, s.writeHeader(h, s.opts.Durability)
	}
	if len(v) < 4 {
		return h, fmt.Errorf("%w: header", ErrCorrupt)
	}
	if h.version = binary.BigEndian.Uint32(v); h.version != formatVersion {
		return h, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, h.version, formatVersion)
	}
	if len(v) != 4+1+len(h.secret) {
		return h, fmt.Errorf("%w: header", ErrCorrupt)
	}
	h.flags = v[4]
	copy(h.secret[:], v[5:])
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
	if h.flags&flagUndurable != 0 && s.opts.Durability == DurabilitySync {
		return h, ErrUnclean
	}
	return h, s.writeHeader(h, s.opts.Durability)
}

func (s *Store) writeHeader(h header, d Durability) error {
	h.flags &^= flagUndurable
	if d == DurabilityNone {
		h.flags |= flagUndurable
	}
	v := binary.BigEndian.AppendUint32(nil, h.version)
	v = append(v, h.flags)
	v = append(v, h.secret[:]...)
	return s.db.Set([]byte{kindHeader}, v, pebble.Sync)
}

// closeHeader takes the mark of DurabilityNone off again, after making
// durable all that was written under it.
func (s *Store) closeHeader() error {
	if s.opts.Durability == DurabilitySync || s.writable() != nil {
		return nil
	}
	if err := s.files.syncAll(); err != nil {
		return err
	}
	h := header{version: formatVersion}
	copy(h.secret[:], s.secret)
	return s.writeHeader(h, DurabilitySync)
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
	for _, path := range []string{s.files.dir, s.dir, filepath.Dir(s.dir)} {
		dir, err := fs.OpenDir(path)
		if err != nil {
			return err
		}
		if err := dir.Sync(); err != nil {
			dir.Close()
			return err
		}
		if err := dir.Close(); err != nil {
			return err
		}
	}
	return nil
}
