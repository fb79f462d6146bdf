package byteranges

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net/textproto"
	"strings"

	"github.com/infill-http/infill/ranges"
)

// A PartHeader describes a part to compose.
type PartHeader struct {
	Off    int64  // position of the first byte, at least 0
	Len    int64  // number of bytes, or -1 for a part that goes on until the next part is created or the Writer closed
	Length int64  // complete length of the resource in bytes, not below Off+Len; -1 to declare none
	Fields Header // further fields; those that tell range, length and transfer encoding are not allowed
}

// A Writer composes one document. It checks parts as a Reader does, so that what it composes is valid. It does not buffer:
// small writes to its parts become small writes to the underlying writer. It is not safe for concurrent use.
//
// Every error is final for its Writer.
type Writer struct {
	mediaType string
	enc       encoder
	patch     patch
	part      *partWriter // the current one
	err       error       // final
}

// An encoder knows how one media type delimits parts.
type encoder interface {
	// begin writes what comes before the body of a part. The length of the body is n, or -1. Names in h are in their
	// usual case.
	begin(h Header, n int64) error

	// write writes b, which is not empty, as part of the body.
	write(b []byte) (int, error)

	// end writes what comes after the body.
	end() error

	// close writes what comes after the last part.
	close() error
}

// NewWriter returns a Writer to w of the media type, which is MediaTypeMessage, MediaTypeMultipart or
// MediaTypeApplication without parameters; for others the error wraps ErrMediaType. The boundary of a multipart document
// has at least 128 random bits.
func NewWriter(w io.Writer, mediaType string) (*Writer, error) {
	d := &Writer{mediaType: mediaType, patch: newPatch()}
	switch mediaType {
	case MediaTypeMessage:
		d.enc = &messageWriter{w: w}
	case MediaTypeMultipart:
		boundary := rand.Text()
		d.mediaType = multipartType(boundary)
		d.enc = &multipartWriter{w: w, delimiter: "\r\n--" + boundary}
	case MediaTypeApplication:
		d.enc = &binaryWriter{w: w}
	default:
		return nil, fmt.Errorf("%w: %.80q", ErrMediaType, mediaType)
	}
	return d, nil
}

// multipartType returns the media type with the boundary, which is a token.
func multipartType(boundary string) string { return MediaTypeMultipart + "; boundary=" + boundary }

// ContentType returns the value of the Content-Type field for the document: the media type, with the boundary of a
// multipart one.
func (w *Writer) ContentType() string { return w.mediaType }

// CreatePart begins a part and returns a writer for its body, which is void once the Writer is called again. The part
// before it must have all of its bytes, else the error wraps ErrLengthMismatch. A message/byterange document has no more
// than one part.
//
// A part with Len > 0 gets a Content-Range field; others get Content-Offset, whose numbers go up to
// ranges.MaxFieldInteger only.
func (w *Writer) CreatePart(h PartHeader) (io.Writer, error) {
	field := Field{"Content-Range", ranges.ContentRange{
		Range: ranges.Range{Start: h.Off, End: h.Off + h.Len}, Length: h.Length}.String()}
	largest := int64(math.MaxInt64)
	if h.Len <= 0 {
		field = Field{"Content-Offset", ranges.ContentOffset{Offset: h.Off, Length: h.Length}.String()}
		largest = ranges.MaxFieldInteger
	}
	switch {
	case h.Off < 0 || h.Len < -1 || h.Length < -1 || max(h.Off, h.Length) > largest || h.Len > math.MaxInt64-h.Off:
		return nil, w.invalid("number out of range", nil)
	case h.Length >= 0 && h.Length < h.Off+max(h.Len, 0):
		return nil, w.invalid("complete length is below the end of the range", nil)
	}
	fields, err := w.fields(field, h.Fields)
	if err != nil {
		return nil, err
	}
	p := &partWriter{w: w, off: h.Off, len: h.Len, max: h.Len}
	if err := w.begin(fields, p, h.Length, false); err != nil {
		return nil, err
	}
	if p.len < 0 {
		p.room = w.patch.room(p.off)
		p.max = p.room
		if h.Length >= 0 {
			p.max = min(p.max, h.Length-p.off)
		}
	}
	return p, nil
}

