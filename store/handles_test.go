package store

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// A countedFile says how often it was closed.
type countedFile struct {
	closed int
}

func (f *countedFile) ReadAt([]byte, int64) (int, error) { return 0, nil }

func (f *countedFile) Close() error {
	f.closed++
	return nil
}

// countedHandles returns handles of files that are counted, and those files.
func countedHandles(max int) (*handles, *[]*countedFile) {
	var opened []*countedFile
	return newHandles(func(id fileID) (*handle, error) {
		if id == 0 {
			return nil, errors.New("no such file")
		}
		f := new(countedFile)
		opened = append(opened, f)
		return &handle{id: id, r: f}, nil
	}, max), &opened
}

func countOpen(files []*countedFile) (n int) {
	for _, f := range files {
		if f.closed == 0 {
			n++
		}
	}
	return n
}

// TestHandlesLeastRecent: of the files that nobody reads, those used last stay open.
func TestHandlesLeastRecent(t *testing.T) {
	hs, opened := countedHandles(3)
	use := func(id fileID) {
		t.Helper()
		h, err := hs.get(id)
		if err != nil {
			t.Fatal(err)
		}
		hs.put(h, nil)
	}
	for _, id := range []fileID{1, 2, 3, 1, 4, 1, 3} { // 4 takes the place of 2
		use(id)
	}
	if n := len(*opened); n != 4 {
		t.Errorf("%d files were opened, want 4", n)
	}
	use(2)
	if n := len(*opened); n != 5 {
		t.Errorf("%d files were opened, want 5", n)
	}
	if _, err := hs.get(0); err == nil {
		t.Error("got a handle of a file that cannot be opened")
	}
	hs.close()
	if n := countOpen(*opened); n != 0 {
		t.Errorf("%d files are open after close", n)
	}
}

// TestHandlesModel does random things and expects that no file is closed while
// it is used, or twice, that no more are open than are allowed or used, and
// that a file which was dropped, or could not be read, is opened anew.
func TestHandlesModel(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const max, ids = 4, 10
	hs, opened := countedHandles(max)
	var used []*handle
	stale := make(map[*handle]bool) // may not be got again
	for range 20_000 {
		switch id := fileID(1 + rng.IntN(ids)); {
		case len(used) < 8 && rng.IntN(2) == 0:
			h, err := hs.get(id)
			if err != nil || h.id != id || stale[h] {
				t.Fatalf("got %v of file %d, stale: %v, %v", h, id, stale[h], err)
			}
			used = append(used, h)
		case rng.IntN(20) == 0:
			for _, h := range used {
				if h.id == id {
					stale[h] = true
				}
			}
			hs.drop(id)
		case len(used) > 0:
			i := rng.IntN(len(used))
			h := used[i]
			used = slices.Delete(used, i, i+1)
			var err error
			if rng.IntN(10) == 0 {
				err, stale[h] = errors.New("it cannot be read"), true
			}
			hs.put(h, err)
		}
		distinct := make(map[*handle]bool)
		for _, h := range used {
			distinct[h] = true
			if h.r.(*countedFile).closed > 0 {
				t.Fatalf("file %d was closed while it is used", h.id)
			}
		}
		for _, f := range *opened {
			if f.closed > 1 {
				t.Fatal("a file was closed twice")
			}
		}
		*opened = slices.DeleteFunc(*opened, func(f *countedFile) bool { return f.closed > 0 })
		unused := 0
		for _, h := range hs.all {
			if h.users == 0 {
				unused++
			}
		}
		if n := len(*opened); unused != hs.unused || n != len(distinct)+unused || unused > 0 && len(hs.all) > max {
			t.Fatalf("%d files are open, %d used, %d kept (%d)", n, len(distinct), unused, hs.unused)
		}
	}
	for _, h := range used {
		hs.put(h, nil)
	}
	hs.close()
	if n := countOpen(*opened); n != 0 || hs.unused != 0 || hs.lru.Len() != 0 {
		t.Errorf("%d files are open after close", n)
	}
}
