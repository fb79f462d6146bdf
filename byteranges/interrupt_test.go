package byteranges

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// At every place where a document may be cut, what was delivered is what certainly is body, and the end is told apart: a
// document that ends there, and a reader that fails.
func TestInterruptionAtEveryOctet(t *testing.T) {
	for _, c := range []struct {
		name        string
		contentType string
		delivered   func(k int) int // by the first k octets
		endsAt      func(k int) string
	}{
		{"MB1", mb, func(k int) int { return max(0, k-31) }, func(k int) string {
			if k < 31 {
				return "malformed"
			}
			return "incomplete"
		}},
		{"V1", ab, func(k int) int { return max(0, k-30) }, func(k int) string {
			if k == 0 {
				return "malformed"
			}
			return "incomplete"
		}},
		{"MP1", mp, func(k int) int { return min(2, max(0, k-35)) + min(2, max(0, k-74)) }, func(k int) string {
			switch {
			case k < len("--B"):
				return "malformed"
			case k == len(vectors["MP1"])-len("\r\n"):
				return "ok" // what remains is an empty epilogue
			}
			return "incomplete"
		}},
	} {
		doc := vectors[c.name]
		for k := range len(doc) + 1 {
			for _, cut := range []bool{false, true} {
				want := c.endsAt(k)
				if cut {
					want = "cut"
				} else if k == len(doc) {
					want = "ok"
				}
				for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
					var r io.Reader = strings.NewReader(doc[:k])
					if cut {
						r = io.MultiReader(r, iotest.ErrReader(errCut))
					}
					n, end := drain(t, wrap(r), c.contentType)
					if n != c.delivered(k) || class(end) != want {
						t.Errorf("%s cut after %d octets (%v): %d bytes, %v; want %d, %s", c.name, k, cut, n, end, c.delivered(k), want)
					}
				}
			}
		}
	}
}

// drain reads all parts of a document. It returns how many bytes were delivered, and the end.
func drain(t *testing.T, r io.Reader, contentType string) (delivered int, end error) {
	t.Helper()
	d, err := NewReader(r, contentType, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, fillSize)
	for {
		p, err := d.Next()
		if err != nil {
			return delivered, err
		}
		for {
			n, err := p.Read(buf)
			delivered += n
			if err == io.EOF {
				break
			}
			if err != nil {
				return delivered, err
			}
		}
	}
}

// Bytes are delivered when they have arrived: not held back until a buffer is full or the next delimiter is there.
func TestDeliversAtOnce(t *testing.T) {
	for name, contentType := range map[string]string{"MB1": mb, "V1": ab, "V21": ab, "MP1": mp} {
		doc := vectors[name]
		body := strings.IndexAny(doc, "wA")
		r, w := io.Pipe()
		d, err := NewReader(r, contentType, nil)
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			io.WriteString(w, doc[:body+2])
		}()
		p, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, directSize)
		if _, err := io.ReadAtLeast(p, buf, 2); err != nil {
			t.Error(err)
		}
		<-sent
		w.CloseWithError(errCut)
		if n, err := p.Read(buf); n != 0 || !errors.Is(err, errCut) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// What is allocated does not grow with a body, or with a length that is only declared.
func TestMemory(t *testing.T) {
	const size = 32 << 20
	body := strings.Repeat("0123456789\r\n--C\r\n", 1000)
	for name, c := range map[string]struct{ contentType, head string }{
		"mb":                {mb, "Content-Offset: 0\r\nContent-Length: 9223372036854775807\r\n\r\n"},
		"mp":                {mp, "--B\r\nContent-Offset: 0\r\n\r\n"},
		"mp with length":    {mp, "--B\r\nContent-Offset: 0\r\nContent-Length: 9223372036854775807\r\n\r\n"},
		"mp preamble":       {mp, ""},
		"ab":                {ab, "\x08" + unhex(offsetLine) + "\xff\xff\xff\xff\xff\xff\xff\xff"},
		"ab indeterminate":  {ab, "\x0a\x0econtent-offset\x010\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
		"ab section":        {ab, "\x08\xff\xff\xff\xff\xff\xff\xff\xff"},
		"ab name":           {ab, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff"},
		"mb field":          {mb, "X: "},
		"mp padding":        {mp, "--B "},
		"mp field of lines": {mp, "--B\r\n"},
	} {
		var before, after runtime.MemStats
		content := io.LimitReader(io.MultiReader(strings.NewReader(c.head), endless(body)), size)
		runtime.ReadMemStats(&before)
		_, err := drainLarge(content, c.contentType)
		runtime.ReadMemStats(&after)
		if class(err) == "ok" {
			t.Errorf("%s: no error", name)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 512<<10 {
			t.Errorf("%s: allocated %d bytes", name, got)
		}
	}
}

func drainLarge(r io.Reader, contentType string) (int64, error) {
	d, err := NewReader(r, contentType, nil)
	if err != nil {
		return 0, err
	}
	p, err := d.Next()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 256<<10)
	var total int64
	for {
		n, err := p.Read(buf)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}
