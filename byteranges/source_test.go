package byteranges

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// Bodies of lengths about every edge of a buffer are read as the contract of io.Reader has it.
func TestPartIsReader(t *testing.T) {
	// The heads put the start of the body, and its end, on both sides of the edges.
	pad := "X: " + strings.Repeat("x", 1000) + "\r\n"
	for _, edge := range []int{1, fillSize - len(pad), fillSize, directSize} {
		for _, n := range []int{edge - 1, edge, edge + 1} {
			body := strings.Repeat("0123456\r\n", n/9+1)[:n]
			fields := fmt.Sprintf("Content-Range: bytes 0-%d/*\r\n", max(n-1, 0))
			if n == 0 {
				fields = "Content-Offset: 0\r\nContent-Length: 0\r\n"
			}
			length := fmt.Sprintf("Content-Length: %d\r\n", n)
			unknown := "Content-Offset: 0\r\n"
			chunks := "\x0a\x0econtent-offset\x010\x00"
			if n > 0 {
				chunks += string(appendVarint(nil, int64(n))) + body
			}
			for _, c := range []struct{ contentType, doc string }{
				{mb, pad + fields + "\r\n" + body},
				{mb, unknown + "\r\n" + body},
				{mp, "--B\r\n" + fields + pad + "\r\n" + body + "\r\n--B--"},
				{mp, "--B\r\n" + unknown + pad + "\r\n" + body + "\r\n--B--"},
				{mp, "--B\r\n" + unknown + length + "\r\n" + body + "\r\n--B--"},
				{ab, "\x08" + unhex(offsetLine) + string(appendVarint(nil, int64(n))) + body},
				{ab, chunks + "\x00"},
			} {
				for _, r := range []io.Reader{
					strings.NewReader(c.doc),
					iotest.DataErrReader(strings.NewReader(c.doc)),
				} {
					d, err := NewReader(r, c.contentType, nil)
					if err != nil {
						t.Fatal(err)
					}
					p, err := d.Next()
					if err != nil {
						t.Fatalf("%.99q: %v", c.doc, err)
					}
					if err := iotest.TestReader(p, []byte(body)); err != nil {
						t.Fatalf("%s, %d bytes, %T: %v", c.contentType, n, r, err)
					}
					if _, err := d.Next(); err != io.EOF {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// A fault is reported at the octet where it was noticed, whatever was read ahead.
func TestOffsets(t *testing.T) {
	head := "--B\r\nContent-Offset: 0\r\n\r\n"
	for _, body := range []string{"ab", strings.Repeat("0123456\r\n", directSize)} {
		doc := head + body + "\r\n--B\r\nContent-Range: bytes 2-1/*\r\n\r\n"
		for _, bufSize := range []int{7, fillSize, 2 * directSize} {
			d, err := NewReader(strings.NewReader(doc), mp, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := d.Next()
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, p, bufSize)
			_, err = d.Next()
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset != int64(len(doc)) {
				t.Errorf("%v, want octet %d", err, len(doc))
			}
		}
	}
}

func TestReaderWithoutProgress(t *testing.T) {
	d, err := NewReader(idle{}, mb, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
