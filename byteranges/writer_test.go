package byteranges

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/infill-http/infill/ranges"
)

var mediaTypes = []string{MediaTypeMessage, MediaTypeMultipart, MediaTypeApplication}

// A testPart is what remains of a part when its encoding is taken away.
type testPart struct {
	Off, Length int64
	SetsLength  bool
	Fields      Header // other than those that this package handles, with Content-Type
	Body        string
}

// encode composes a document of the media type, giving the length of each part in advance if known(i).
func encode(mediaType string, parts []testPart, known func(i int) bool) (doc []byte, contentType string, err error) {
	var b bytes.Buffer
	w, err := NewWriter(&b, mediaType)
	if err != nil {
		return nil, "", err
	}
	for i, p := range parts {
		if p.SetsLength {
			if err := w.SetLength(p.Length, p.Fields...); err != nil {
				return nil, "", err
			}
			continue
		}
		h := PartHeader{Off: p.Off, Len: -1, Length: p.Length, Fields: p.Fields}
		if known(i) {
			h.Len = int64(len(p.Body))
		}
		body, err := w.CreatePart(h)
		if err != nil {
			return nil, "", err
		}
		half := len(p.Body) / 2
		for _, s := range []string{p.Body[:half], "", p.Body[half:]} {
			if _, err := io.WriteString(body, s); err != nil {
				return nil, "", err
			}
		}
	}
	err = w.Close()
	return b.Bytes(), w.ContentType(), err
}

// decodeParts reads a document into memory.
func decodeParts(r io.Reader, contentType string, lim *Limits) (parts []testPart, err error) {
	d, err := NewReader(r, contentType, lim)
	if err != nil {
		return nil, err
	}
	for {
		p, err := d.Next()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		if p.Len >= 0 && p.Len != int64(len(body)) {
			return nil, fmt.Errorf("%d bytes of %d", len(body), p.Len)
		}
		t := testPart{Off: p.Off, Length: p.Length, SetsLength: p.SetsLength, Body: string(body)}
		for _, f := range p.Header {
			switch f.Name {
			case fieldRange, fieldOffset, fieldLength, fieldEncoding:
			default:
				t.Fields = append(t.Fields, f)
			}
		}
		parts = append(parts, t)
	}
}

// randomParts returns parts that may be in one document: disjoint, in any order.
func randomParts(rnd *rand.Rand) []testPart {
	length := int64(-1)
	if rnd.IntN(2) == 0 {
		length = 1 << 20
	}
	var parts []testPart
	off := rnd.Int64N(100)
	for range 1 + rnd.IntN(5) {
		p := testPart{Off: off, Length: length, Body: randomBody(rnd)}
		if rnd.IntN(3) == 0 {
			p.Length = -1
		}
		if rnd.IntN(3) == 0 {
			p.Fields = append(p.Fields, Field{"content-type", "text/plain; charset=\"\xff\""})
		}
		if rnd.IntN(3) == 0 {
			p.Fields = append(p.Fields, Field{"content-language", "de"}, Field{"x-empty", ""})
		}
		off += int64(len(p.Body)) + rnd.Int64N(3)
		parts = append(parts, p)
	}
	rnd.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	if rnd.IntN(4) == 0 {
		if length < 0 {
			length = rnd.Int64()
		}
		parts = append(parts, testPart{Length: length, SetsLength: true, Fields: Header{{"x", "y"}}})
	}
	return parts
}

