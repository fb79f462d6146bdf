package byteranges

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/infill-http/infill/ranges"
)

const (
	mb = MediaTypeMessage
	mp = MediaTypeMultipart + "; boundary=B"
	ab = MediaTypeApplication
)

// A testCase is a document and what comes of it, in the notation of decode.
type testCase struct {
	name    string
	doc     string
	outcome string
}

// unhex returns the octets that s has in hexadecimal digits, with spaces anywhere.
func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// class names what a caller can learn from err with errors.Is.
func class(err error) string {
	malformed := errors.Is(err, ErrMalformed)
	var syntax *SyntaxError
	if malformed != errors.As(err, &syntax) {
		return "an error that wraps only one of ErrMalformed and *SyntaxError"
	}
	for _, c := range []struct {
		err  error
		name string
		also bool // wraps ErrMalformed
	}{
		{io.EOF, "ok", false},
		{ErrLimit, "limit", true},
		{ErrBodyNotEmpty, "body-not-empty", true},
		{ErrMediaType, "media-type", false},
		{ErrNoRange, "no-range", false},
		{ranges.ErrUnit, "unit", false},
		{ErrLengthMismatch, "mismatch", false},
		{ErrOverlap, "overlap", false},
		{io.ErrUnexpectedEOF, "incomplete", false},
		{errCut, "cut", false},
	} {
		if errors.Is(err, c.err) {
			if malformed != c.also {
				return fmt.Sprintf("%s, and ErrMalformed is %v", c.name, malformed)
			}
			return c.name
		}
	}
	if malformed {
		return "malformed"
	}
	return "an error of no class: " + err.Error()
}

// errCut is what an interrupted reader of the tests returns.
var errCut = errors.New("connection reset")

// decode reads a whole document, with a buffer of the given size, and returns what it delivered and how that ended, such
// as
//
//	2+4/12 "wxyz" ok           a whole part of 4 bytes at 2, complete length 12, and the end of the document
//	0+?/* "AB" */8 ok          a part of unknown length, and one that sets the length
//	0+10/10! "abcd" mismatch   a part that is known to fail in advance; what its body delivered; how that ended
func decode(r io.Reader, contentType string, bufSize int) string {
	var out strings.Builder
	d, err := NewReader(r, contentType, nil)
	if err != nil {
		return class(err)
	}
	buf := make([]byte, bufSize)
	for {
		var p *Part
		if p, err = d.Next(); err != nil {
			break
		}
		if p.SetsLength {
			fmt.Fprintf(&out, "*/%d ", p.Length)
			continue
		}
		fmt.Fprintf(&out, "%d+%s/%s", p.Off, orUnknown(p.Len, "?"), orUnknown(p.Length, "*"))
		if p.Err() != nil {
			out.WriteByte('!')
		}
		var body []byte
		for err == nil {
			var n int
			n, err = p.Read(buf)
			body = append(body, buf[:n]...)
			if n == 0 && err == nil {
				return out.String() + " a Read that returns nothing"
			}
		}
		fmt.Fprintf(&out, " %.40q ", body)
		if p.Err() != nil && err != p.Err() && class(err) == class(p.Err()) {
			return out.String() + " an error that is not the one announced"
		}
		if again, errAgain := p.Read(buf); again != 0 || errAgain != err {
			return out.String() + " an error that is not final"
		}
		if err != io.EOF {
			if _, errNext := d.Next(); errNext != err {
				return out.String() + " an error that is not final in Next"
			}
			break
		}
	}
	if p, errNext := d.Next(); p != nil || errNext != err {
		return out.String() + " an error of Next that is not final"
	}
	for _, c := range err.Error() {
		if c < ' ' {
			return out.String() + "an error text with control characters: " + err.Error()
		}
	}
	return out.String() + class(err)
}

func orUnknown(n int64, unknown string) string {
	if n < 0 {
		return unknown
	}
	return fmt.Sprint(n)
}

// run checks that every case has its outcome, however the content arrives and is asked for.
func run(t *testing.T, contentType string, cases []testCase) {
	t.Helper()
	for _, c := range cases {
		for _, bufSize := range []int{1, 3, fillSize, 2 * directSize} {
			for _, r := range []io.Reader{
				strings.NewReader(c.doc),
				iotest.OneByteReader(strings.NewReader(c.doc)),
				iotest.HalfReader(strings.NewReader(c.doc)),
				iotest.DataErrReader(strings.NewReader(c.doc)),
			} {
				if got := decode(r, contentType, bufSize); got != c.outcome {
					t.Errorf("%s: %T into %d octets:\ngot  %s\nwant %s", c.name, r, bufSize, got, c.outcome)
				}
			}
		}
	}
}

