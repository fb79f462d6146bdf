package store

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestCRCPieces adds bytes in random order and pieces: what comes of it are
// whole blocks with their checksums, however they arrived.
func TestCRCPieces(t *testing.T) {
	const base, size = 3*crcBlock + 100, 3*crcBlock + 777
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	b := randomBytes(rng, size)
	for range 10 {
		cuts := []int{0, size}
		for range rng.IntN(40) {
			cuts = append(cuts, rng.IntN(size))
		}
		slices.Sort(cuts)
		var ps crcPieces
		for _, i := range rng.Perm(len(cuts) - 1) {
			ps.add(int64(base+cuts[i]), b[cuts[i]:cuts[i+1]])
		}
		sortCRC(ps)
		ps = mergeCRC(ps, ranges.Set{})
		if len(ps) != 4 && len(ps) != 5 {
			t.Fatalf("%d pieces for %d bytes", len(ps), size)
		}
		at := int64(base)
		for _, p := range ps {
			if p.off != at || p.off/crcBlock != (p.end()-1)/crcBlock {
				t.Fatalf("piece at %d+%d after %d", p.off, p.n, at)
			}
			if want := crc32c.Checksum(b[p.off-base : p.end()-base]); p.crc != want {
				t.Fatalf("piece at %d: %08x, want %08x", p.off, p.crc, want)
			}
			at = p.end()
		}
		if at != base+size {
			t.Fatalf("pieces end at %d", at)
		}
	}
}

func TestCRCValue(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chunk  int64
		pieces crcPieces
	}{
		{"empty piece", 0, crcPieces{{off: 5, n: 0}}},
		{"over a block", 0, crcPieces{{off: crcBlock - 1, n: 2}}},
		{"over the chunk", 0, crcPieces{{off: crcChunk, n: 1}}},
		{"length that overflows", 2, crcPieces{{off: 2*crcChunk + 1, n: math.MaxInt64 - 1}}},
		{"offset that overflows", 2, crcPieces{{off: math.MaxInt64, n: 1}}},
	} {
		if ps, err := decodeCRC(tt.chunk, encodeCRC(tt.chunk, tt.pieces)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, %v", tt.name, ps, err)
		}
	}
	for _, want := range []crcPieces{
		nil,
		{{off: crcChunk, n: crcBlock, crc: 1}},
		{{off: crcChunk + 5, n: 7, crc: math.MaxUint32}, {off: crcChunk + 12, n: 1}, {off: 2*crcChunk - 1, n: 1, crc: 3}},
	} {
		v := encodeCRC(1, want)
		if got, err := decodeCRC(1, v); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
		for n := 1; n < len(v); n++ {
			if got, err := decodeCRC(1, v[:n]); err == nil && len(got) == len(want) {
				t.Errorf("%v from the first %d of %d bytes", got, n, len(v))
			}
		}
	}
}

func FuzzCRC(f *testing.F) {
	f.Add(int64(0), encodeCRC(0, crcPieces{{off: 5, n: 7, crc: 1}, {off: crcBlock, n: crcBlock, crc: 2}}))
	f.Add(int64(3), encodeCRC(3, crcPieces{{off: 4*crcChunk - 1, n: 1}}))
	f.Add(int64(1)<<43-1, []byte{0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, chunk int64, b []byte) {
		if chunk < 0 || chunk >= 1<<43 {
			return // beyond what an int64 can address
		}
		ps, err := decodeCRC(chunk, b)
		if err != nil {
			return
		}
		at := chunk * crcChunk
		for _, p := range ps {
			if p.off < at || p.n <= 0 || (p.end()-1)/crcBlock != p.off/crcBlock || p.off/crcChunk != chunk {
				t.Fatalf("piece %+v after %d", p, at)
			}
			at = p.end()
		}
		again, err := decodeCRC(chunk, encodeCRC(chunk, ps))
		if err != nil || !slices.Equal(again, ps) {
			t.Fatalf("%v is %v again, %v", ps, again, err)
		}
	})
}
