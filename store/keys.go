package store

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/infill-http/infill/ranges"
)

// The map is one ordered space of keys. The first byte is the kind of the
// key; integers in keys are big-endian, so that the order of keys is the
// order of what they name. Integers in values are unsigned varints.
//
//	+------+
//	| 0x00 |                              -> format version, secret
//	+------+
//	+------+
//	| 0x01 |                              -> next file id that was never handed out
//	+------+
//	+-----+-----------+
//	| 'n' | name ...  |                   -> resource id (16)
//	+-----+-----------+
//	+-----+---------+
//	| 'r' | id (16) |                     -> record (record.go)
//	+-----+---------+
//	+-----+---------+------------+
//	| 'e' | id (16) | offset (8) |        -> extent: kind, length, file, physical offset
//	+-----+---------+------------+
//	+-----+----------+-----------+
//	| 'c' | file (8) | chunk (8) |        -> CRC-32Cs of the committed pieces of the chunk (crc.go)
//	+-----+----------+-----------+
//	+-----+----------+---------+
//	| 'f' | file (8) | id (16) |          -> empty: an extent of the resource names the file
//	+-----+----------+---------+
//	+-----+----------+
//	| 'g' | file (8) |                    -> empty: no extent names the file, which may exist
//	+-----+----------+
//	+-----+---------+
//	| 'h' | id (16) |                     -> how far declared digests are computed (verify.go)
//	+-----+---------+
//	+-----+---------+
//	| 'v' | id (16) |                     -> name: covered, and a declared digest waits for its verdict
//	+-----+---------+
//	+-----+----------+---------+
//	| 'x' | time (8) | id (16) |          -> name: incomplete, and not idle since before that time (expire.go)
//	+-----+----------+---------+
//	+-----+----------+------------+
//	| 'i' | file (8) | offset (8) |      -> bytes of an inline file (inline.go)
//	+-----+----------+------------+
//	+-----+
//	| 's' |                              -> how far the scrub is (scrub.go)
//	+-----+
const (
	kindHeader  = 0x00
	kindNextID  = 0x01
	kindName    = 'n'
	kindRecord  = 'r'
	kindExtent  = 'e'
	kindCRC     = 'c'
	kindRef     = 'f'
	kindGarbage = 'g'
	kindHash    = 'h'
	kindVerify  = 'v'
	kindIdle    = 'x'
	kindScrub   = 's'
	kindInline  = 'i'
)

// formatVersion is the version of everything that this package writes.
const formatVersion = 1

func nameKey(name string) []byte { return append([]byte{kindName}, name...) }

func idKey(kind byte, id ID) []byte { return append([]byte{kind}, id[:]...) }

func extentKey(id ID, off int64) []byte {
	return binary.BigEndian.AppendUint64(idKey(kindExtent, id), uint64(off))
}

func fileKey(kind byte, f fileID) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(f))
}

func crcKey(f fileID, chunk int64) []byte {
	return binary.BigEndian.AppendUint64(fileKey(kindCRC, f), uint64(chunk))
}

func refKey(f fileID, id ID) []byte { return append(fileKey(kindRef, f), id[:]...) }

// idleKey is where a resource is listed as idle since a time, in microseconds
// since 1970.
func idleKey(since int64, id ID) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{kindIdle}, uint64(since)), id[:]...)
}

// decodeIdle takes the key of a listing apart.
func decodeIdle(key []byte) (since int64, id ID, err error) {
	if len(key) != 1+8+16 || key[0] != kindIdle || key[1] > math.MaxInt8 {
		return 0, id, fmt.Errorf("%w: idle key %x", ErrCorrupt, key)
	}
	return int64(binary.BigEndian.Uint64(key[1:])), ID(key[9:]), nil
}

// upperBound is the first key after all keys that begin with prefix.
func upperBound(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// encodeExtent encodes the value of an extent key; the offset is in the key.
func encodeExtent(n int64, p place) []byte {
	b := binary.AppendUvarint([]byte{byte(p.kind)}, uint64(n))
	if p.kind != placeZero {
		b = binary.AppendUvarint(b, uint64(p.file))
		b = binary.AppendUvarint(b, uint64(p.off))
	}
	return b
}

// decodeExtent decodes an extent key and its value.
func decodeExtent(key, value []byte) (ranges.Range, place, error) {
	if len(key) != 1+16+8 || len(value) < 2 {
		return ranges.Range{}, place{}, fmt.Errorf("%w: extent key %x", ErrCorrupt, key)
	}
	start := binary.BigEndian.Uint64(key[17:])
	p := place{kind: placeKind(value[0])}
	d := decoder{b: value[1:]}
	n := d.uvarint()
	switch p.kind {
	case placeZero:
	case placeFile, placeInline:
		p.file = fileID(d.uvarint())
		p.off = d.offset()
	default:
		d.bad = true
	}
	if p.kind != placeZero && (p.file == 0 || n > uint64(math.MaxInt64-p.off)) {
		d.bad = true
	}
	if d.bad || len(d.b) > 0 || n == 0 || start > math.MaxInt64 || n > math.MaxInt64-start {
		return ranges.Range{}, place{}, fmt.Errorf("%w: extent %x: %x", ErrCorrupt, key, value)
	}
	return ranges.Range{Start: int64(start), End: int64(start + n)}, p, nil
}

// A decoder takes a value apart; after the first fault it only yields zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// offset reads an integer that has to be an offset or a length.
func (d *decoder) offset() int64 {
	v := d.uvarint()
	if v > math.MaxInt64 {
		d.bad = true
		return 0
	}
	return int64(v)
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return make([]byte, max(0, min(n, 64)))
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// rest returns all that is left.
func (d *decoder) rest() string { return string(d.bytes(len(d.b))) }
