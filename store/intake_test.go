package store

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// paced returns n bytes at each call of Read, after a time.
type paced struct {
	n    int
	wait time.Duration
}

func (p *paced) Read(b []byte) (int, error) {
	if p.wait > 0 {
		<-time.After(p.wait)
	}
	return min(p.n, len(b)), nil
}

// TestIntake looks at the size of the buffer, which follows how fast bytes come.
func TestIntake(t *testing.T) {
	o, err := (&Options{}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var pools intakes
	pools.init(&o)
	small := pools.sizes[0]
	if small <= o.InlineSize || pools.sizes[len(pools.sizes)-1] != o.BufferSize {
		t.Fatalf("sizes are %v", pools.sizes)
	}
	in := intake{from: &pools}
	fill := func(what string, r io.Reader, most int64, eager bool, want int, wantErr error) {
		t.Helper()
		if b, err := in.fill(r, most, eager); len(b) != want || err != wantErr {
			t.Errorf("%s: %d bytes and %v, want %d and %v", what, len(b), err, want, wantErr)
		}
	}
	fill("little", bytes.NewReader(make([]byte, 7)), 1<<40, false, 7, io.EOF)
	fill("bounded", bytes.NewReader(make([]byte, 70)), 7, false, 7, nil)
	fill("slow", &paced{small, 20 * time.Millisecond}, 1<<40, false, small, nil)
	if in.at != 0 {
		t.Errorf("slow bytes have a buffer of %d", len(*in.buf))
	}
	fill("fast", &paced{64 << 10, 0}, 1<<40, false, o.BufferSize, nil)
	fill("fast and eager", &paced{1000, 0}, 1<<40, true, 1000, nil)
	if len(*in.buf) != o.BufferSize {
		t.Errorf("fast bytes have a buffer of %d", len(*in.buf))
	}
	fill("slow again", &paced{small, 50 * time.Millisecond}, int64(small)+1, false, small+1, nil)
	fill("as slow as before", &paced{small, 50 * time.Millisecond}, 1<<40, false, small, nil)
	if in.at != 0 {
		t.Errorf("bytes that became slow have a buffer of %d", len(*in.buf))
	}

	// Eager fills have nothing to grow in, so the next one does.
	for _, size := range pools.sizes {
		fill("fast and eager", &paced{64 << 20, 0}, 1<<40, true, size, nil)
	}
	fill("slow and eager", &paced{100, 20 * time.Millisecond}, 1<<40, true, 100, nil)
	fill("slow and eager", &paced{small, 20 * time.Millisecond}, 1<<40, true, small, nil)
	fill("slow and eager", &paced{small, 20 * time.Millisecond}, 1<<40, true, small, nil)
	if in.at != 0 {
		t.Errorf("eager bytes that became slow have a buffer of %d", len(*in.buf))
	}

	// What is read before the buffer grows is not lost.
	content := make([]byte, o.BufferSize)
	for i := range content {
		content[i] = byte(i >> 8 * i)
	}
	in.close()
	b, err := in.fill(bytes.NewReader(content), int64(len(content)), false)
	if err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes that are not those that came, or %v", len(b), err)
	}
	in.close()

	// There is a bound on what large buffers take in all.
	pools.most = int64(o.BufferSize)
	one := intake{from: &pools}
	if b, err := one.fill(&paced{64 << 10, 0}, 1<<40, false); len(b) != pools.sizes[1] || err != nil {
		t.Errorf("the next size would be too much: %d bytes, %v", len(b), err)
	}
	pools.most *= 2
	if b, err := one.fill(&paced{64 << 10, 0}, 1<<40, false); len(b) != o.BufferSize || err != nil {
		t.Errorf("the first of two: %d bytes, %v", len(b), err)
	}
	pools.most = int64(o.BufferSize)
	if b, err := in.fill(&paced{64 << 10, 0}, 1<<40, false); len(b) != small || err != nil {
		t.Errorf("the second of two: %d bytes, %v", len(b), err)
	}
	in.close()
	one.close()
	if n := pools.large.Load(); n != 0 {
		t.Errorf("%d bytes are left in use", n)
	}
}
