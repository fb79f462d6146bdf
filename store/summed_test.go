package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/ranges/crc32c"
)

// A toldReader is Summed, and checks what it is told.
type toldReader struct {
	t    *testing.T
	from *bytes.Reader
	all  []byte // of from
	n    int64  // bytes staged
}

func (r *toldReader) Read(p []byte) (int, error) { return r.from.Read(p[:min(len(p), 100_000)]) }

func (r *toldReader) Staged(n int64, crc uint32) {
	if read := r.from.Size() - int64(r.from.Len()); n <= 0 || r.n+n > read {
		r.t.Fatalf("%d bytes staged after %d, and %d were read", n, r.n, read)
	}
	if want := crc32c.Checksum(r.all[r.n : r.n+n]); crc != want {
		r.t.Fatalf("%d bytes after %d: %08x, want %08x", n, r.n, crc, want)
	}
	r.n += n
}

// TestSummed stages bytes to all kinds of places, of which some have them
// already. The reader is told the checksum of each byte once, in order.
func TestSummed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const size = 5*crcBlock + 1234
	whole := randomBytes(rng, size)
	other := randomBytes(rng, size)
	for _, c := range []struct {
		name   string
		before [][2]int // ranges that are committed before
		off, n int
		opts   TxOptions
	}{
		{"nothing", nil, 0, 0, TxOptions{Create: true}},
		{"in the map", nil, 0, 1000, TxOptions{Create: true}},
		{"whole", nil, 0, size, TxOptions{Create: true}},
		{"a range", nil, 777, 3 * crcBlock, TxOptions{}},
		{"blocks", nil, crcBlock, 2 * crcBlock, TxOptions{}},
		{"kept as it comes", nil, 0, size - 1, TxOptions{Persist: true}},
		{"some is there", [][2]int{{0, 100}, {crcBlock - 1, crcBlock + 1}, {2 * crcBlock, 3 * crcBlock}}, 0, size, TxOptions{}},
		{"all is there", [][2]int{{0, crcBlock}, {crcBlock, size - 1}}, 100, size - 200, TxOptions{}},
		{"complete", [][2]int{{0, size}}, 500, 2 * crcBlock, TxOptions{}},
		{"over others", [][2]int{{crcBlock, 2 * crcBlock}}, 500, 4 * crcBlock, TxOptions{Replace: true}},
	} {
		s := openMem(t, vfs.NewMem(), Options{InlineSize: 4 << 10})
		for _, b := range c.before {
			was := whole
			if c.opts.Replace {
				was = other
			}
			if _, err := patch(s, "/a", int64(b[0]), size, string(was[b[0]:b[1]])); err != nil {
				t.Fatal(err)
			}
		}
		tx := begin(t, s, "/a", c.opts)
		content := whole[c.off : c.off+c.n]
		r := &toldReader{t: t, from: bytes.NewReader(content), all: content}
		// In two pieces, so that the second begins inside a block.
		for _, n := range []int{c.n / 3, c.n - c.n/3} {
			if k, err := tx.WriteFrom(r, int64(c.off)+r.n, int64(n), -1); k != int64(n) || err != nil {
				t.Fatalf("%s: %d, %v", c.name, k, err)
			}
		}
		if r.n != int64(c.n) {
			t.Errorf("%s: told of %d bytes of %d", c.name, r.n, c.n)
		}
		tx.Rollback()
		closeStore(t, s)
	}
}
