package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/infill-http/infill/ranges"
)

// openDisk opens a new store on the disk.
func openDisk(t testing.TB, o Options) *Store {
	t.Helper()
	o.MinFree, o.Logger = -1, quiet()
	s, err := Open(t.TempDir(), &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dataDescriptors returns how many descriptors of data files of s the process has.
func dataDescriptors(t *testing.T, s *Store) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	n := 0
	for _, fd := range fds {
		name, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.HasPrefix(name, s.files.dir+string(filepath.Separator)) {
			n++
		}
	}
	return n
}

// A sectionReader takes sections in one of the ways there are.
type sectionReader struct {
	bytes.Buffer
	how int
}

const (
	bySharedFile = iota
	byOwnFile
	byRead
	sectionWays
)

func (w *sectionReader) ReadFrom(r io.Reader) (int64, error) {
	limited := r.(*io.LimitedReader)
	sc := limited.R.(*section)
	switch w.how {
	case bySharedFile:
		f, off := sc.FileAt()
		n, err := w.Buffer.ReadFrom(io.NewSectionReader(f, off, limited.N))
		if err == nil {
			_, err = sc.Seek(n, io.SeekCurrent)
		}
		return n, err
	case byOwnFile:
		// A bit of it is read first, as net/http does.
		first, err := io.CopyN(&w.Buffer, sc, min(limited.N, 512))
		if err != nil {
			return first, err
		}
		if _, err := sc.SyscallConn(); err != nil {
			return first, err
		}
		n, err := w.Buffer.ReadFrom(io.LimitReader(sc.own, limited.N-first))
		return first + n, err
	}
	return w.Buffer.ReadFrom(r)
}

// TestSectionsShared lets many read different ranges of the same few files, in
// every way, while the resources are overwritten and deleted: what a snapshot
// has stays, however few files are kept open, and in the end none is open
// whose resource is gone.
func TestSectionsShared(t *testing.T) {
	const size, names, keep = 200_000, 6, 2
	s := openDisk(t, Options{MaxOpenFiles: keep, InlineSize: -1})
	body := func(version int) string { return pattern(size + version)[version:] }
	name := func(i int) string { return fmt.Sprintf("/%d", i) }
	for i := range names {
		put(t, s, name(i), body(0))
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	var g errgroup.Group
	for k := range uint64(8) {
		g.Go(func() error {
			rng := rand.New(rand.NewPCG(seed, k))
			for range 20 {
				sn, err := s.Snapshot(ctx, name(rng.IntN(names)))
				if err != nil {
					return err
				}
				revision := sn.Info().Revision
				var all bytes.Buffer
				if _, err := sn.WriteRange(&all, ranges.Range{End: size}); err != nil {
					return err
				}
				for range 4 {
					r := ranges.Range{Start: rng.Int64N(size)}
					r.End = r.Start + 1 + rng.Int64N(size-r.Start)
					w := &sectionReader{how: rng.IntN(sectionWays)}
					n, err := sn.WriteRange(w, r)
					if err != nil || n != r.Len() || !bytes.Equal(w.Bytes(), all.Bytes()[r.Start:r.End]) {
						return fmt.Errorf("revision %d, %v in way %d: %d bytes, %w", revision, r, w.how, n, err)
					}
				}
				sn.Close()
			}
			return nil
		})
	}
	g.Go(func() error { // the files of what was there before go while they are read
		rng := rand.New(rand.NewPCG(seed, 100))
		for i := range 20 {
			put(t, s, name(rng.IntN(names)), body(1+i%3))
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	s.files.janitor.drain()
	if n := dataDescriptors(t, s); n > keep {
		t.Errorf("%d data files are open, want at most %d", n, keep)
	}
	for i := range names {
		if err := s.Delete(ctx, name(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.files.janitor.drain()
	if n := dataDescriptors(t, s); n != 0 {
		t.Errorf("%d removed files are open", n)
	}
	closeStore(t, s)
}

// TestHotWithoutMap reads a resource that was read before with the map closed:
// nothing of that is needed.
func TestHotWithoutMap(t *testing.T) {
	const size = 100_000
	s := openDisk(t, Options{InlineSize: -1})
	body := pattern(size)
	put(t, s, "/a", body)
	s.files.janitor.drain()
	if err := s.db.Close(); err != nil { // after which each call of it panics; so s is not closed
		t.Fatal(err)
	}
	defer s.files.handles.close()
	info, err := s.Stat(ctx, "/a")
	if err != nil || !info.Complete || info.Damaged() {
		t.Fatal(info, err)
	}
	for how := range sectionWays {
		sn, err := s.Snapshot(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		w := &sectionReader{how: how}
		if _, err := sn.WriteRange(w, ranges.Range{Start: 1, End: size}); err != nil || w.String() != body[1:] {
			t.Errorf("in way %d: %d bytes, %v", how, w.Len(), err)
		}
		sn.Close()
	}
	if err := s.lock.Close(); err != nil {
		t.Error(err)
	}
}

// TestSectionOfShortFile: a file that ends too early is a fault in each way to
// read it, and what was read before it tells how much there was.
func TestSectionOfShortFile(t *testing.T) {
	const size, left = 100_000, 60_000
	s := openDisk(t, Options{InlineSize: -1})
	body := pattern(size)
	put(t, s, "/a", body)
	sn, err := s.Snapshot(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sn.WriteRange(io.Discard, ranges.Range{End: size}); err != nil { // so that it is open
		t.Fatal(err)
	}
	if err := os.Truncate(s.files.path(sn.st.home), left); err != nil {
		t.Fatal(err)
	}
	for how := range sectionWays {
		w := &sectionReader{how: how}
		n, err := sn.WriteRange(w, ranges.Range{Start: 10, End: size})
		if !errors.Is(err, ErrCorrupt) || n != left-10 || w.String() != body[10:left] {
			t.Errorf("in way %d: %d bytes, %v", how, n, err)
		}
	}
	sn.Close()
	closeStore(t, s)
}

// TestSectionToConnection sends a section through a connection of package net.
func TestSectionToConnection(t *testing.T) {
	const size = 1 << 20
	s := openDisk(t, Options{})
	body := pattern(size)
	put(t, s, "/a", body)
	sn, err := s.Snapshot(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var g errgroup.Group
	g.Go(func() error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		n, err := sn.WriteRange(c, ranges.Range{Start: 1, End: size})
		if err == nil && n != size-1 {
			err = fmt.Errorf("sent %d bytes", n)
		}
		return errors.Join(err, c.Close())
	})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err != nil || string(got) != body[1:] {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	sn.Close()
	closeStore(t, s)
}

// TestOutputGathers: many small extents are few writes, in order, also between
// longer ones that are sections.
func TestOutputGathers(t *testing.T) {
	const size = 400_000
	s := openDisk(t, Options{InlineSize: -1, FoldExtents: -1})
	put(t, s, "/a", pattern(size))
	want := []byte(pattern(size))
	for off := int64(0); off < 200_000; off += 1000 {
		overwrite(t, s, "/a", off, "0123456789")
		copy(want[off:], "0123456789")
	}
	sn, err := s.Snapshot(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []ranges.Range{{End: size}, {Start: 5, End: 150_000}, {Start: 3, End: 4}, {Start: 199_000, End: 300_000}} {
		w := &writeCounter{}
		n, err := sn.WriteRange(w, r)
		if err != nil || n != r.Len() || !bytes.Equal(w.Bytes(), want[r.Start:r.End]) {
			t.Fatalf("%v: %d bytes, %v", r, n, err)
		}
		if w.writes > 2 || w.sections > 1 {
			t.Errorf("%v: %d writes and %d sections", r, w.writes, w.sections)
		}
	}
	sn.Close()
	closeStore(t, s)
}

// A writeCounter counts what it is given.
type writeCounter struct {
	bytes.Buffer
	writes, sections int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func (w *writeCounter) ReadFrom(r io.Reader) (int64, error) {
	w.sections++
	return w.Buffer.ReadFrom(r)
}
