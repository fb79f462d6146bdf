package byteranges

import (
	"io"
	"strings"
	"testing"
)

func TestBinary(t *testing.T) {
	const section = "\x1b\x0dcontent-range\x0cbytes 2-5/12" // with its length
	fields := section[1:]
	run(t, ab, []testCase{
		{"empty", "", "malformed"},
		{"framing indicator 0", "\x00", "malformed"},
		{"framing indicator 1", "\x01", "malformed"},
		{"framing indicator 2", "\x02", "malformed"},
		{"framing indicator 3", "\x03", "malformed"},
		{"framing indicator 11", "\x0b", "malformed"},
		{"framing indicator 2^62-1", "\xff\xff\xff\xff\xff\xff\xff\xff", "malformed"},
		{"framing indicator cut", "\x40", "incomplete"},
		{"indicator only", "\x08", "incomplete"},
		{"indeterminate indicator only", "\x0a", "incomplete"},
		{"section length cut", "\x08\x80\x00", "incomplete"},
		{"name length cut", "\x08\x09\x40", "incomplete"},
		{"name cut", "\x08\x09\x05ab", "incomplete"},
		{"section cut", "\x08" + section[:9], "incomplete"},
		{"section of 0 octets", "\x08\x00\x00", "no-range"},
		{"indeterminate section of 0 octets", "\x0a\x00\x00", "no-range"},
		{"no content length", "\x08" + section, "incomplete"},
		{"content length cut", "\x08" + section + "\xc0\x00", "incomplete"},
		{"name without value", "\x08\x02\x01a\x00", "malformed"},
		{"varint beyond the section", "\x08\x03\x01a\x40\x00\x00", "malformed"},
		{"value beyond the section", "\x08\x03\x01a\x01b\x00", "malformed"},
		{"name of 2^62-1 octets", "\x08\x09\xff\xff\xff\xff\xff\xff\xff\xffa", "malformed"},
		{"name of 2^62-1 octets, indeterminate", "\x0a\xff\xff\xff\xff\xff\xff\xff\xffa", "limit"},
		{"value of 2^62-1 octets, indeterminate", "\x0a\x01a\xff\xff\xff\xff\xff\xff\xff\xffa", "limit"},
		{"section of 2^62-1 octets", "\x08\xff\xff\xff\xff\xff\xff\xff\xffa", "limit"},
		{"section of 8 KiB and one octet", "\x08\x60\x01", "limit"},
		{"too many fields", "\x0a" + strings.Repeat("\x01a\x00", DefaultMaxFields) + fields + "\x00\x04wxyz\x00", "limit"},
		{"name too long", "\x0a" + string(appendVarint(nil, DefaultMaxNameBytes+1)), "limit"},
		{"value after tab", "\x0a\x01a\x02\tb" + fields + "\x00\x04wxyz\x00", "malformed"},
		{"value before space", "\x0a\x01a\x02b " + fields + "\x00\x04wxyz\x00", "malformed"},
		{"content cut", "\x08" + section + "\x04wxy", `2+4/12 "wxy" incomplete`},
		{"chunk cut", "\x0a" + fields + "\x00\x04wxy", `2+4/12 "wxy" incomplete`},
		{"chunk length cut", "\x0a" + fields + "\x00\x02wx\x40", `2+4/12 "wx" incomplete`},
		{"no last chunk", "\x0a" + fields + "\x00\x04wxyz", `2+4/12 "wxyz" incomplete`},
		{"chunks longer than range", "\x0a" + fields + "\x00\x02wx\x03yz!\x00", `2+4/12 "wxyz" mismatch`},
		{"one chunk too many", "\x0a" + fields + "\x00\x04wxyz\x01!\x00", `2+4/12 "wxyz" mismatch`},
		{"chunks shorter than range", "\x0a" + fields + "\x00\x02wx\x00", `2+4/12 "wx" mismatch`},
		{"offset, chunks past complete length", "\x0a\x0econtent-offset\x132;complete-length=5\x00\x02wx\x02yz\x00",
			`2+?/5 "wxy" mismatch`},
		{"set length with a chunk", "\x0a\x0dcontent-range\x09bytes */5\x00\x01x\x00", "body-not-empty"},
		{"set length, no last chunk", "\x0a\x0dcontent-range\x09bytes */5\x00", "incomplete"},
		{"padding", "\x08" + section + "\x04wxyz\x00", `2+4/12 "wxyz" malformed`},
		{"trailers", "\x0a" + fields + "\x00\x04wxyz\x00\x01a\x01b\x00", `2+4/12 "wxyz" malformed`},
		{"length field differs from framing", "\x08\x22\x0econtent-offset\x010\x0econtent-length\x015\x04wxyz", "mismatch"},

		{"known", "\x08" + section + "\x04wxyz", `2+4/12 "wxyz" ok`},
		{"known with offset", "\x08\x11\x0econtent-offset\x017\x04wxyz", `7+4/* "wxyz" ok`},
		{"known, empty, with offset", "\x08\x11\x0econtent-offset\x017\x00", `7+0/* "" ok`},
		{"indeterminate set length", "\x0a\x0dcontent-range\x09bytes */5\x00\x00", `*/5 ok`},
		{"chunk lengths not minimal", "\x0a" + fields + "\x40\x00\x80\x00\x00\x04wxyz\xc0\x00\x00\x00\x00\x00\x00\x00", `2+4/12 "wxyz" ok`},
		{"empty value", "\x0a\x01a\x00" + fields + "\x00\x04wxyz\x00", `2+4/12 "wxyz" ok`},
		{"many fields", "\x0a" + strings.Repeat("\x01a\x00", DefaultMaxFields-1) + fields + "\x00\x04wxyz\x00", `2+4/12 "wxyz" ok`},
		{"section of 8 KiB", binaryOf(DefaultMaxHeaderBytes, framingKnown), `2+4/12 "wxyz" ok`},
		{"section of 8 KiB, indeterminate", binaryOf(DefaultMaxHeaderBytes, framingIndeterminate), `2+4/12 "wxyz" ok`},
		{"section of more, indeterminate", binaryOf(DefaultMaxHeaderBytes+1, framingIndeterminate), "limit"},
	})
}

