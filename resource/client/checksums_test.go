package client

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// TestChecksums takes in parts in random order: what comes of them is the checksum of the whole, not before the last one.
func TestChecksums(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		data := content(rng.IntN(2000))
		var parts []ranges.Range
		for off := int64(0); off < int64(len(data)); {
			end := min(int64(len(data)), off+1+rng.Int64N(300))
			parts = append(parts, ranges.Range{Start: off, End: end})
			off = end
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		var cs checksums
		var have ranges.Set
		for _, r := range parts {
			if sum := cs.whole(int64(len(data))); sum != nil {
				t.Fatalf("%x although %v is missing", sum, r)
			}
			cs.add(r, crc32c.Checksum(data[r.Start:r.End]))
			have.Add(r)
			if len(cs.parts) != have.Len() {
				t.Fatalf("%d parts of %v", len(cs.parts), have)
			}
		}
		want := binary.BigEndian.AppendUint32(nil, crc32c.Checksum(data))
		if got := cs.whole(int64(len(data))); !bytes.Equal(got, want) {
			t.Fatalf("%x of %d bytes in %d parts, want %x", got, len(data), len(parts), want)
		}
		if cs.whole(int64(len(data))+1) != nil {
			t.Fatal("a checksum of more than there is")
		}
	}
}
