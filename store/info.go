package store

import (
	"encoding/base64"
	"time"

	"github.com/infill-http/infill/ranges"
)

// An ID is the random 128-bit identity of a resource. It is never reused: a
// replaced or deleted resource takes its ID with it. MOVE keeps it, COPY makes a new one.
type ID [16]byte

// String returns the ID as 22 characters of base64url.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// Append appends the 22 characters of String to b.
func (id ID) Append(b []byte) []byte { return base64.RawURLEncoding.AppendEncode(b, id[:]) }

// Version identifies one observable state of one resource. Two equal versions
// have equal bytes and equal metadata.
type Version struct {
	ID       ID
	Revision uint64 // from 1; grows with every observable change
}

// Metadata is what is stored with a resource beside its bytes. Empty means
// not set; the store does not interpret the values.
type Metadata struct {
	Type        string // media type
	Language    string
	Encoding    string // content coding; ranges count coded bytes
	Disposition string
}

// An Algorithm is a digest algorithm under its RFC 9530 name.
type Algorithm string

// The algorithms that the store can compute and verify.
const (
	SHA256 Algorithm = "sha-256"
	SHA512 Algorithm = "sha-512"
)

// CRC32C is an algorithm that [Snapshot.Digest] computes, from checksums that
// the store has anyway. It finds damage and no forgery, so no digest of a
// representation that is declared with it counts.
const CRC32C Algorithm = "crc32c"

// Info describes the state of a resource at one moment. It is immutable and
// holds no resources of the store; its Received set is shared, not copied.
type Info struct {
	Name string
	Version
	// Complete says that Length is known, [0,Length) is committed and the
	// declared digests, if any, were verified.
	Complete bool
	// Unverified says that [0,Length) is committed and a declared digest
	// waits for its verdict.
	Unverified bool
	// Mismatched says that the last verdict was that a declared digest does not match.
	Mismatched bool
	Length     int64      // N, the complete-length in bytes; -1 when it is not known
	Offset     int64      // K, the end of the committed range that begins at 0; N if Complete
	Received   ranges.Set // the committed ranges. Those that a complete resource lacks were found damaged
	Metadata   Metadata
	Created    time.Time
	Modified   time.Time // of the last commit; never decreases for a name
	// Expires is when an incomplete resource that nobody writes to may go,
	// see Options.IncompleteMaxAge. Zero: never.
	Expires time.Time
	// Declared holds the digests that the complete representation must have;
	// a resource that is complete has none.
	Declared map[Algorithm][]byte
	// Base is the version that the last commit was made from (zero: it created
	// the resource), and BaseRange the one range it wrote (empty: several, or none).
	Base      Version
	BaseRange ranges.Range
}

// Damaged reports whether the resource is complete and not all of it can be
// read, because bytes were found damaged: those that Received lacks.
func (i *Info) Damaged() bool {
	return i.Complete && !i.Received.Covers(ranges.Range{End: i.Length})
}

// Size is the length of the current representation in bytes: all of a
// complete resource, the prefix [0,Offset) of an incomplete one.
func (i *Info) Size() int64 { return i.Offset }