// textPart returns the fields, separated by "|", in their lines, the empty line, and the body.
func textPart(fields, body string) string {
	return strings.ReplaceAll(fields, "|", "\r\n") + "\r\n\r\n" + body
}

// inAll runs cases in which doc is the fields of a single part as in textPart, with the body "wxyz", in all three media
// types.
func inAll(t *testing.T, cases []testCase) {
	t.Helper()
	var inMB, inMP, inAB []testCase
	for _, c := range cases {
		text := textPart(c.doc, "wxyz")
		inMB = append(inMB, testCase{c.name + " mb", text, c.outcome})
		inMP = append(inMP, testCase{c.name + " mp", "--B\r\n" + text + "\r\n--B--\r\n", c.outcome})
		var fields []byte
		for _, line := range strings.Split(c.doc, "|") {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			fields = append(append(fields, byte(len(name))), name...)
			fields = append(appendVarint(fields, int64(len(value))), value...)
		}
		inAB = append(inAB, testCase{c.name + " ab", "\x0a" + string(fields) + "\x00\x01w\x03xyz\x00", c.outcome})
	}
	run(t, mb, inMB)
	run(t, mp, inMP)
	run(t, ab, inAB)
}

func TestPartFields(t *testing.T) {
	const whole = `2+4/12 "wxyz" ok`
	inAll(t, []testCase{
		// no range, or one that is not understood
		{"no range", "Content-Type: text/plain", "no-range"},
		{"other unit", "Content-Range: items 2-5/12", "unit"},
		{"other unit of offset", "Content-Offset: 2;unit=items", "unit"},

		// RFC 9110, Section 14.4
		{"spaces at hyphen", "Content-Range: bytes 2 - 5/12", "malformed"},
		{"two spaces", "Content-Range: bytes  2-5/12", "malformed"},
		{"equals sign", "Content-Range: bytes=2-5/12", "malformed"},
		{"no complete length", "Content-Range: bytes 2-5", "malformed"},
		{"sign", "Content-Range: bytes +2-5/12", "malformed"},
		{"hexadecimal", "Content-Range: bytes 0x2-5/12", "malformed"},
		{"no unit", "Content-Range: 2-5/12", "malformed"},
		{"no unit, unsatisfied", "Content-Range: */1000", "malformed"},
		{"last below first", "Content-Range: bytes 5-4/10", "malformed"},
		{"complete length 9 of 0-9", "Content-Range: bytes 0-9/9", "malformed"},
		{"complete length 5 of 0-9", "Content-Range: bytes 0-9/5", "malformed"},
		{"two stars", "Content-Range: bytes */*", "malformed"},
		{"open end", "Content-Range: bytes 0-/10", "malformed"},
		{"2^64-1", "Content-Range: bytes 0-18446744073709551615/*", "malformed"},
		{"end of 2^63", "Content-Range: bytes 9223372036854775807-9223372036854775807/*", "malformed"},
		{"empty value", "Content-Range: ", "malformed"},

		// RFC 9110, Section 5.3
		{"range twice", "Content-Range: bytes 2-5/12|Content-Range: bytes 2-5/12", "malformed"},
		{"range list", "Content-Range: bytes 2-5/12, bytes 2-5/12", "malformed"},
		{"offset twice", "Content-Offset: 2|Content-Offset: 2", "malformed"},
		{"range and offset", "Content-Range: bytes 2-5/12|Content-Offset: 2", "malformed"},
		{"type twice", "Content-Range: bytes 2-5/12|Content-Type: a/b|Content-Type: a/b", "malformed"},
		{"length twice", "Content-Range: bytes 2-5/12|Content-Length: 4|content-length: 4", "malformed"},

		// RFC 9651, Section 3.3
		{"decimal", "Content-Offset: 2.0", "malformed"},
		{"string", `Content-Offset: "2"`, "malformed"},
		{"negative", "Content-Offset: -1", "malformed"},
		{"16 digits", "Content-Offset: 1000000000000000", "malformed"},
		{"two items", "Content-Offset: 2 3", "malformed"},
		{"inner list", "Content-Offset: (2)", "malformed"},
		{"unit is a string", `Content-Offset: 2;unit="bytes"`, "malformed"},
		{"complete-length is a star", "Content-Offset: 2;complete-length=*", "malformed"},
		{"complete-length is true", "Content-Offset: 2;complete-length", "malformed"},
		{"complete-length below offset", "Content-Offset: 10;complete-length=5", "malformed"},

		// lengths
		{"length above range", "Content-Range: bytes 2-5/12|Content-Length: 5", "mismatch"},
		{"length below range", "Content-Range: bytes 2-5/12|Content-Length: 3", "mismatch"},
		{"length right, range not", "Content-Range: bytes 2-6/12|Content-Length: 4", "mismatch"},
		{"length with sign", "Content-Range: bytes 2-5/12|Content-Length: +4", "malformed"},
		{"length with underscore", "Content-Range: bytes 2-5/12|Content-Length: 0_4", "malformed"},
		{"length is empty", "Content-Range: bytes 2-5/12|Content-Length:", "malformed"},
		{"length 2^63", "Content-Range: bytes 2-5/12|Content-Length: 9223372036854775808", "malformed"},
		{"length of 40 digits", "Content-Offset: 2|Content-Length: 9" + strings.Repeat("0", 39), "malformed"},
		{"end beyond 2^63-1", "Content-Offset: 1|Content-Length: 9223372036854775807", "malformed"},
		{"length with length", "Content-Range: bytes */9|Content-Length: 5", "mismatch"},
		{"length above complete length", "Content-Offset: 2;complete-length=5|Content-Length: 4", `2+3/5! "wxy" mismatch`},
		{"body above complete length", "Content-Offset: 2;complete-length=5", `2+?/5 "wxy" mismatch`},
		{"body above range", "Content-Range: bytes 2-3/12", `2+2/12 "wx" mismatch`},
		{"body where length is set", "Content-Range: bytes */12", "body-not-empty"},

		// coding for transport
		{"quoted-printable", "Content-Range: bytes 2-5/12|Content-Transfer-Encoding: quoted-printable", "malformed"},
		{"base64", "Content-Range: bytes 2-5/12|Content-Transfer-Encoding: base64", "malformed"},

		// names and values
		{"NUL", "Content-Range: bytes 2-5/12|X: a\x00b", "malformed"},
		{"CR", "Content-Range: bytes 2-5/12|X: a\rb", "malformed"},
		{"DEL", "Content-Range: bytes 2-5/12|X: a\x7fb", "malformed"},
		{"space in name", "Content Range: bytes 2-5/12", "malformed"},

		{"plain", "Content-Range: bytes 2-5/12", whole},
		{"unit in capitals", "Content-Range: BYTES 2-5/12", whole},
		{"name in lower case", "content-range: bytes 2-5/12", whole},
		{"leading zeros", "Content-Range: bytes 0002-0005/0012", whole},
		{"complete length unknown", "Content-Range: bytes 2-5/*", `2+4/* "wxyz" ok`},
		{"right length", "Content-Range: bytes 2-5/12|Content-Length: 4", whole},
		{"right length, leading zero", "Content-Range: bytes 2-5/12|Content-Length: 04", whole},
		{"end of 2^63-1", "Content-Range: bytes 9223372036854775803-9223372036854775806/9223372036854775807",
			`9223372036854775803+4/9223372036854775807 "wxyz" ok`},
		{"offset", "Content-Offset: 2", `2+?/* "wxyz" ok`},
		{"offset with leading zero", "Content-Offset: 02", `2+?/* "wxyz" ok`},
		{"offset of 15 digits", "Content-Offset: 999999999999999", `999999999999999+?/* "wxyz" ok`},
		{"offset with unit", "Content-Offset: 2;unit=Bytes", `2+?/* "wxyz" ok`},
		{"offset with unknown parameter", "Content-Offset: 2;foo=1", `2+?/* "wxyz" ok`},
		{"complete-length twice", "Content-Offset: 2;complete-length=12;complete-length=6", `2+?/6 "wxyz" ok`},
		{"offset and length", "Content-Offset: 2;complete-length=6|Content-Length: 4", `2+4/6 "wxyz" ok`},
		{"identity of transport", "Content-Range: bytes 2-5/12|Content-Transfer-Encoding: Binary", whole},
		{"fields of messages", "Content-Range: bytes 2-5/12|Transfer-Encoding: chunked|If-Match: \"nope\"|X-Forwarded-User: admin", whole},
		{"nested multipart", "Content-Range: bytes 2-5/12|Content-Type: multipart/mixed; boundary=C", whole},
		{"obs-text", "Content-Range: bytes 2-5/12|X: \xff\x80", whole},
	})
}

