package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/infill-http/infill/ranges"
)

// A partFile is a download that is not whole: a sparse file, and a sidecar that says what of it is there. The sidecar is
// replaced in one step. What was written to the file is there after the end of the process, however that ends, and
// goes with the system: so of bytes that were not synced, the sidecar says in which run of the system they were written,
// and they count in that one only. Syncing a file takes longer than receiving it over a fast network.
//
// The next sidecar has space before it is needed, in the file that will replace the last one. So what was received can be
// noted when there is no space left.
type partFile struct {
	*os.File
	dir     fileSystem
	path    string // of the finished file
	sidecar sidecar
	noted   atomic.Bool // there may be a sidecar

	reserved bool // there may be a next one
}

// The suffixes of the files beside the finished one.
const (
	partSuffix       = ".part"
	sidecarSuffix    = ".part.json"
	newSidecarSuffix = ".part.json.new" // the next one
)

const (
	// nextSpace is how many bytes the next sidecar has space for. It may need more, if there is more.
	nextSpace = 8 << 10

	// reserveFrom is the length of the shortest resource for which there is such space from the beginning on.
	reserveFrom = 8 << 20
)

// A sidecar says what a part file has. All ranges are half-open and ascending.
type sidecar struct {
	URL     string     `json:"url"`
	ETag    string     `json:"etag"`
	Length  int64      `json:"length"`
	Ranges  [][2]int64 `json:"ranges"`            // durable
	Boot    string     `json:"boot,omitempty"`    // the bootID with which Written counts
	Written [][2]int64 `json:"written,omitempty"` // there, durable or not
}

// set returns the ranges of s that count. All that s has must be inside of its length.
func (s *sidecar) set() (ranges.Set, error) {
	var durable, written ranges.Set
	for set, list := range map[*ranges.Set][][2]int64{&durable: s.Ranges, &written: s.Written} {
		for _, r := range list {
			if r[0] < 0 || r[1] <= r[0] || r[1] > s.Length {
				return ranges.Set{}, fmt.Errorf("range %d of %d bytes", r, s.Length)
			}
			set.Add(ranges.Range{Start: r[0], End: r[1]})
		}
	}
	if s.Boot == "" || s.Boot != bootID() {
		return durable, nil
	}
	return written.Union(durable), nil
}

// openPart opens the part file for path in dir, for this process alone, and returns what it has of the version st. What is of
// another version is thrown away; stale says so.
func openPart(dir fileSystem, path string, st *State, restart bool) (p *partFile, have ranges.Set, stale bool, err error) {
	f, err := lockedPart(dir, path+partSuffix)
	if err != nil {
		return nil, have, false, err
	}
	p = &partFile{File: f, dir: dir, path: path, sidecar: sidecar{URL: redacted(st.URL), ETag: strongTag(st.ETag), Length: st.Length}}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, have, false, err
	}
	var old sidecar
	text, err := readFile(dir, path+sidecarSuffix)
	p.noted.Store(info.Size() > 0 || err == nil)
	switch {
	case errors.Is(err, fs.ErrNotExist): // nothing was noted
	case err != nil:
		return nil, have, false, err
	default:
		if err := json.Unmarshal(text, &old); err != nil || old.ETag != p.sidecar.ETag || old.ETag == "" || old.Length != st.Length || info.Size() != st.Length || restart {
			stale = true
			break
		}
		if have, err = old.set(); err != nil {
			have, stale = ranges.Set{}, true
			break
		}
		p.sidecar.Ranges = old.Ranges
	}
	if have.Empty() {
		// First the sidecar, or else it would be about what comes into the file now.
		p.sidecar.Ranges = nil
		if err := p.forget(); err != nil {
			return nil, have, false, err
		}
		// Not if it is new: ext4 takes a file that was truncated to nothing for one that is to be replaced, and when it is
		// closed writes all of it to the disk.
		if info.Size() > 0 {
			if err := f.Truncate(0); err != nil {
				return nil, have, false, err
			}
		}
		if st.Length > 0 {
			if err := f.Truncate(st.Length); err != nil {
				return nil, have, false, err
			}
		}
	}
	if st.Length >= reserveFrom {
		p.reserve()
	}
	return p, have, stale && !restart, nil
}

// lockedPart opens the file with that name, or makes it, for this process alone.
func lockedPart(dir fileSystem, name string) (*os.File, error) {
	for {
		f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		ok, err := lockPart(dir, name, f)
		if ok {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// lockPart locks f, and reports whether it has the name of the part file still. It has not if the process that had it
// locked before has finished it: then it must not be touched.
func lockPart(dir fileSystem, name string, f *os.File) (bool, error) {
	if err := lockFile(f); err != nil {
		return false, fmt.Errorf("%w: %s", err, f.Name())
	}
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := dir.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// save notes that the bytes in have are there. With durable set, or if it is not known in which run of the system this
// is, they are synced first.
func (p *partFile) save(have ranges.Set, durable bool) error {
	p.noted.Store(true)
	list := [][2]int64{} // not null, in the text
	for r := range have.All() {
		list = append(list, [2]int64{r.Start, r.End})
	}
	p.sidecar.Boot, p.sidecar.Written = bootID(), list
	if durable || p.sidecar.Boot == "" {
		if err := syncData(p.File); err != nil {
			return err
		}
		p.sidecar.Boot, p.sidecar.Written, p.sidecar.Ranges = "", nil, list
	}
	text, err := json.Marshal(p.sidecar)
	if err != nil {
		return err
	}
	if err := writeFile(p.dir, p.path+newSidecarSuffix, append(text, '\n'), true); err != nil {
		return err
	}
	if err := p.dir.Rename(p.path+newSidecarSuffix, p.path+sidecarSuffix); err != nil {
		return err
	}
	p.reserve()
	return nil
}

// reserve makes space for the next sidecar, if it can.
func (p *partFile) reserve() {
	p.noted.Store(true)
	p.reserved = true
	_ = writeFile(p.dir, p.path+newSidecarSuffix, make([]byte, nextSpace), false)
}

// Close lets others open the part file.
func (p *partFile) Close() error {
	var err error
	if p.reserved {
		err = p.remove(newSidecarSuffix)
	}
	return errors.Join(err, p.File.Close())
}

// remove removes the file with that suffix, if there is one.
func (p *partFile) remove(suffix string) error {
	err := p.dir.Remove(p.path + suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// clearSidecar removes the sidecar of a finished file, which a kill between the last two steps of finish has left.
func clearSidecar(dir fileSystem, path string) error {
	if _, err := dir.Stat(path + partSuffix); !errors.Is(err, fs.ErrNotExist) {
		return err // somebody may be downloading
	}
	p := &partFile{dir: dir, path: path}
	p.noted.Store(true)
	return p.forget()
}

// forget removes the sidecar, so that nothing counts as there, and one that a kill kept from being complete.
func (p *partFile) forget() error {
	if !p.noted.Load() {
		return nil
	}
	return errors.Join(p.remove(sidecarSuffix), p.remove(newSidecarSuffix))
}

// finish gives the file its name. With durable set, it has it after a loss of power too.
func (p *partFile) finish(durable bool) error {
	if durable {
		if err := p.Sync(); err != nil {
			return err
		}
	}
	if err := p.dir.Rename(p.path+partSuffix, p.path); err != nil {
		return err
	}
	if err := p.forget(); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return syncDirectory(p.dir, filepath.Dir(p.path))
}
