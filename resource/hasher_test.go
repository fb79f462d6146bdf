package resource

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/infill-http/infill/ranges/crc32c"
	"github.com/infill-http/infill/store"
)

// The digests are those of what was written, however it came, and whatever becomes of the memory after it was written.
func TestHasher(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 4*hashAhead*hashBlock+1)
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	for _, size := range []int{0, 1, hashAlone - 1, hashAlone, hashAlone + 1, hashAlone + hashBlock, len(content)} {
		for _, most := range []int{hashLeast / 2, 2 * hashLeast, 3 * hashBlock} {
			var h hasher
			h.watch(store.SHA256)
			h.watch(store.SHA512)
			h.watch(store.SHA256)
			p := make([]byte, most)
			for left := content[:size]; len(left) > 0; {
				n := copy(p[:1+rng.IntN(most)], left)
				if k, err := h.Write(p[:n]); k != n || err != nil {
					t.Fatalf("Write of %d bytes: %d, %v", n, k, err)
				}
				clear(p)
				left = left[n:]
				if rng.IntN(8) == 0 {
					h.sum(store.SHA256) // does no harm in between
				}
			}
			if want := sha256.Sum256(content[:size]); string(h.sum(store.SHA256)) != string(want[:]) {
				t.Errorf("SHA-256 of %d bytes in writes of at most %d is wrong", size, most)
			}
			if want := sha512.Sum512(content[:size]); string(h.sum(store.SHA512)) != string(want[:]) {
				t.Errorf("SHA-512 of %d bytes in writes of at most %d is wrong", size, most)
			}
			if h.idle != nil {
				t.Error("a goroutine is left")
			}
		}
	}
	var cheap hasher
	cheap.watch(store.CRC32C)
	if cheap.Write(content); cheap.queue != nil {
		t.Error("a CRC is computed beside")
	}
	if want := crc32c.Checksum(content); binary.BigEndian.Uint32(cheap.sum(store.CRC32C)) != want {
		t.Error("CRC-32C is wrong")
	}
	var none hasher
	if none.Write(content); none.sum(store.SHA256) != nil || none.queue != nil {
		t.Error("the zero value computes something")
	}
}
