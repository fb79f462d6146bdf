package byteranges

import "math/bits"

// maxVarint is the largest number that a varint can hold.
const maxVarint = 1<<62 - 1

// A varint is an integer of variable length (RFC 9000, Section 16; RFC 9292, Section 3): the upper two bits of the first
// octet tell how many octets there are, the others are the number in network byte order. It need not be minimal.
//
//	00xxxxxx                                                                 0 to 63
//	01xxxxxx xxxxxxxx                                                        0 to 2^14-1
//	10xxxxxx xxxxxxxx xxxxxxxx xxxxxxxx                                      0 to 2^30-1
//	11xxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx xxxxxxxx  0 to 2^62-1

// varintLen returns the number of octets of the varint that begins with first.
func varintLen(first byte) int { return 1 << (first >> 6) }

// decodeVarint returns the number in b, which is exactly one varint.
func decodeVarint(b []byte) int64 {
	n := int64(b[0] & 0x3f)
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return n
}

// appendVarint appends n, from 0 to maxVarint, to b in the fewest octets that hold it.
func appendVarint(b []byte, n int64) []byte {
	var log2 int // of the number of octets
	switch width := bits.Len64(uint64(n)); {
	case width > 30:
		log2 = 3
	case width > 14:
		log2 = 2
	case width > 6:
		log2 = 1
	}
	last := 1<<log2 - 1
	for i := last; i >= 0; i-- {
		c := byte(n >> (8 * i))
		if i == last {
			c |= byte(log2) << 6
		}
		b = append(b, c)
	}
	return b
}
