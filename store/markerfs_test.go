package store

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestCrashWhileOpening loses power at every moment of an open, and of one
// that follows: what was acknowledged before is there.
func TestCrashWhileOpening(t *testing.T) {
	fs, c := crashable(vfs.NewCrashableMem())
	s := openMem(t, fs, Options{})
	put(t, s, "/a", "0123456789")
	image := arm{percent: 50, seed: 1}.image(c.mem, 0, "before the first")
	closeStore(t, s)
	for round := range 2 {
		fs, c := crashable(image.mem)
		for percent := 0; percent <= 100; percent += 20 {
			c.arms = append(c.arms, arm{every: slow, percent: percent, seed: uint64(percent)})
		}
		s := openMem(t, fs, Options{})
		images := c.take()
		closeStore(t, s)
		for _, image := range images {
			s, err := Open("store", &Options{FS: image.mem, MinFree: -1, Logger: quiet()})
			if err != nil {
				t.Fatalf("round %d, %s: %v", round, image.label, err)
			}
			if got := read(t, s, "/a"); got != "0123456789" {
				t.Fatalf("round %d, %s: got %q", round, image.label, got)
			}
			closeStore(t, s)
		}
		image = images[len(images)/2]
	}
}

// TestMarkers: what a marker names, and the marker, are durable before the
// marker before them goes.
func TestMarkers(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	var synced bool
	var markers int
	h.onMap(func(op errorfs.Op) error {
		switch marker := strings.HasPrefix(op.Path, "store/map/marker."); {
		case op.Kind == errorfs.OpFileSync && op.Path == "store/map":
			synced = true
		case marker && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpRemove):
			if markers++; !synced {
				t.Errorf("%s: operation %d without a sync of the directory before", op.Path, op.Kind)
			}
			synced = false
		case op.Kind == errorfs.OpCreate:
			synced = false
		}
		return nil
	})
	for range 2 {
		closeStore(t, openMem(t, fs, Options{}))
	}
	if markers < 4 {
		t.Errorf("%d markers", markers)
	}
}
