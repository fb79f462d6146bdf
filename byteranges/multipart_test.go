package byteranges

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMultipart(t *testing.T) {
	const (
		fields = "Content-Range: bytes 2-5/12\r\n\r\n"
		wxyz   = fields + "wxyz"
		whole  = `2+4/12 "wxyz" ok`
		begun  = `2+4/12 "wxyz" `
		offset = "Content-Offset: 0\r\n\r\n"
	)
	run(t, mp, []testCase{
		// preamble
		{"empty", "", "malformed"},
		{"nothing of the kind", "hello", "malformed"},
		{"no delimiter line", "hello --B\r\n" + wxyz, "malformed"},
		{"no parts", "--B--\r\n", "malformed"},
		{"no parts, preamble", "\r\nhello\r\n--B--", "malformed"},
		{"LF only", "--B\nContent-Range: bytes 0-1/4\n\nab\n--B--\n", "malformed"},
		{"LF before the first", "hello\n--B\r\n" + wxyz + "\r\n--B--\r\n", "malformed"},
		{"prefix of the first line", "--Bx\r\n" + wxyz + "\r\n--B--\r\n", "malformed"},
		{"prefix of a preamble line", "a\r\n--Bx\r\n--B\r\n" + wxyz + "\r\n--B--\r\n", "malformed"},
		{"preamble too long", strings.Repeat("x", DefaultMaxPadding+1) + "\r\n--B\r\n" + wxyz + "\r\n--B--\r\n", "limit"},
		{"endless preamble", strings.Repeat("\r\n--", 2*DefaultMaxPadding/4), "limit"},

		// fields
		{"no fields", "--B\r\n\r\nab\r\n--B--\r\n", "no-range"},
		{"fields cut", "--B\r\nContent-Range: bytes", "incomplete"},
		{"delimiter in fields", "--B\r\nContent-Range: bytes 2-5/12\r\n--B--\r\n", "malformed"},

		// delimiters
		{"no closing one", "--B\r\n" + wxyz, begun + "incomplete"},
		{"half a closing one", "--B\r\n" + wxyz + "\r\n--B-", begun + "incomplete"},
		{"no line after the delimiter", "--B\r\n" + wxyz + "\r\n--B", begun + "incomplete"},
		{"no LF", "--B\r\n" + wxyz + "\r\n--B\r", begun + "incomplete"},
		{"no LF of the closing one", "--B\r\n" + wxyz + "\r\n--B--\r", begun + "incomplete"},
		{"no part after the delimiter", "--B\r\n" + wxyz + "\r\n--B\r\n", begun + "incomplete"},
		{"prefix of a line", "--B\r\n" + offset + "ab\r\n--Bx\r\ncd\r\n--B--\r\n", `0+?/* "ab" malformed`},
		{"prefix of a line with a hyphen", "--B\r\n" + offset + "ab\r\n--B-x\r\n--B--\r\n", `0+?/* "ab" malformed`},
		{"closing prefix of a line", "--B\r\n" + offset + "ab\r\n--B--x\r\n--B--\r\n", `0+?/* "ab" malformed`},
		{"CR without LF", "--B\r\n" + offset + "ab\r\n--B\rx\r\n--B--\r\n", `0+?/* "ab" malformed`},
		{"LF without CR", "--B\r\n" + offset + "ab\r\n--B\nx\r\n--B--\r\n", `0+?/* "ab" malformed`},
		{"LF before", "--B\r\n" + offset + "ab\n--B--\r\n", `0+?/* "ab\n--B--" incomplete`},
		{"endless white space", "--B" + strings.Repeat(" ", DefaultMaxPadding+1), "limit"},
		{"tail that may be a delimiter", "--B\r\n" + offset + "ab\r\n-", `0+?/* "ab" incomplete`},
		{"tail of a CR", "--B\r\n" + offset + "ab\r\n\r", `0+?/* "ab\r\n" incomplete`},
		{"tail that is none", "--B\r\n" + offset + "ab\r\n-C", `0+?/* "ab\r\n-C" incomplete`},

		// lengths
		{"shorter than its range", "--B\r\nContent-Range: bytes 0-9/10\r\n\r\nabcd\r\n--B--", `0+10/10 "abcd" mismatch`},
		{"longer than its range", "--B\r\nContent-Range: bytes 0-3/4\r\n\r\nabcdef\r\n--B--", `0+4/4 "abcd" mismatch`},
		{"range is not for skipping", "--B\r\nContent-Range: bytes 0-9/10\r\n\r\nab\r\n--B\r\nc\r\n--B--\r\n",
			`0+10/10 "ab" mismatch`},
		{"length too short", "--B\r\nContent-Range: bytes 0-8/10\r\nContent-Length: 9\r\n\r\nab\r\n--B\r\nc\r\n--B--\r\n",
			`0+9/10 "ab\r\n--B\r\n" malformed`},
		{"length too long", "--B\r\nContent-Offset: 0\r\nContent-Length: 3\r\n\r\nab\r\n--B--\r\n", `0+3/* "ab\r" malformed`},
		{"length beyond the content", "--B\r\nContent-Offset: 0\r\nContent-Length: 3\r\n\r\nab", `0+3/* "ab" incomplete`},
		{"length, then a prefix", "--B\r\nContent-Offset: 0\r\nContent-Length: 2\r\n\r\nab\r\n--Bx\r\n--B--", `0+2/* "ab" malformed`},
		{"length, then no line end", "--B\r\nContent-Offset: 0\r\nContent-Length: 2\r\n\r\nab--B--\r\n", `0+2/* "ab" malformed`},
		{"length proves the tail", "--B\r\nContent-Offset: 0\r\nContent-Length: 5\r\n\r\nab\r\n-", `0+5/* "ab\r\n-" incomplete`},
		{"length 0 and a body", "--B\r\nContent-Offset: 0\r\nContent-Length: 0\r\n\r\nab\r\n--B--\r\n", `0+0/* "" malformed`},
		{"set length, body", "--B\r\nContent-Range: bytes */5\r\n\r\nx\r\n--B--\r\n", "body-not-empty"},
		{"set length, cut", "--B\r\nContent-Range: bytes */5\r\n\r\n", "incomplete"},
		{"quoted-printable", "--B\r\nContent-Range: bytes 0-3/4\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41=\r\n\r\n--B--\r\n",
			"malformed"},

		// epilogue
		{"epilogue too long", "--B\r\n" + wxyz + "\r\n--B--\r\n" + strings.Repeat("x", DefaultMaxPadding+1), begun + "limit"},
		{"padding in sum too long", strings.Repeat("x", DefaultMaxPadding) + "\r\n--B\r\n" + wxyz + "\r\n--B--\r\nx", begun + "limit"},

		{"one part", "--B\r\n" + wxyz + "\r\n--B--\r\n", whole},
		{"no line end after the closing one", "--B\r\n" + wxyz + "\r\n--B--", whole},
		{"preamble and epilogue", "\r\n\r\nhello\r\n--B\r\n" + wxyz + "\r\n--B--\r\njunk\r\n--B\r\nmore", whole},
		{"preamble of half a delimiter", "--\r\n-\r\n\r\n--B\r\n" + wxyz + "\r\n--B--", whole},
		{"longest preamble", strings.Repeat("x", DefaultMaxPadding) + "\r\n--B\r\n" + wxyz + "\r\n--B--\r\n", whole},
		{"white space after delimiters", "--B  \r\n" + wxyz + "\r\n--B\t\r\nContent-Offset: 9\r\n\r\n\r\n--B-- \t",
			`2+4/12 "wxyz" 9+?/* "" ok`},
		{"line end belongs to the delimiter", "--B\r\n" + offset + "ab\r\n\r\n--B--", `0+?/* "ab\r\n" ok`},
		{"length skips", "--B\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\nab\r\n--B\r\nc\r\n--B--\r\n",
			`0+10/10 "ab\r\n--B\r\nc" ok`},
		{"length 0", "--B\r\nContent-Offset: 3\r\nContent-Length: 0\r\n\r\n\r\n--B--\r\n", `3+0/* "" ok`},
		{"set length", "--B\r\nContent-Range: bytes */5\r\n\r\n\r\n--B--\r\n", `*/5 ok`},
		{"no body at all", "--B\r\nContent-Range: bytes */5\r\n\r\n--B--\r\n", `*/5 ok`},
		{"no body at all, length 0", "--B\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n--B--\r\n", `*/5 ok`},
		{"half delimiters in the body", "--B\r\n" + offset + "-\r\n\r\r\n--\r\n--C\n--B\r\n--B--", `0+?/* "-\r\n\r\r\n--\r\n--C\n--B" ok`},
		{"hyphens first", "--B\r\n" + offset + "--C\r\n--B--", `0+?/* "--C" ok`},
	})
}

