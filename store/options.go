package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Durability says what a successful commit promises.
type Durability int

const (
	// DurabilitySync makes bytes and map survive power loss before a commit returns.
	DurabilitySync Durability = iota
	// DurabilityNone never syncs before the store is closed: a crash of the
	// machine may lose or tear anything, one of the process the last
	// commits. For scratch data.
	DurabilityNone
)

// DefaultMaxOpenFiles is the default of [Options.MaxOpenFiles].
const DefaultMaxOpenFiles = 256

// Options configure a store. The zero value of each field means its default,
// and nil Options mean all defaults.
type Options struct {
	// FS holds the map and the bytes. Default: the operating system's files.
	FS vfs.FS
	// Logger receives structured messages. Default: slog.Default().
	Logger *slog.Logger
	// Durability of commits. Default: DurabilitySync.
	Durability Durability
	// ReadOnly opens a store that exists to read and check it. Nothing in the
	// directory changes, and nothing is done in the background. A store that
	// was not closed cleanly opens too, see ErrUnclean. Writes get ErrReadOnly.
	ReadOnly bool
	// MaxLength bounds the complete-length and the end of any write, in
	// bytes. Default: 8 TiB, half of what a file can hold on ext4.
	MaxLength int64
	// MaxRanges bounds the separate committed ranges of an incomplete
	// resource: a commit that makes more of them is refused, one that leaves
	// as many or fewer is not, and neither is what heals damage of a complete
	// resource. Default: 100,000. That many take 8 MB of memory while the
	// resource is in use, and 50 ms to load for the first request after a long
	// time; commits and reads cost the logarithm. Ten times as many would take
	// 0.5 s to load, and all of the cache that CacheExtents allows by default.
	MaxRanges int
	// MinFree is the free space in bytes below which writes get ErrFull;
	// deletions still work. Default: 256 MiB; negative: no floor.
	MinFree int64
	// PersistBytes and PersistInterval say how often a persisting
	// transaction commits while it is written: after so many bytes, or
	// after so long with bytes waiting. Defaults: 32 MiB, 1 s.
	PersistBytes    int64
	PersistInterval time.Duration
	// BufferSize is the size in bytes of the pooled buffers that bodies
	// stream through. Default: 256 KiB.
	BufferSize int
	// BufferMemory bounds the bytes of such buffers that all writes together
	// have at a time, beyond a small one for each, of 16 KiB or 4 KiB more
	// than InlineSize. Default: 32 MiB; negative: none.
	BufferMemory int64
	// CacheExtents bounds the extents that resources nobody is using keep
	// in memory, 76 bytes each; a resource counts as 16 more of them. A
	// resource that has more alone is loaded anew for each use. Default:
	// 1,000,000, about 80 MB.
	CacheExtents int
	// MapCache is the size in bytes of the block cache of the map. Default: 64 MiB.
	MapCache int64
	// MaxOpenFiles is how many data files are kept open for reading. More are
	// open only while so many are read at the same time. Default:
	// DefaultMaxOpenFiles; negative: none is kept.
	MaxOpenFiles int
	// InlineSize is the size in bytes up to which a write is kept in the map,
	// at most 256 KiB. Default: 16 KiB; negative: none.
	InlineSize int
	// FoldExtents is the number of extents in a complete resource above
	// which half of them are folded in the background. Default: 131,072;
	// negative: never fold.
	FoldExtents int
	// IncompleteMaxAge is how long after the last commit to it an incomplete
	// resource is removed, unless a transaction on it is in flight or its
	// digest is being verified. At least a second. Default: 0, never. It may
	// be another one each time the store is opened.
	IncompleteMaxAge time.Duration

	// VerifyReads compares every byte that is read with its checksum before
	// it is returned, which costs a pass over the bytes and sendfile. Without
	// it only resources of which bytes were found damaged are read so.
	VerifyReads bool
	// ScrubRate is how many bytes per second are read in the background and
	// compared with their checksums. Default: 0, none.
	ScrubRate int64
	// ScrubInterval is the time from the begin of one pass of that over all
	// files to the begin of the next, at least. Default: 7 days.
	ScrubInterval time.Duration

	clock clock          // nil: that of the machine
	exit  func(code int) // nil: os.Exit. Never returns
	retry time.Duration  // after a failure to write a table of the map; 0: a second
	// ownSync is how many bytes a write has to have for a sync of its own.
	// Smaller ones share the syncs of the file. 0: 1 MiB.
	ownSync int64
}

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	if out.FS == nil {
		out.FS = DiskFS
	}
	if out.clock == nil {
		out.clock = systemClock{}
	}
	if out.exit == nil {
		out.exit = os.Exit
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	def(&out.retry, time.Second)
	def(&out.ownSync, 1<<20)
	def(&out.MaxLength, 8<<40)
	def(&out.MaxRanges, 100_000)
	def(&out.MinFree, 256<<20)
	def(&out.PersistBytes, 32<<20)
	def(&out.PersistInterval, time.Second)
	def(&out.BufferSize, 256<<10)
	def(&out.BufferMemory, 32<<20)
	def(&out.CacheExtents, 1_000_000)
	def(&out.MapCache, 64<<20)
	def(&out.MaxOpenFiles, DefaultMaxOpenFiles)
	def(&out.FoldExtents, 128<<10)
	def(&out.InlineSize, 16<<10)
	def(&out.ScrubInterval, 7*24*time.Hour)

	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	bad(out.Durability != DurabilitySync && out.Durability != DurabilityNone, "unknown durability %d", out.Durability)
	bad(out.MaxLength < 0, "negative MaxLength %d", out.MaxLength)
	bad(out.MaxRanges < 0, "negative MaxRanges %d", out.MaxRanges)
	bad(out.PersistBytes < 0, "negative PersistBytes %d", out.PersistBytes)
	bad(out.PersistInterval < 0, "negative PersistInterval %v", out.PersistInterval)
	bad(out.BufferSize < 4<<10 || out.BufferSize > 64<<20, "BufferSize %d is not between 4 KiB and 64 MiB", out.BufferSize)
	bad(out.CacheExtents < 0, "negative CacheExtents %d", out.CacheExtents)
	bad(out.MapCache < 0, "negative MapCache %d", out.MapCache)
	bad(out.IncompleteMaxAge != 0 && out.IncompleteMaxAge < time.Second, "IncompleteMaxAge %v is below a second", out.IncompleteMaxAge)
	bad(out.InlineSize > 256<<10, "InlineSize %d is more than 256 KiB", out.InlineSize)
	bad(out.ScrubRate < 0, "negative ScrubRate %d", out.ScrubRate)
	bad(out.ScrubInterval < 0, "negative ScrubInterval %v", out.ScrubInterval)
	return out, errors.Join(errs...)
}

// def gives a field that is zero its default.
func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
