package crc32c

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCheckValue(t *testing.T) {
	const want = 0xe3069283 // of the catalogues of CRCs
	if got := Checksum([]byte("123456789")); got != want {
		t.Errorf("%08x, want %08x", got, want)
	}
	if got := Update(Checksum([]byte("1234")), []byte("56789")); got != want {
		t.Errorf("in two steps %08x, want %08x", got, want)
	}
	h := New()
	h.Write([]byte("123456789"))
	if h.Sum32() != want || h.Size() != Size {
		t.Errorf("%08x of %d bytes, want %08x", h.Sum32(), h.Size(), want)
	}
	if got := h.Sum([]byte("x")); string(got) != "x\xe3\x06\x92\x83" {
		t.Errorf("%x, want the checksum after what was there", got)
	}
	h.Reset()
	h.Join(Checksum([]byte("1234")), 4)
	h.Write([]byte("5"))
	h.Join(Checksum([]byte("6789")), 4)
	if h.Sum32() != want {
		t.Errorf("%08x from checksums, want %08x", h.Sum32(), want)
	}
}

func TestCombine(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, 1<<17)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 255, 256, 4095, 1<<16 - 1, 1 << 16, 1<<16 + 1, len(b), rng.IntN(len(b))} {
		for _, k := range []int{0, 1, n / 3, n / 2, n} {
			k = min(k, n)
			if got, want := Combine(Checksum(b[:k]), Checksum(b[k:n]), int64(n-k)), Checksum(b[:n]); got != want {
				t.Errorf("%d + %d bytes: %08x, want %08x", k, n-k, got, want)
			}
			if got, want := Combine(Checksum(b[:k]), Checksum(b[:n]), int64(n-k)), Checksum(b[k:n]); got != want {
				t.Errorf("%d of %d bytes: %08x, want %08x", n-k, n, got, want)
			}
		}
	}
}

// TestCombineLong combines lengths that nobody has the bytes of: the order in which parts are combined makes no difference.
func TestCombineLong(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		a, b, c := rng.Uint32(), rng.Uint32(), rng.Uint32()
		n, m := rng.Int64N(math.MaxInt64/2)>>rng.IntN(62), rng.Int64N(math.MaxInt64/2)>>rng.IntN(62)
		left, right := Combine(Combine(a, b, n), c, m), Combine(a, Combine(b, c, m), n+m)
		if left != right {
			t.Fatalf("%08x, then %d bytes %08x, then %d bytes %08x: %08x and %08x", a, n, b, m, c, left, right)
		}
		if got, want := Combine(Zeros(n), Zeros(m), m), Zeros(n+m); got != want {
			t.Fatalf("%d and %d zeros: %08x, want %08x", n, m, got, want)
		}
	}
}

func TestZeros(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 4096, 1<<16 - 1, 1 << 20} {
		if got, want := Zeros(int64(n)), Checksum(make([]byte, n)); got != want {
			t.Errorf("%d zeros: %08x, want %08x", n, got, want)
		}
	}
}

func BenchmarkCombine(b *testing.B) {
	crc := uint32(1)
	for b.Loop() {
		crc = Combine(crc, 2, 64<<10)
	}
}

func BenchmarkUpdate(b *testing.B) {
	buf := make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		Update(0, buf)
	}
}
