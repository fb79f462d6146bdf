//go:build !linux

package store

import "github.com/cockroachdb/pebble/v2/vfs"

// startWriteback does nothing: the sync writes everything.
func startWriteback(vfs.File, int64, int64) error { return nil }

// canSyncRange says that there is only the sync of a whole file.
const canSyncRange = false

func syncRange(f vfs.File, _, _ int64) error { return f.SyncData() }
