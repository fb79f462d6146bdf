package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// settle waits until the folder has done all that was asked of it.
func (s *Store) settle(name string) {
	sl, err := s.acquire(ctx, name)
	if err != nil {
		panic(err)
	}
	defer s.release(sl)
	f := &s.folder
	for {
		f.mu.Lock()
		idle := len(f.todo) == 0 && !f.busy
		ran := f.ran
		f.mu.Unlock()
		if idle {
			return
		}
		<-ran
	}
}

// TestFoldRandomOverwrites overwrites a resource many thousand times:
// every write succeeds, and the map stays smaller than what was written.
func TestFoldRandomOverwrites(t *testing.T) {
	const size, unit, writes = 4 << 20, 64, 20_000
	s, err := Open(t.TempDir(), &Options{FoldExtents: 500, Durability: DurabilityNone, MinFree: -1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a", string(make([]byte, size)))
	rng := rand.New(rand.NewPCG(1, 1))
	model := make(map[int64]uint64)
	for i := range uint64(writes) {
		// Few enough places that most writes hit one that was written before.
		off := rng.Int64N(20_000) * (size / 20_000 / unit * unit)
		b := bytes.Repeat(binary.BigEndian.AppendUint64(nil, i), unit/8)
		if _, err := patch(s, "/a", off, -1, string(b)); err != nil {
			t.Fatalf("write %d at %d: %v", i, off, err)
		}
		model[off] = i
		if i%100 == 0 {
			s.settle("/a")
			sn, err := s.Snapshot(ctx, "/a")
			if err != nil {
				t.Fatal(err)
			}
			n := sn.st.extents.Len()
			sn.Close()
			if n > 1000 {
				t.Fatalf("%d extents after folding, with %d places written", n, len(model))
			}
		}
	}
	s.settle("/a")
	sn, err := s.Snapshot(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	for off, i := range model {
		b := make([]byte, unit)
		if _, err := sn.ReadAt(b, off); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if want := bytes.Repeat(binary.BigEndian.AppendUint64(nil, i), unit/8); !bytes.Equal(b, want) {
			t.Fatalf("at %d: got %x, want %x", off, b[:8], want[:8])
		}
	}
	sn.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFoldMovedResource moves a resource away and back before or while a fold
// copies its bytes. Then it has another space than the fold: what it names is
// not removed when the fold is done, and its former home file is not written.
func TestFoldMovedResource(t *testing.T) {
	for _, when := range []string{"before", "while"} {
		t.Run(when, func(t *testing.T) {
			fs, hook := hooked(vfs.NewMem())
			s := openMem(t, fs, Options{FoldExtents: -1})
			defer closeStore(t, s)
			put(t, s, "/a", "0123456789")
			sl, err := s.acquire(ctx, "/a")
			if err != nil {
				t.Fatal(err)
			}
			defer s.release(sl)
			st := s.pinned(sl)
			move := func() {
				for _, way := range [][2]string{{"/a", "/b"}, {"/b", "/a"}} {
					if _, err := s.Move(ctx, way[0], way[1], nil, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			if when == "before" {
				move()
			}
			var during *Tx
			var once sync.Once
			hook.on(func(op errorfs.Op) error {
				if op.Kind != errorfs.OpFileSyncData {
					return nil
				}
				once.Do(func() {
					if when == "while" {
						move()
					}
					during = begin(t, s, "/a", TxOptions{})
					if home := during.sp.homeID(); home != 0 {
						t.Errorf("writes go to file %d, the home that it had", home)
					}
				})
				return nil
			})
			if err := s.foldRanges(sl, st, ranges.NewSet(ranges.Range{End: st.length})); err != nil {
				t.Fatal(err)
			}
			s.files.unpin(st)
			during.Rollback()
			s.files.janitor.drain()
			if got := read(t, s, "/a"); got != "0123456789" {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestFoldDeadBytes overwrites one small part of a resource again and again:
// the files do not grow without bound, and a fold makes no new version.
func TestFoldDeadBytes(t *testing.T) {
	s, err := Open(t.TempDir(), &Options{Durability: DurabilityNone, MinFree: -1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	const part = 1 << 20
	body := make([]byte, 2*part)
	put(t, s, "/a", string(body))
	var last Result
	for i := range 400 {
		var err error
		b := bytes.Repeat([]byte{byte(i + 1)}, part)
		if last, err = patch(s, "/a", part/2, -1, string(b)); err != nil {
			t.Fatal(err)
		}
		copy(body[part/2:], b)
	}
	s.settle("/a")
	s.files.janitor.drain()
	info, err := s.Stat(ctx, "/a")
	if err != nil || info.Version != last.Info.Version {
		t.Errorf("version %v after folding, was %v (%v)", info.Version, last.Info.Version, err)
	}
	if got := read(t, s, "/a"); got != string(body) {
		t.Error("content differs after folding")
	}
	if n := dataBytes(t, s); n > 300<<20 {
		t.Errorf("%d MiB on disk for a resource of 2 MiB", n>>20)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// dataBytes adds up the sizes of all data files.
func dataBytes(t *testing.T, s *Store) (n int64) {
	t.Helper()
	fs := s.opts.FS
	for d := range s.files.dirs {
		names, err := fs.List(s.files.dirPath(d))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := fs.Stat(fs.PathJoin(s.files.dirPath(d), name))
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size()
		}
	}
	return n
}

// TestFoldRacesWithWrites folds while the same bytes are overwritten, and a
// snapshot from before stays what it was.
func TestFoldRacesWithWrites(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{FoldExtents: 8})
	const size = 4096
	body := make([]byte, size)
	put(t, s, "/a", string(body))
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		sn, err := s.Snapshot(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(body)
		for range 5 {
			off := rng.IntN(size - 16)
			b := fmt.Appendf(nil, "%08d%08d", round, off)
			if _, err := patch(s, "/a", int64(off), -1, string(b)); err != nil {
				t.Fatal(err)
			}
			copy(body[off:], b)
		}
		var got bytes.Buffer
		if _, err := sn.WriteRange(&got, ranges.Range{End: size}); err != nil || !bytes.Equal(got.Bytes(), before) {
			t.Fatalf("round %d: snapshot changed (%v)", round, err)
		}
		sn.Close()
		if got := read(t, s, "/a"); got != string(body) {
			t.Fatalf("round %d: content differs", round)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
