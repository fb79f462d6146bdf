package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// CRC-32Cs are kept per data file and physical offset, for pieces that never
// cross a block boundary. The pieces of one chunk are the value of one key.
// Pieces that meet inside a block become one, so that a chunk has few of them
// however its bytes arrived.
//
//	value: ( start varint | length varint | crc (4, big-endian) ) ...
//	       start counts from the end of the piece before, or of the chunk's begin
const (
	crcBlock = 64 << 10
	crcChunk = 1 << 20
)

// A crcPiece is the CRC-32C of committed bytes [off, off+n) of a file.
type crcPiece struct {
	off int64
	n   int64
	crc uint32
}

func (p crcPiece) end() int64 { return p.off + p.n }

// crcPieces collects the pieces of the bytes written to one file.
type crcPieces []crcPiece

// add takes in b, written at the physical offset off, and returns its checksum.
func (ps *crcPieces) add(off int64, b []byte) (sum uint32) {
	for len(b) > 0 {
		n := min(int64(len(b)), crcBlock-off%crcBlock)
		var crc uint32
		last := len(*ps) - 1
		if last >= 0 && (*ps)[last].end() == off && off%crcBlock != 0 {
			p := &(*ps)[last]
			joined := crc32c.Update(p.crc, b[:n])
			crc = crc32c.Combine(p.crc, joined, n) // of what is new
			p.crc = joined
			p.n += n
		} else {
			crc = crc32c.Checksum(b[:n])
			*ps = append(*ps, crcPiece{off: off, n: n, crc: crc})
		}
		sum = crc32c.Combine(sum, crc, n)
		off, b = off+n, b[n:]
	}
	return sum
}

// mergeCRC joins sorted pieces that meet inside a block, but none that has
// any of the bytes of apart.
func mergeCRC(ps crcPieces, apart ranges.Set) crcPieces {
	out := ps[:0]
	for _, p := range ps {
		last := len(out) - 1
		if last >= 0 && out[last].end() == p.off && p.off%crcBlock != 0 &&
			!apart.Overlaps(out[last].bytes()) && !apart.Overlaps(p.bytes()) {
			out[last].crc = crc32c.Combine(out[last].crc, p.crc, p.n)
			out[last].n += p.n
			continue
		}
		out = append(out, p)
	}
	return out
}

func sortCRC(ps crcPieces) {
	slices.SortFunc(ps, func(a, b crcPiece) int {
		if a.off < b.off {
			return -1
		}
		return 1
	})
}

func encodeCRC(chunk int64, ps crcPieces) []byte {
	b := make([]byte, 0, 10*len(ps))
	at := chunk * crcChunk
	for _, p := range ps {
		b = binary.AppendUvarint(b, uint64(p.off-at))
		b = binary.AppendUvarint(b, uint64(p.n))
		b = binary.BigEndian.AppendUint32(b, p.crc)
		at = p.end()
	}
	return b
}

func decodeCRC(chunk int64, b []byte) (crcPieces, error) {
	var ps crcPieces
	at := chunk * crcChunk
	for d := (decoder{b: b}); len(d.b) > 0; {
		p := crcPiece{off: at + d.offset(), n: d.offset()}
		sum := d.bytes(4)
		if d.bad || p.off < at || p.off/crcChunk != chunk || p.n <= 0 || p.n > crcBlock-p.off%crcBlock {
			return nil, fmt.Errorf("%w: checksums of chunk %d", ErrCorrupt, chunk)
		}
		p.crc = binary.BigEndian.Uint32(sum)
		ps = append(ps, p)
		at = p.end()
	}
	return ps, nil
}