// A body that is shorter than its range is an interruption where the body ends with the content, and a contradiction where
// it has an end of its own.
func TestShortBody(t *testing.T) {
	const fields = "Content-Range: bytes 0-9/10"
	run(t, mb, []testCase{{"mb", textPart(fields, "wxyz"), `0+10/10 "wxyz" incomplete`}})
	run(t, mp, []testCase{{"mp", "--B\r\n" + textPart(fields, "wxyz\r\n--B--\r\n"), `0+10/10 "wxyz" mismatch`}})
	run(t, ab, []testCase{{"ab", "\x0a\x0dcontent-range\x0cbytes 0-9/10\x00\x04wxyz\x00", `0+10/10 "wxyz" mismatch`}})
}

// The rules between parts are the same in both media types that have several.
func TestBetweenParts(t *testing.T) {
	for _, c := range []struct {
		name    string
		parts   []string // fields, a "=", and the body
		outcome string
	}{
		{"overlap", []string{"Content-Range: bytes 0-3/8=AAAA", "Content-Range: bytes 2-5/8=BBBB"}, `0+4/8 "AAAA" overlap`},
		{"same range", []string{"Content-Range: bytes 0-1/8=AA", "Content-Range: bytes 0-1/8=AA"}, `0+2/8 "AA" overlap`},
		{"offset inside", []string{"Content-Range: bytes 0-3/8=AAAA", "Content-Offset: 2=BB"}, `0+4/8 "AAAA" 2+?/* "" overlap`},
		{"offset runs into", []string{"Content-Range: bytes 6-7/8=GH", "Content-Offset: 4=CDEFXX"}, `6+2/8 "GH" 4+?/* "CD" overlap`},
		{"range of the past", []string{"Content-Offset: 0=ABCD", "Content-Range: bytes 3-4/8=XX"}, `0+?/* "ABCD" overlap`},
		{"complete lengths", []string{"Content-Range: bytes 0-1/8=AB", "Content-Range: bytes 6-7/9=GH"}, `0+2/8 "AB" malformed`},
		{"complete lengths apart", []string{"Content-Range: bytes 0-1/8=AB", "Content-Range: bytes 2-2/*=C",
			"Content-Offset: 6;complete-length=9=GH"}, `0+2/8 "AB" 2+1/* "C" malformed`},
		{"complete length and set length", []string{"Content-Range: bytes 0-1/8=AB", "Content-Range: bytes */9="}, `0+2/8 "AB" malformed`},
		{"types", []string{"Content-Range: bytes 0-1/8|Content-Type: text/plain=AB",
			"Content-Range: bytes 6-7/8|Content-Type: image/png=GH"}, `0+2/8 "AB" malformed`},
		{"set length first", []string{"Content-Range: bytes */5=", "Content-Range: bytes 0-4/*=ABCDE"}, `*/5 malformed`},
		{"set length twice", []string{"Content-Range: bytes */5=", "Content-Range: bytes */5="}, `*/5 malformed`},
		{"set length with body", []string{"Content-Range: bytes 0-0/*=A", "Content-Range: bytes */5=x"}, `0+1/* "A" body-not-empty`},
		{"fault in the second", []string{"Content-Range: bytes 0-1/8=AB", "Content-Range: bytes 5-4/8=GH"}, `0+2/8 "AB" malformed`},

		{"two", []string{"Content-Range: bytes 0-1/8=AB", "Content-Range: bytes 6-7/8=GH"}, `0+2/8 "AB" 6+2/8 "GH" ok`},
		{"two, descending", []string{"Content-Range: bytes 6-7/8=GH", "Content-Range: bytes 0-1/*=AB"}, `6+2/8 "GH" 0+2/* "AB" ok`},
		{"touching", []string{"Content-Range: bytes 6-7/8=GH", "Content-Offset: 4=EF"}, `6+2/8 "GH" 4+?/* "EF" ok`},
		{"empty in the midst", []string{"Content-Range: bytes 0-3/8=AAAA", "Content-Offset: 2="}, `0+4/8 "AAAA" 2+?/* "" ok`},
		{"types once", []string{"Content-Range: bytes 0-1/8|Content-Type: a/b=AB", "Content-Range: bytes 2-2/8=C",
			"Content-Range: bytes 6-7/8|Content-Type: a/b=GH"}, `0+2/8 "AB" 2+1/8 "C" 6+2/8 "GH" ok`},
		{"set length last", []string{"Content-Range: bytes 0-4/*=ABCDE", "Content-Range: bytes */5="}, `0+5/* "ABCDE" */5 ok`},
		{"set length, told before", []string{"Content-Range: bytes 0-0/5=A", "Content-Range: bytes */5|Content-Length: 0="},
			`0+1/5 "A" */5 ok`},
	} {
		var inMP, inAB strings.Builder
		for _, part := range c.parts {
			i := strings.LastIndexByte(part, '=')
			fields, body := part[:i], part[i+1:]
			inMP.WriteString("\r\n--B\r\n" + textPart(fields, body))
			inAB.WriteByte(framingIndeterminate)
			for _, line := range strings.Split(fields, "|") {
				name, value, _ := strings.Cut(line, ": ")
				fmt.Fprintf(&inAB, "%c%s%c%s", len(name), name, len(value), value)
			}
			inAB.WriteByte(0)
			if body != "" {
				fmt.Fprintf(&inAB, "%c%s", len(body), body)
			}
			inAB.WriteByte(0)
		}
		run(t, mp, []testCase{{c.name + " mp", inMP.String() + "\r\n--B--", c.outcome}})
		run(t, ab, []testCase{{c.name + " ab", inAB.String(), c.outcome}})
	}
}

