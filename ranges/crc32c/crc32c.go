// Package crc32c calculates with CRC-32C checksums of ranges of bytes: from those of the parts follows that of the whole,
// without the bytes.
//
// CRC-32C is the CRC with the Castagnoli polynomial (RFC 9260, Appendix A), in the form in which package hash/crc32 has
// it. It finds damage and no forgery: whoever wants to can make bytes that have a given checksum.
package crc32c

import (
	"encoding/binary"
	"hash/crc32"
)

// Size is the length of a checksum in bytes.
const Size = crc32.Size

var table = crc32.MakeTable(crc32.Castagnoli)

// A Hash is a [hash.Hash32] that also takes bytes of which it only gets the checksum. Its Sum is the checksum in big-endian
// order. The zero value is the hash of no bytes.
type Hash struct{ crc uint32 }

// New returns the hash of no bytes.
func New() *Hash { return new(Hash) }

// Write adds b. It never fails.
func (h *Hash) Write(b []byte) (int, error) {
	h.crc = Update(h.crc, b)
	return len(b), nil
}

// Join adds n bytes that have the checksum crc.
func (h *Hash) Join(crc uint32, n int64) { h.crc = Combine(h.crc, crc, n) }

// Sum appends the checksum to b.
func (h *Hash) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, h.crc) }

// Sum32 returns the checksum.
func (h *Hash) Sum32() uint32 { return h.crc }

// Reset makes h the hash of no bytes again.
func (h *Hash) Reset() { h.crc = 0 }

// Size returns [Size].
func (h *Hash) Size() int { return Size }

// BlockSize returns 1: writes of any length are as good.
func (h *Hash) BlockSize() int { return 1 }

// Checksum returns the checksum of b.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, table) }

// Update returns the checksum of what has the checksum crc, with b after it.
func Update(crc uint32, b []byte) uint32 { return crc32.Update(crc, table, b) }

// Combine returns the checksum of what has the checksum a, with n bytes after it that have the checksum b. The checksum of
// no bytes is 0. It takes well below a microsecond, whatever n is.
//
// It is its own inverse in b: if all of it has the checksum ab, Combine(a, ab, n) is that of the n bytes.
func Combine(a, b uint32, n int64) uint32 {
	// In GF(2)[x] modulo the polynomial, the inversions at the begin and the end of a CRC cancel each other.
	return shift(a, n) ^ b
}

// Zeros returns the checksum of n bytes of zeros.
func Zeros(n int64) uint32 { return ^shift(^uint32(0), n) }

// A polynomial over GF(2) is a uint32 whose highest bit is the coefficient of x^0, as in a reflected CRC.

// powers[k] is x^(8·2^k): what 2^k bytes multiply a CRC by.
var powers = func() (p [63]uint32) {
	p[0] = 1 << (31 - 8)
	for k := range len(p) - 1 {
		p[k+1] = multiply(p[k], p[k])
	}
	return p
}()

// shift returns crc·x^(8n).
func shift(crc uint32, n int64) uint32 {
	for k := 0; n > 0; k, n = k+1, n>>1 {
		if n&1 == 1 {
			crc = multiply(crc, powers[k])
		}
	}
	return crc
}

// multiply returns a·b modulo the polynomial.
func multiply(a, b uint32) uint32 {
	var p uint32
	for ; a != 0; a <<= 1 {
		p ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1) // b·x
	}
	return p
}
