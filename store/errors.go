package store

import (
	"errors"
	"fmt"

	"github.com/infill-http/infill/ranges"
)

// Errors of the store. Details wrap them; test with errors.Is.
var (
	// ErrNotFound says that the name has no resource.
	ErrNotFound = errors.New("no such resource")
	// ErrRangeConflict says that a fill carries bytes that differ from committed ones.
	ErrRangeConflict = errors.New("range conflicts with committed bytes")
	// ErrNotAdjacent says that a write begins beyond the end of a resource
	// whose complete-length is unknown or fixed.
	ErrNotAdjacent = errors.New("write is not adjacent to the committed bytes")
	// ErrLengthConflict says that a complete-length, or the end of a write,
	// contradicts the complete-length that the resource has.
	ErrLengthConflict = errors.New("complete-length conflict")
	// ErrMetadataConflict says that a write names another content coding than
	// the resource has, or another digest than was declared for it.
	ErrMetadataConflict = errors.New("metadata conflict")
	// ErrReplaced says that the resource a transaction began on was deleted,
	// moved or replaced before the transaction could commit.
	ErrReplaced = errors.New("resource was replaced while it was written")
	// ErrIncomplete says that the operation needs a complete resource.
	ErrIncomplete = errors.New("resource is incomplete")
	// ErrSameName says that source and destination are one name.
	ErrSameName = errors.New("source and destination are the same")
	// ErrDigestMismatch says that [0,N) is covered and durable, but does not
	// have the digest that was declared; the resource stays incomplete.
	ErrDigestMismatch = errors.New("declared digest does not match the content")
	// ErrTooManyRanges says that a commit would make more ranges of an
	// incomplete resource than Options.MaxRanges. A range that touches what is
	// there is never refused so, be it one to a hole that damage has left.
	ErrTooManyRanges = errors.New("too many separate ranges")
	// ErrTooLarge says that a write would end, or a length lie, beyond Options.MaxLength.
	ErrTooLarge = errors.New("length limit exceeded")
	// ErrFull says that the file system is below Options.MinFree, or is full.
	ErrFull = errors.New("no space left")
	// ErrReadOnly says that the store refuses all writes until it is opened
	// again: an I/O error made it so, or it was opened with Options.ReadOnly.
	ErrReadOnly = errors.New("store is read-only")
	// ErrCorrupt says that stored bytes or keys are not what was written.
	ErrCorrupt = errors.New("store is corrupt")
	// ErrDamaged says that bytes were committed and the disk does not return
	// them as they were. Writing them again heals the resource.
	ErrDamaged = errors.New("stored bytes are damaged")
	// ErrClosed says that the store, transaction or snapshot is closed.
	ErrClosed = errors.New("closed")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrFormat says that the directory holds a store of a newer format, or no store.
	ErrFormat = errors.New("unknown store format")
	// ErrUnclean says that a store last used with DurabilityNone was not
	// closed cleanly, so that its content cannot be trusted.
	ErrUnclean = errors.New("store was written without durability and not closed cleanly")
)

// A RangeError is an ErrRangeConflict, ErrNotAdjacent, ErrLengthConflict,
// ErrTooLarge or ErrDamaged with the numbers that a client needs to correct itself.
type RangeError struct {
	Err    error        // one of the sentinels
	Range  ranges.Range // the offending part of the write, or the damaged bytes; half-open
	Offset int64        // K of the resource, in bytes
	Length int64        // N of the resource, in bytes, or -1; for ErrTooLarge, Options.MaxLength
}

func (e *RangeError) Error() string {
	if e.Length < 0 {
		return fmt.Sprintf("%v: %v, committed to %d", e.Err, e.Range, e.Offset)
	}
	return fmt.Sprintf("%v: %v, committed to %d of %d", e.Err, e.Range, e.Offset, e.Length)
}

func (e *RangeError) Unwrap() error { return e.Err }
