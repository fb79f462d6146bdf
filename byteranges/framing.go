package byteranges

import (
	"crypto/rand"
	"math"

	"github.com/infill-http/infill/ranges"
)

// A Framing is all of the content of a multipart/byteranges answer (RFC 9110, Section 15.3.7.2) except for the bytes of
// the ranges. The content is Head(0), the bytes of the first range, Head(1), the bytes of the second, and so on, and
// Tail. So the bytes can go from a file to a socket without passing through a Writer.
//
// A Framing does not change; it is safe for concurrent use.
type Framing struct {
	boundary  string
	parts     []ranges.Range
	length    int64
	mediaType string
	size      int64
}

// NewFraming returns the framing of the given parts, which are not empty, of a representation that has length bytes, -1 if
// that is not known. Parts may overlap, and be in any order; the slice is kept. Each gets a Content-Type field with the
// value mediaType if that is not empty. The boundary has at least 128 random bits.
//
// The error is a *SyntaxError for parts or a media type that cannot be told in a field.
func NewFraming(parts []ranges.Range, length int64, mediaType string) (*Framing, error) {
	f := &Framing{boundary: rand.Text(), parts: parts, length: length, mediaType: mediaType}
	invalid := func(reason string) (*Framing, error) { return nil, &SyntaxError{Offset: -1, Reason: reason} }
	if fault := checkField(fieldType, mediaType); fault != "" {
		return invalid(fault)
	}
	if len(parts) == 0 {
		return invalid("no parts")
	}
	f.size = int64(len(f.Tail()))
	var b []byte
	for i, p := range parts {
		if p.Start < 0 || p.Empty() || length >= 0 && p.End > length {
			return invalid("range " + p.String() + " is empty or not inside the representation")
		}
		b = f.AppendHead(b[:0], i)
		n := int64(len(b))
		if f.size > math.MaxInt64-n-p.Len() {
			return invalid("content is longer than 2^63-1 octets")
		}
		f.size += n + p.Len()
	}
	return f, nil
}

// ContentType returns the value of the Content-Type field for the answer.
func (f *Framing) ContentType() string { return multipartType(f.boundary) }

// Size returns the number of octets of the whole content, which is the value of its Content-Length field.
func (f *Framing) Size() int64 { return f.size }

// Len returns the number of parts.
func (f *Framing) Len() int { return len(f.parts) }

// Part returns the range whose bytes follow Head(i).
func (f *Framing) Part(i int) ranges.Range { return f.parts[i] }

// Head returns the octets before the bytes of part i, which counts from 0.
func (f *Framing) Head(i int) []byte { return f.AppendHead(nil, i) }

// Tail returns the octets after the bytes of the last part.
func (f *Framing) Tail() []byte { return []byte("\r\n--" + f.boundary + "--\r\n") }

// AppendHead appends Head(i) to b.
func (f *Framing) AppendHead(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, "\r\n"...)
	}
	b = append(b, "--"...)
	b = append(b, f.boundary...)
	b = append(b, "\r\n"...)
	h := make(Header, 0, 2)
	if f.mediaType != "" {
		h = append(h, Field{"Content-Type", f.mediaType})
	}
	h = append(h, Field{"Content-Range", ranges.ContentRange{Range: f.parts[i], Length: f.length}.String()})
	return appendTextHeader(b, h, -1)
}
