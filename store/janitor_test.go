package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/infill-http/infill/ranges"
)

// truncateFS is that of the operating system, and tells of each truncation
// after it was done.
type truncateFS struct {
	diskFS
	after func(size int64)
}

func (fs truncateFS) truncate(name string, size int64) error {
	err := fs.diskFS.truncate(name, size)
	fs.after(size)
	return err
}

// TestUnlinkStops closes a store while a large file is removed: that ends
// between two pieces of it, and the next process goes on.
func TestUnlinkStops(t *testing.T) {
	const size = 4*unlinkStep + 1000
	dir := filepath.Join(t.TempDir(), "store")
	var s *Store
	var steps []int64
	fs := truncateFS{DiskFS.(diskFS), func(size int64) {
		if steps = append(steps, size); len(steps) == 2 {
			j := &s.files.janitor
			j.mu.Lock()
			j.stop = true // as Close does
			j.cond.Broadcast()
			j.mu.Unlock()
		}
	}}
	open := func() {
		t.Helper()
		var err error
		if s, err = Open(dir, &Options{FS: fs, InlineSize: -1}); err != nil {
			t.Fatal(err)
		}
	}
	open()
	body := pattern(1000)
	for _, off := range []int64{0, 3 * unlinkStep, size - 1000} {
		if _, err := patch(s, "/a", off, size, body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := patch(s, "/b", 0, 1000, body); err != nil {
		t.Fatal(err)
	}
	path := s.files.path(s.slots["/a"].pub.Load().home)
	if err := s.Delete(ctx, "/a", nil); err != nil {
		t.Fatal(err)
	}
	s.files.janitor.drain()
	closeStore(t, s)
	info, err := os.Stat(path)
	if err != nil || len(steps) != 2 || info.Size() != steps[1] {
		t.Fatalf("after truncation to %v: %v, %v", steps, info, err)
	}
	open()
	s.files.janitor.drain()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatalf("the file is there after the next start: %v", err)
	}
	if got := statOf(t, s, "/b").Received; !got.Equal(ranges.NewSet(ranges.Range{End: 1000})) {
		t.Errorf("received %v", got)
	}
	verifyStore(t, s)
	closeStore(t, s)
}