// SetLength writes the part that sets the length of the resource to n bytes, n >= 0, with further fields as in PartHeader.
// It must be the last part.
func (w *Writer) SetLength(n int64, further ...Field) error {
	if n < 0 {
		return w.invalid("number out of range", nil)
	}
	c := ranges.ContentRange{Unsatisfied: true, Length: n}
	fields, err := w.fields(Field{"Content-Range", c.String()}, further)
	if err != nil {
		return err
	}
	return w.begin(fields, &partWriter{w: w}, n, true)
}

// fields returns the field that names the range, and the further ones, which it checks.
func (w *Writer) fields(first Field, further []Field) (Header, error) {
	h := Header{first}
	for _, f := range further {
		switch strings.ToLower(f.Name) {
		case fieldRange, fieldOffset, fieldLength, fieldEncoding:
			return nil, w.invalid("field "+f.Name+" is not allowed", nil)
		}
		if fault := checkField(f.Name, f.Value); fault != "" {
			return nil, w.invalid(fault, nil)
		}
		h = append(h, Field{textproto.CanonicalMIMEHeaderKey(f.Name), f.Value})
	}
	if len(h.Values(fieldType)) > 1 {
		return nil, w.invalid("content-type is repeated", nil)
	}
	return h, nil
}

// Close ends the document. The last part must have all of its bytes, else the error wraps ErrLengthMismatch, and there
// must be a part. Close does not close the underlying writer, and has no effect when it is called again.
func (w *Writer) Close() error {
	if w.err == errClosed {
		return nil
	}
	w.endPart()
	if w.err == nil && w.patch.parts == 0 {
		return w.invalid("no parts", nil)
	}
	if w.err == nil {
		w.err = w.enc.close()
	}
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	return nil
}

// begin ends the current part and makes p the current one.
func (w *Writer) begin(h Header, p *partWriter, length int64, setsLength bool) error {
	if err := w.endPart(); err != nil {
		return err
	}
	if w.mediaType == MediaTypeMessage && w.patch.parts > 0 {
		return w.invalid("a message/byterange document has one part", nil)
	}
	if err := w.patch.admit(h, p.off, p.len, length, setsLength); errors.Is(err, ErrOverlap) {
		return w.fail(err)
	} else if err != nil {
		return w.invalid("part", err)
	}
	w.part = p
	return w.fail(w.enc.begin(h, p.len))
}

// endPart ends the current part, if there is one.
func (w *Writer) endPart() error {
	p := w.part
	if w.err != nil || p == nil {
		return w.err
	}
	w.part = nil
	if p.n < p.len {
		return w.fail(fmt.Errorf("%d of %d bytes written: %w", p.n, p.len, ErrLengthMismatch))
	}
	if p.len < 0 {
		w.patch.add(ranges.Range{Start: p.off, End: p.off + p.n})
	}
	return w.fail(w.enc.end())
}

// invalid makes an error final that says what is wrong with what the caller gave, and returns it.
func (w *Writer) invalid(reason string, cause error) error {
	return w.fail(&SyntaxError{Offset: -1, Reason: reason, Err: cause})
}

// fail makes err final, unless it is nil or there was one before it. It returns the final error.
func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// A partWriter writes the body of one part.
type partWriter struct {
	w    *Writer
	off  int64
	len  int64 // bytes of the part, -1 if unknown
	n    int64 // bytes written
	max  int64 // bytes that may be written at most
	room int64 // for a part of unknown length, bytes to the next range of an earlier part
}

// Write writes bytes of the body. Of a b that goes beyond the end of the part it writes what fits; the error wraps
// ErrLengthMismatch then, or ErrOverlap where a part of unknown length meets an earlier part.
func (p *partWriter) Write(b []byte) (int, error) {
	w := p.w
	switch {
	case w.err != nil:
		return 0, w.err
	case w.part != p:
		return 0, errVoid
	}
	n, fits := 0, b[:min(int64(len(b)), p.max-p.n)]
	if len(fits) > 0 {
		var err error
		n, err = w.enc.write(fits)
		p.n += int64(n)
		if err != nil {
			return n, w.fail(err)
		}
	}
	switch {
	case len(fits) == len(b):
		return n, nil
	case p.len < 0 && p.max == p.room:
		return n, w.fail(fmt.Errorf("byte %d: %w", p.off+p.n, ErrOverlap))
	}
	return n, w.fail(fmt.Errorf("more than %d bytes written: %w", p.max, ErrLengthMismatch))
}