func randomBody(rnd *rand.Rand) string {
	pieces := []string{"\r", "\n", "\r\n--", "\r\n\r\n", "--B--", "\x00", "\x08", "\x0a", "abc", "\xff"}
	var b strings.Builder
	for range rnd.IntN(6) {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return b.String()
}

// The same parts come out of all media types, with lengths that are told in advance and without.
func TestThreeEncodings(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	single := 0
	for range 10_000 {
		parts := randomParts(rnd)
		if rnd.IntN(2) == 0 {
			parts = parts[:1]
		}
		mask := rnd.Uint()
		for _, mediaType := range mediaTypes {
			if mediaType == MediaTypeMessage {
				if len(parts) > 1 {
					continue
				}
				single++
			}
			doc, contentType, err := encode(mediaType, parts, func(i int) bool { return mask>>i&1 == 0 })
			if err != nil {
				t.Fatalf("%+v: %v", parts, err)
			}
			got, err := decodeParts(bytes.NewReader(doc), contentType, nil)
			if err != nil {
				t.Fatalf("%+v: %v: %q", parts, err, doc)
			}
			if !reflect.DeepEqual(parts, got) { // cmp.Diff is too slow for ten thousand
				t.Fatalf("%s: (-want +got):\n%s", mediaType, cmp.Diff(parts, got))
			}
		}
	}
	if single < 2000 {
		t.Errorf("only %d documents of one part", single)
	}
}

// A message becomes a multipart document between two delimiters (draft-ietf-httpapi-patch-byterange-03, Section 3.2.1).
func TestMessageInMultipart(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const boundary = "does-not-occur"
	for range 2000 {
		parts := randomParts(rnd)[:1]
		doc, contentType, err := encode(MediaTypeMessage, parts, func(int) bool { return rnd.IntN(2) == 0 })
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodeParts(bytes.NewReader(doc), contentType, nil)
		if err != nil {
			t.Fatal(err)
		}
		in := fmt.Sprintf("--%s\r\n%s\r\n--%[1]s--", boundary, doc)
		got, err := decodeParts(strings.NewReader(in), MediaTypeMultipart+"; boundary="+boundary, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-message +multipart):\n%s", diff)
		}
	}
}

