package client

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// checksums are the CRC-32Cs of parts of a whole, of which its own follows. Parts that meet become one, so there are no
// more of them than gaps. It is safe for concurrent use; the zero value has no parts.
type checksums struct {
	mu    sync.Mutex
	parts []checksum // ascending; they do not meet
}

// A checksum is the CRC-32C of a part.
type checksum struct {
	ranges.Range
	sum uint32
}

// add takes in the checksum of r, which is not empty, and of which nothing was added before.
func (cs *checksums) add(r ranges.Range, sum uint32) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	i, _ := slices.BinarySearchFunc(cs.parts, r.Start, func(p checksum, start int64) int { return cmp.Compare(p.Start, start) })
	cs.parts = slices.Insert(cs.parts, i, checksum{r, sum})
	cs.join(i)
	cs.join(i - 1)
}

// join makes one of the parts i and i+1, if there are such and they meet.
func (cs *checksums) join(i int) {
	if i < 0 || i+1 >= len(cs.parts) || cs.parts[i].End != cs.parts[i+1].Start {
		return
	}
	p, next := &cs.parts[i], cs.parts[i+1]
	p.sum = crc32c.Combine(p.sum, next.sum, next.Len())
	p.End = next.End
	cs.parts = slices.Delete(cs.parts, i+1, i+2)
}

// whole returns the checksum of [0,n) as it stands in a digest field, nil if parts of it are missing.
func (cs *checksums) whole(n int64) []byte {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	sum := uint32(0)
	if n > 0 {
		if len(cs.parts) != 1 || cs.parts[0].Range != (ranges.Range{End: n}) {
			return nil
		}
		sum = cs.parts[0].sum
	}
	return binary.BigEndian.AppendUint32(nil, sum)
}
