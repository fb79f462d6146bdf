package store

import (
	"context"
	"encoding/binary"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// The CRC-32C of a representation follows from the checksums of the pieces
// that its extents name, so it costs what the map costs, and not what the
// bytes do: about a thousandth of reading them.
//
//	extents   |=== file 7 ===|===== zeros =====|= inline =|==== file 7 ====|
//	pieces    |   |   |   |xxxx                            xxx|   |   |   |
//	                       read                            read: cut by an extent
//
// It says what was written. If the disk does not return that any more, those
// who get the bytes and compare them find out.

// rememberCRC is with how many parts the CRC-32C of a representation is not
// yet remembered: those of 1 GiB that was written once. To put them together
// takes no longer than a commit.
const rememberCRC = 16 << 10

// A wholeCRC computes the CRC-32C of places one after the other. It is for one
// goroutine, and for files that the caller has pinned.
type wholeCRC struct {
	s     *Store
	src   checkedReader
	buf   *[]byte
	sum   uint32
	parts int // that were put together, or read
}

// crc32c returns the CRC-32C of the representation in big-endian order, and
// how many parts it was put together of.
func (sn *Snapshot) crc32c(ctx context.Context) (sum []byte, parts int, err error) {
	all := ranges.Range{End: sn.st.info.Size()}
	if err := sn.readable(all); err != nil {
		return nil, 0, err
	}
	c := wholeCRC{s: sn.s, src: checkedReader{s: sn.s, unsummed: true}, buf: sn.s.buffers.Get().(*[]byte)}
	defer c.src.close()
	defer sn.s.buffers.Put(c.buf)
	for r, p := range sn.st.extents.Within(all) {
		if err := c.add(ctx, p, r.Len()); err != nil {
			return nil, 0, err
		}
	}
	return binary.BigEndian.AppendUint32(nil, c.sum), c.parts, nil
}

// add goes on with n bytes at p.
func (c *wholeCRC) add(ctx context.Context, p place, n int64) error {
	if p.kind == placeZero {
		c.parts++
		c.sum = crc32c.Combine(c.sum, crc32c.Zeros(n), n)
		return nil
	}
	if err := c.s.damage.spared(p, n); err != nil {
		return err
	}
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := c.step(p, n)
		if err != nil {
			return err
		}
		c.parts++
		p, n = p.Cut(k), n-k
	}
	return nil
}

// step goes on with some of the n bytes at p, and returns with how many.
func (c *wholeCRC) step(p place, n int64) (int64, error) {
	if p.kind == placeFile {
		if err := c.src.open(p.file); err != nil {
			return 0, err
		}
		piece, ok, err := c.src.pieceAt(p.off)
		if err != nil {
			return 0, err
		}
		if ok && piece.off == p.off && piece.n <= n {
			c.sum = crc32c.Combine(c.sum, piece.crc, piece.n)
			return piece.n, nil
		}
		n = min(n, piece.end()-p.off)
	}
	b := (*c.buf)[:min(n, int64(len(*c.buf)))]
	if err := c.src.read(p, b); err != nil {
		return 0, err
	}
	c.sum = crc32c.Update(c.sum, b)
	return int64(len(b)), nil
}