func TestWriterForms(t *testing.T) {
	for _, c := range []struct {
		mediaType string
		parts     []testPart
		known     bool
		want      string
	}{
		{MediaTypeMessage, []testPart{{2, 12, false, Header{{"content-type", "a/b"}}, "wxyz"}}, true,
			"Content-Range: bytes 2-5/12\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\nwxyz"},
		{MediaTypeMessage, []testPart{{2, -1, false, nil, "wxyz"}}, false, "Content-Offset: 2\r\n\r\nwxyz"},
		{MediaTypeMessage, []testPart{{2, 12, false, nil, ""}}, true, "Content-Offset: 2;complete-length=12\r\nContent-Length: 0\r\n\r\n"},
		{MediaTypeMultipart, []testPart{{0, 8, false, nil, "AB"}, {6, -1, false, nil, "GH"}}, true,
			"--B\r\nContent-Range: bytes 0-1/8\r\nContent-Length: 2\r\n\r\nAB\r\n" +
				"--B\r\nContent-Range: bytes 6-7/*\r\nContent-Length: 2\r\n\r\nGH\r\n--B--\r\n"},
		{MediaTypeMultipart, []testPart{{0, -1, false, nil, "AB"}, {0, 5, true, nil, ""}}, false,
			"--B\r\nContent-Offset: 0\r\n\r\nAB\r\n--B\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n\r\n--B--\r\n"},
		{MediaTypeApplication, []testPart{{2, 12, false, nil, "wxyz"}}, true, vectors["V1"]},
		{MediaTypeApplication, []testPart{{2, 12, false, nil, "wxyz"}}, false, vectors["V2"]},
		{MediaTypeApplication, []testPart{{0, 8, false, nil, "AB"}, {6, 8, false, nil, "GH"}}, true, vectors["V3"]},
		{MediaTypeApplication, []testPart{{0, 1000, true, nil, ""}}, true, vectors["V7"]},
		{MediaTypeApplication, []testPart{{5, -1, false, nil, ""}}, false, vectors["V23"]},
	} {
		doc, contentType, err := encode(c.mediaType, c.parts, func(int) bool { return c.known })
		if err != nil {
			t.Errorf("%+v: %v", c.parts, err)
		}
		_, boundary, _ := strings.Cut(contentType, "boundary=")
		got := string(doc)
		if boundary != "" {
			got = strings.ReplaceAll(got, boundary, "B")
		}
		if got != c.want {
			t.Errorf("%+v:\ngot  %q\nwant %q", c.parts, got, c.want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for _, mediaType := range []string{"", "text/plain", MediaTypeMessage + "; x=y", mp} {
		if _, err := NewWriter(io.Discard, mediaType); !errors.Is(err, ErrMediaType) {
			t.Errorf("%q: %v", mediaType, err)
		}
	}
	plain := PartHeader{Off: 0, Len: 4, Length: -1}
	write := func(h PartHeader, body string) func(*Writer) error {
		return func(w *Writer) error {
			p, err := w.CreatePart(h)
			if err == nil {
				_, err = io.WriteString(p, body)
			}
			return err
		}
	}
	field := func(name, value string) func(*Writer) error {
		return write(PartHeader{Off: 0, Len: 4, Length: -1, Fields: Header{{name, value}}}, "abcd")
	}
	setLength := func(n int64) func(*Writer) error { return func(w *Writer) error { return w.SetLength(n) } }
	closed := (*Writer).Close
	for _, c := range []struct {
		name  string
		want  error
		steps []func(*Writer) error
	}{
		{"no parts", ErrMalformed, []func(*Writer) error{closed}},
		{"negative offset", ErrMalformed, []func(*Writer) error{write(PartHeader{Off: -1, Len: 4, Length: -1}, "abcd")}},
		{"negative length", ErrMalformed, []func(*Writer) error{write(PartHeader{Len: -2, Length: -1}, "")}},
		{"negative complete length", ErrMalformed, []func(*Writer) error{write(PartHeader{Len: 4, Length: -2}, "abcd")}},
		{"complete length too small", ErrMalformed, []func(*Writer) error{write(PartHeader{Off: 2, Len: 4, Length: 5}, "abcd")}},
		{"end above 2^63-1", ErrMalformed, []func(*Writer) error{write(PartHeader{Off: math.MaxInt64, Len: 1, Length: -1}, "a")}},
		{"offset of 16 digits", ErrMalformed, []func(*Writer) error{write(PartHeader{Off: 1e15, Len: -1, Length: -1}, "a")}},
		{"complete length of 16 digits", ErrMalformed, []func(*Writer) error{write(PartHeader{Len: 0, Length: 1e15}, "")}},
		{"set a negative length", ErrMalformed, []func(*Writer) error{setLength(-1)}},
		{"set length with a field of ours", ErrMalformed, []func(*Writer) error{func(w *Writer) error {
			return w.SetLength(9, Field{"Content-Length", "0"})
		}}},
		{"field of ours", ErrMalformed, []func(*Writer) error{field("content-RANGE", "bytes 0-3/*")}},
		{"length field", ErrMalformed, []func(*Writer) error{field("Content-Length", "4")}},
		{"transfer encoding", ErrMalformed, []func(*Writer) error{field("Content-Transfer-Encoding", "binary")}},
		{"name with colon", ErrMalformed, []func(*Writer) error{field("a:b", "c")}},
		{"value with line end", ErrMalformed, []func(*Writer) error{field("a", "b\r\nc: d")}},
		{"value with space", ErrMalformed, []func(*Writer) error{field("a", "b ")}},
		{"two types", ErrMalformed, []func(*Writer) error{
			write(PartHeader{Len: 4, Length: -1, Fields: Header{{"Content-Type", "a/b"}, {"content-type", "a/b"}}}, "abcd")}},
		{"other type", ErrMalformed, []func(*Writer) error{field("Content-Type", "a/b"),
			write(PartHeader{Off: 4, Len: 4, Length: -1, Fields: Header{{"Content-Type", "c/d"}}}, "abcd")}},
		{"other complete length", ErrMalformed, []func(*Writer) error{write(PartHeader{Len: 4, Length: 8}, "abcd"),
			setLength(9)}},
		{"overlap", ErrOverlap, []func(*Writer) error{write(plain, "abcd"), write(PartHeader{Off: 3, Len: 1, Length: -1}, "d")}},
		{"running into", ErrOverlap, []func(*Writer) error{write(PartHeader{Off: 4, Len: 2, Length: -1}, "ef"),
			write(PartHeader{Off: 2, Len: -1, Length: -1}, "cde")}},
		{"over the unknown", ErrOverlap, []func(*Writer) error{write(PartHeader{Len: -1, Length: -1}, "abcd"),
			write(PartHeader{Off: 3, Len: 1, Length: -1}, "d")}},
		{"after the end", ErrMalformed, []func(*Writer) error{setLength(9), write(plain, "abcd")}},
		{"too long", ErrLengthMismatch, []func(*Writer) error{write(plain, "abcde")}},
		{"past complete length", ErrLengthMismatch, []func(*Writer) error{write(PartHeader{Len: -1, Length: 3}, "abcd")}},
		{"short, next", ErrLengthMismatch, []func(*Writer) error{write(plain, "abc"), write(PartHeader{Off: 9, Len: 1, Length: -1}, "a")}},
		{"short, closed", ErrLengthMismatch, []func(*Writer) error{write(plain, "abc"), closed}},
		{"short, length set", ErrLengthMismatch, []func(*Writer) error{write(plain, ""), setLength(9)}},
		{"after closing", errClosed, []func(*Writer) error{write(plain, "abcd"), closed, closed, setLength(9)}},
	} {
		for _, mediaType := range mediaTypes[1:] {
			w, err := NewWriter(io.Discard, mediaType)
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range c.steps {
				err = step(w)
				if last := i == len(c.steps)-1; last != (err != nil) {
					t.Errorf("%s in %s: step %d: %v", c.name, mediaType, i, err)
				}
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s in %s: %v, want %v", c.name, mediaType, err, c.want)
			}
			if again := w.SetLength(1 << 40); !errors.Is(again, c.want) {
				t.Errorf("%s in %s: error is not final: %v", c.name, mediaType, again)
			}
		}
	}

	w, err := NewWriter(io.Discard, MediaTypeApplication)
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.CreatePart(plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(first, "abcd"); err != nil {
		t.Fatal(err)
	}
	if err := w.SetLength(9); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(nil); err != errVoid {
		t.Errorf("write to a part after the next: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(nil); err != errClosed {
		t.Errorf("write to a part after Close: %v", err)
	}

	w, err = NewWriter(io.Discard, MediaTypeMessage)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetLength(9); err != nil {
		t.Error(err)
	}
	if err := w.SetLength(9); !errors.Is(err, ErrMalformed) {
		t.Errorf("second part of a message: %v", err)
	}
}

// A length that no varint can hold is left to the range, and the framing is indeterminate.
func TestWriterLongPart(t *testing.T) {
	for _, n := range []int64{maxVarint, maxVarint + 1, math.MaxInt64} {
		for _, mediaType := range mediaTypes {
			var b bytes.Buffer
			w, err := NewWriter(&b, mediaType)
			if err != nil {
				t.Fatal(err)
			}
			body, err := w.CreatePart(PartHeader{Len: n, Length: -1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(body, "abc"); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`0+%d/* "abc" incomplete`, n)
			if got := decode(&b, w.ContentType(), 9); got != want {
				t.Errorf("%s: %s, want %s", mediaType, got, want)
			}
		}
	}
}

func TestWriterToBrokenPipe(t *testing.T) {
	for _, mediaType := range mediaTypes {
		for allowed := range 3 {
			w, err := NewWriter(&breaking{allowed}, mediaType)
			if err != nil {
				t.Fatal(err)
			}
			p, err := w.CreatePart(PartHeader{Len: -1, Length: -1})
			if err == nil {
				_, err = io.WriteString(p, "a")
			}
			if err == nil {
				err = w.Close()
			}
			if allowed < 2 && (!errors.Is(err, errCut) || !errors.Is(w.Close(), errCut)) {
				t.Errorf("%s, %d writes: %v", mediaType, allowed, err)
			}
		}
	}
}

// breaking is a writer that works a number of times.
type breaking struct{ allowed int }

func (b *breaking) Write(p []byte) (int, error) {
	if b.allowed--; b.allowed < 0 {
		return 0, errCut
	}
	return len(p), nil
}

func TestBoundaryOfWriters(t *testing.T) {
	valid := regexp.MustCompile(`^multipart/byteranges; boundary=[A-Za-z0-9]{22,70}$`)
	seen := make(map[string]bool)
	for range 5000 {
		w, err := NewWriter(io.Discard, MediaTypeMultipart)
		if err != nil {
			t.Fatal(err)
		}
		f, err := NewFraming([]ranges.Range{{Start: 0, End: 1}}, -1, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, contentType := range []string{w.ContentType(), f.ContentType()} {
			if seen[contentType] || !valid.MatchString(contentType) {
				t.Fatalf("%q, seen: %v", contentType, seen[contentType])
			}
			seen[contentType] = true
		}
	}
}
