package store

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

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