// binaryOf returns a document whose field section has n octets.
func binaryOf(n int, framing byte) string {
	const field = "\x0dcontent-range\x0cbytes 2-5/12"
	value := n - len(field) - len("\x01x") - 2 // 2 for the length of the value
	if framing == framingIndeterminate {
		value-- // the end of the section counts
	}
	fields := field + "\x01x" + string(appendVarint(nil, int64(value))) + strings.Repeat("x", value)
	if framing == framingIndeterminate {
		return "\x0a" + fields + "\x00\x04wxyz\x00"
	}
	return "\x08" + string(appendVarint(nil, int64(n))) + fields + "\x04wxyz"
}

// A section that is too long is refused on its length, and one of unknown length at the limit.
func TestBinaryReadsNoFurther(t *testing.T) {
	for _, head := range []string{"\x08\xc0\x00\x00\x00\x40\x00\x00\x00", "\x0a"} {
		c := &counter{r: io.MultiReader(strings.NewReader(head), endless("\x01a\x01b"))}
		lim := &Limits{MaxFields: 1e6}
		d, err := NewReader(c, ab, lim)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Next(); class(err) != "limit" {
			t.Errorf("%x: %v", head, err)
		}
		if c.n > 1+DefaultMaxHeaderBytes+fillSize {
			t.Errorf("%x: read %d octets", head, c.n)
		}
	}
}

// counter counts the octets read through it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// endless is a reader that repeats a string.
func endless(s string) io.Reader { return &repeat{s: []byte(s)} }

type repeat struct {
	s []byte
	i int
}

func (r *repeat) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m := copy(b[n:], r.s[r.i:])
		n, r.i = n+m, (r.i+m)%len(r.s)
	}
	return n, nil
}
