package byteranges

import (
	"errors"
	"fmt"
	"io"
)

// A Reader reads the parts of one document in their order. It is not safe for concurrent use.
type Reader struct {
	src    *source
	format format
	lim    Limits
	patch  patch
	part   *Part // the current one
	err    error // final
}

// A format knows how one media type delimits parts. All of its errors are final; io.EOF is bare.
type format interface {
	// next reads up to the body of the next part. It returns the fields, and the number of octets of the body if the
	// framing tells it, otherwise -1. It returns io.EOF at the end of a complete document, even one without parts.
	next() (h Header, framed int64, err error)

	// begin is called after next with the value of the Content-Length field, -1 if there is none.
	begin(contentLength int64)

	// read reads at least one octet of the body into b, which is not empty, or returns an error: io.EOF after the end of
	// the part, once.
	read(b []byte) (int, error)

	// short returns what it means that a body ends before its range does.
	short() error
}

// NewReader returns a Reader of the document r, whose media type is contentType, the value of a Content-Type field. For
// lim, nil stands for the defaults. The Reader reads ahead by up to 64 KiB.
//
// The error wraps ErrMediaType if it is none of the three types (draft-ietf-httpapi-patch-byterange-03, Section 3), and
// ErrMalformed if it is multipart/byteranges without one valid boundary. Other parameters have no meaning.
func NewReader(r io.Reader, contentType string, lim *Limits) (*Reader, error) {
	d := &Reader{src: newSource(r), lim: lim.orDefault(), patch: newPatch()}
	essence, params := cutMediaType(contentType)
	switch essence {
	case MediaTypeMessage:
		d.format = &messageReader{src: d.src, lim: &d.lim}
	case MediaTypeMultipart:
		boundary, err := parseBoundary(params)
		if err != nil {
			return nil, err
		}
		d.format = newMultipartReader(d.src, &d.lim, boundary)
	case MediaTypeApplication:
		d.format = &binaryReader{src: d.src, lim: &d.lim}
	default:
		return nil, fmt.Errorf("%w: %.80q", ErrMediaType, essence)
	}
	return d, nil
}

// Next returns the next part. It reads what was not read of the current part first, and checks it like Part.Read.
// Next returns io.EOF after the end of a complete document with at least one part, when the
// underlying reader has returned io.EOF.
//
// If Next returns another error, nothing of a next part may be applied: the error tells of a fault in its fields, or of
// one before it. Part.Read lists errors that Next returns too. The others wrap ErrNoRange, ranges.ErrUnit, ErrOverlap,
// ErrLimit, or ErrBodyNotEmpty; ErrLengthMismatch means that the Content-Length field contradicts the range or the
// framing (draft-ietf-httpapi-patch-byterange-03, Section 2.2), and then the part is wrong even if its body matches one
// of them.
func (r *Reader) Next() (*Part, error) {
	if r.err != nil {
		return nil, r.err
	}
	p, err := r.next()
	if err != nil {
		r.err = err
		return nil, err
	}
	return p, nil
}

func (r *Reader) next() (*Part, error) {
	if r.part != nil {
		if _, err := io.Copy(io.Discard, r.part); err != nil {
			return nil, err
		}
		r.part = nil
	}
	h, framed, err := r.format.next()
	switch {
	case err == io.EOF && r.patch.parts == 0:
		return nil, r.src.malformed("content ends before the body of a first part")
	case err != nil:
		return nil, err
	case r.patch.parts == r.lim.MaxParts:
		return nil, r.src.limit("too many parts")
	}
	p, contentLength, err := r.newPart(h, framed)
	if err != nil {
		return nil, err
	}
	return p, r.begin(p, contentLength)
}

// begin makes p the current part.
func (r *Reader) begin(p *Part, contentLength int64) error {
	name := r.name()
	p.bound()
	if err := r.patch.admit(p.Header, p.Off, p.Len, p.Length, p.SetsLength); errors.Is(err, ErrOverlap) {
		return fmt.Errorf("%s: %w", name, err)
	} else if err != nil {
		return &SyntaxError{Offset: r.src.off, Reason: name, Err: err}
	}
	r.format.begin(contentLength)
	r.part = p
	if p.SetsLength {
		if err := p.end(); err != io.EOF {
			return err
		}
	}
	return nil
}

// fail makes err final, unless it is nil or io.EOF, and returns it.
func (r *Reader) fail(err error) error {
	if err != io.EOF && err != nil {
		r.err = err
	}
	return err
}

// name returns what to call the part in errors that is being read.
func (r *Reader) name() string {
	n := r.patch.parts
	if r.part == nil {
		n++
	}
	return fmt.Sprintf("part %d", n)
}