// A body that Next has gone past is at its end, and a caller that skips bodies gets the same faults.
func TestSkippedParts(t *testing.T) {
	r, err := NewReader(strings.NewReader(vectors["MP1"]), mp, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if second.Off != 6 {
		t.Errorf("second part at %d", second.Off)
	}
	if n, err := first.Read(make([]byte, 9)); n != 0 || err != io.EOF {
		t.Errorf("read of the first part after Next: %d, %v", n, err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("end: %v", err)
	}

	for name, want := range map[string]string{"V9": "incomplete", "V10": "mismatch", "V11": "mismatch", "V12": "incomplete"} {
		r, err := NewReader(strings.NewReader(vectors[name]), ab, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := r.Next(); class(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	part := func(i int) string {
		return fmt.Sprintf("\x08\x20\x0dcontent-range\x11bytes %04d-%04d/*\x01x", i, i)
	}
	var doc bytes.Buffer
	for i := range 3 {
		doc.WriteString(part(i))
	}
	for _, c := range []struct {
		lim     Limits
		outcome error
	}{
		{Limits{MaxParts: 2}, ErrLimit},
		{Limits{MaxParts: 3}, io.EOF},
		{Limits{MaxHeaderBytes: 31}, ErrLimit},
		{Limits{MaxHeaderBytes: 32}, io.EOF},
		{Limits{MaxNameBytes: 12}, ErrLimit},
		{Limits{MaxNameBytes: 13}, io.EOF},
		{Limits{MaxFields: 1}, io.EOF},
		{Limits{}, io.EOF},
	} {
		r, err := NewReader(bytes.NewReader(doc.Bytes()), ab, &c.lim)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, c.outcome) {
			t.Errorf("%+v: %v, want %v", c.lim, err, c.outcome)
		}
	}

	var many strings.Builder
	for i := range DefaultMaxParts {
		many.WriteString(part(i))
	}
	for extra, want := range map[string]string{"": "ok", part(DefaultMaxParts): "limit"} {
		if got := decode(strings.NewReader(many.String()+extra), ab, 9); !strings.HasSuffix(got, " "+want) {
			t.Errorf("%d parts and %q: …%s, want %s", DefaultMaxParts, extra, got[max(0, len(got)-40):], want)
		}
	}
}

// Buffered tells what was taken from the content too early: the rest of it begins with those octets of a body.
func TestBuffered(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	for name, doc := range map[string]struct{ mediaType, head, tail string }{
		"message":     {mb, "Content-Range: bytes 0-9999/*\r\n\r\n", ""},
		"multipart":   {mp, "--B\r\nContent-Range: bytes 0-9999/*\r\n\r\n", "\r\n--B--"},
		"application": {ab, "\x08\x1d\x0dcontent-range\x0ebytes 0-9999/*\x67\x10", ""},
	} {
		content := strings.NewReader(doc.head + body + doc.tail)
		r, err := NewReader(content, doc.mediaType, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := p.Buffered(), len(body)+len(doc.tail)-content.Len(); got != want || want == 0 {
			t.Errorf("%s: %d octets, want %d", name, got, want)
		}
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "multipart" && p.Buffered() != 0 {
			t.Errorf("%s: %d octets after the end", name, p.Buffered())
		}
	}
}