// Bodies that are full of beginnings of delimiters come through unchanged, wherever the ends of reads and buffers are.
func TestDelimiterLookalikes(t *testing.T) {
	const boundary = "0123456789"
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{"\r", "\n", "\r\n", "\r\n-", "\r\n--", "\r\n--0", "\r\n--01234567", "\r\n--012345678", "--0123456789", "x",
		"\n--0123456789", "\r\r\n--012345678", strings.Repeat("y", 100), "-"}
	for _, edge := range []int{0, fillSize, 2 * fillSize, directSize} {
		for range 60 {
			var b strings.Builder
			for b.Len() < edge-150 {
				b.WriteString(strings.Repeat("z", 1+rnd.IntN(3000)))
				b.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			for n := b.Len() + rnd.IntN(300); b.Len() < n; {
				b.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			body := strings.ReplaceAll(b.String(), "\r\n--"+boundary, "")
			if strings.Contains(body, "\r\n--"+boundary) || strings.HasPrefix(body, "--"+boundary) {
				continue
			}
			second := strings.Repeat("Z", 1+rnd.IntN(2*directSize))
			doc := "--" + boundary + "\r\nContent-Offset: 0\r\n\r\n" + body +
				"\r\n--" + boundary + "\r\nContent-Offset: 9000000\r\n\r\n" + second + "\r\n--" + boundary + "--"
			for _, r := range []io.Reader{strings.NewReader(doc), iotest.HalfReader(strings.NewReader(doc))} {
				d, err := NewReader(r, MediaTypeMultipart+"; boundary="+boundary, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{body, second} {
					p, err := d.Next()
					if err != nil {
						t.Fatal(err)
					}
					if got := readAll(t, p, 1+rnd.IntN(2*directSize)); got != want {
						t.Fatalf("body of %d octets came out as %d octets: %.99q", len(want), len(got), got)
					}
				}
				if _, err := d.Next(); err != io.EOF {
					t.Fatal(err)
				}
			}
		}
	}
}

// readAll reads r to its end with a buffer of n octets.
func readAll(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, n)
	for {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
