package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/infill-http/infill/ranges"
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

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A crcPiece is the CRC-32C of committed bytes [off, off+n) of a file.
type crcPiece struct {
	off int64
	n   int64
	crc uint32
}

func (p crcPiece) end() int64 { return p.off + p.n }

// crcPieces collects the pieces of the bytes written to one file.
type crcPieces []crcPiece

// add takes in b, written at the physical offset off.
func (ps *crcPieces) add(off int64, b []byte) {
	for len(b) > 0 {
		n := min(int64(len(b)), crcBlock-off%crcBlock)
		last := len(*ps) - 1
		if last >= 0 && (*ps)[last].end() == off && off%crcBlock != 0 {
			p := &(*ps)[last]
			p.crc = crc32.Update(p.crc, castagnoli, b[:n])
			p.n += n
		} else {
			*ps = append(*ps, crcPiece{off: off, n: n, crc: crc32.Checksum(b[:n], castagnoli)})
		}
		off, b = off+n, b[n:]
	}
}

// mergeCRC joins sorted pieces that meet inside a block, but none that has
// any of the bytes of apart.
func mergeCRC(ps crcPieces, apart ranges.Set) crcPieces {
	out := ps[:0]
	for _, p := range ps {
		last := len(out) - 1
		if last >= 0 && out[last].end() == p.off && p.off%crcBlock != 0 &&
			!apart.Overlaps(out[last].bytes()) && !apart.Overlaps(p.bytes()) {
			out[last].crc = combineCRC(out[last].crc, p.crc, p.n)
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

// combineCRC returns the CRC-32C of a‖b from those of a and of b, where b has
// n bytes: crc(a)·x^(8n) + crc(b) in GF(2)[x] modulo the polynomial.
func combineCRC(a, b uint32, n int64) uint32 {
	// power is x^(8·2^k); bit 31 is the coefficient of x^0.
	power := uint32(1) << (31 - 8)
	shift := uint32(1) << 31
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = mulCRC(shift, power)
		}
		power = mulCRC(power, power)
	}
	return mulCRC(a, shift) ^ b
}

// mulCRC multiplies two polynomials modulo that of CRC-32C.
func mulCRC(a, b uint32) uint32 {
	var p uint32
	for a != 0 {
		i := bits.LeadingZeros32(a)
		a &^= 1 << (31 - i)
		t := b
		for range i {
			t = t>>1 ^ crc32.Castagnoli&-(t&1)
		}
		p ^= t
	}
	return p
}
