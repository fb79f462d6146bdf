package store

import (
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// mapOptions returns how pebble keeps the map: small records and the bytes of
// small writes, asked for one key at a time, committed by many at once.
func (s *Store) mapOptions(lock *pebble.Lock, cache *pebble.Cache) *pebble.Options {
	log := pebbleLogger{s.opts.Logger, s.mapFS.fatal}
	po := &pebble.Options{
		FS:            markerFS{s.mapFS},
		ReadOnly:      s.opts.ReadOnly,
		Lock:          lock,
		Cache:         cache,
		Logger:        log,
		EventListener: log.events(),

		// The log says how far it was synced, so that damage in the middle of
		// it is an error and not its end.
		FormatMajorVersion: pebble.FormatWALSyncChunks,

		// A second of small creations. What a table of it holds is what opening
		// after a crash replays; four times as much gave no more throughput.
		MemTableSize: 16 << 20,
		// Commits wait for everything while that many are full: a flush that is
		// slow once should not be seen by clients.
		MemTableStopWritesThreshold: 4,
		// The same for tables that wait to be merged. Reads of an absent name
		// ask the filter of each, which is cheap, so there may be many.
		L0StopWritesThreshold: 64,
		// One merge at a time as long as it keeps up, leaving the cores to
		// requests; more when it does not.
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, max(1, min(4, runtime.GOMAXPROCS(0)/2)) },
	}
	for i := range po.Levels {
		// Nearly every request asks for a name, and many for one that is
		// absent: ten bits for a key spare 99 of 100 reads of a table in vain.
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return po
}
