package byteranges

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/infill-http/infill/ranges"
)

// A Part is one part of a document: a range, and a reader of the bytes for it. Its body can be read until the next call
// of Reader.Next, which reads what is left of it.
//
//	field of the part        Off  Len  Length  SetsLength
//	bytes 2-5/12               2    4      12       false
//	bytes 2-5/*                2    4      -1       false
//	bytes */12                 0    0      12        true
//	2;complete-length=12       2   -1      12       false  Content-Offset
//	2                          2   -1      -1       false  Content-Offset
type Part struct {
	Header Header // all fields, those told by the other members included

	Off int64 // position of the first byte

	// Len is the number of bytes that the part names, [Off, Off+Len). It is -1 for a Content-Offset part whose length
	// is not known before its end. Otherwise Read delivers exactly Len bytes before io.EOF.
	Len int64

	// Length is the complete length that the part declares for the resource, in bytes, -1 if it declares none. All parts
	// of a document that declare one declare the same.
	Length int64

	// SetsLength is true for a part that names no bytes and sets the length of the resource to Length
	// (draft-ietf-httpapi-patch-byterange-03, Section 2.1). It is the last part of its document, and takes effect after
	// all others. Next has seen the end of its empty body.
	SetsLength bool

	r     *Reader
	n     int64 // bytes delivered
	max   int64 // bytes that may be delivered at most
	room  int64 // bytes from Off to the next range of an earlier part
	err   error // known before the body
	done  bool  // the end was seen, and n was right
	probe [1]byte
}

// Err returns an error if the part is known to fail before its body was read: because the binary framing, or the complete
// length, contradicts the length of the range (draft-ietf-httpapi-patch-byterange-03, Section 2.6). The error wraps
// ErrLengthMismatch. A caller that applies all or nothing can stop here; one that keeps what it gets can Read the bytes up
// to the shorter of the two lengths, and then gets this same error.
func (p *Part) Err() error { return p.err }

// Buffered returns how many octets the Reader has read that it has not delivered, of this part or what is after it. Before
// the first Read, these are what was read beyond the begin of the body.
func (p *Part) Buffered() int { return len(p.r.src.window()) }

// Read reads bytes of the part's body. It returns io.EOF once the end of the part was seen in the content and the body had
// the right length, so that a part is never taken for whole too early. Other errors are also returned by all later calls
// of Read and Reader.Next, and come after the bytes that were right:
//
//   - ErrLengthMismatch if the body is longer than the range, or shorter although the part has an end;
//   - ErrOverlap if a part of unknown length runs into the range of an earlier part;
//   - io.ErrUnexpectedEOF if the content ends inside the part;
//   - ErrMalformed, and errors of the underlying reader.
//
// Read may use all of b as scratch space. A b of 64 KiB or more is the fastest: the content is read into it directly.
func (p *Part) Read(b []byte) (int, error) {
	r := p.r
	switch {
	case p.done:
		return 0, io.EOF
	case r.err != nil:
		return 0, r.err
	case len(b) == 0:
		return 0, nil
	case p.n == p.max:
		return 0, p.end()
	}
	n, err := r.format.read(b[:min(int64(len(b)), p.max-p.n)])
	p.n += int64(n)
	if err == io.EOF {
		err = p.finish()
	}
	return n, r.fail(err)
}

// end looks for the end of a body of which all bytes were delivered. It returns io.EOF if that is what comes next.
func (p *Part) end() error {
	r := p.r
	if p.err != nil {
		return r.fail(p.err)
	}
	_, err := r.format.read(p.probe[:])
	switch {
	case err == io.EOF:
		return r.fail(p.finish())
	case err != nil:
		return r.fail(err)
	case p.SetsLength:
		return r.fail(&SyntaxError{Offset: r.src.off, Reason: r.name(), Err: ErrBodyNotEmpty})
	case p.n == p.room:
		return r.fail(fmt.Errorf("%s at byte %d: %w", r.name(), p.Off+p.n, ErrOverlap))
	}
	return r.fail(fmt.Errorf("%s has a body of more than %d bytes: %w", r.name(), p.max, ErrLengthMismatch))
}

// finish is called at the end of the body. It returns io.EOF if the length is right.
func (p *Part) finish() error {
	switch {
	case p.err != nil:
		return p.err
	case p.Len >= 0 && p.n < p.Len:
		return fmt.Errorf("%s has %d of %d bytes: %w", p.r.name(), p.n, p.Len, p.r.format.short())
	case p.Len < 0:
		p.r.patch.add(ranges.Range{Start: p.Off, End: p.Off + p.n})
	}
	p.done = true
	return io.EOF
}

// newPart returns the part that the fields h tell of, and the value of its Content-Length field, -1 if there is none. The
// number of octets that the framing says the body has is framed, -1 if it does not say.
func (r *Reader) newPart(h Header, framed int64) (p *Part, contentLength int64, err error) {
	fail := func(reason string, cause error) (*Part, int64, error) {
		return nil, 0, &SyntaxError{Offset: r.src.off, Reason: r.name() + ": " + reason, Err: cause}
	}
	mismatch := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s: %w", r.name(), fmt.Sprintf(format, args...), ErrLengthMismatch)
	}
	for _, name := range []string{fieldRange, fieldOffset, fieldLength, fieldType, fieldEncoding} {
		if len(h.Values(name)) > 1 { // RFC 9110, Section 5.3
			return fail(name+" is repeated", nil)
		}
	}
	if coding, given := h.lookup(fieldEncoding); given {
		switch strings.ToLower(coding) {
		case "7bit", "8bit", "binary":
		default: // RFC 9110, Section 14.6: the body is bytes of the resource, never encoded for transport
			return fail("content-transfer-encoding is not an identity", nil)
		}
	}

	p = &Part{Header: h, Length: -1, r: r, room: -1}
	rangeValue, hasRange := h.lookup(fieldRange)
	offsetValue, hasOffset := h.lookup(fieldOffset)
	switch {
	case hasRange && hasOffset:
		return fail("has both content-range and content-offset", nil)
	case !hasRange && !hasOffset:
		return nil, 0, fmt.Errorf("%s: %w", r.name(), ErrNoRange)
	case hasRange:
		var c ranges.ContentRange
		c, err = ranges.ParseContentRange(rangeValue)
		p.Off, p.Len, p.Length, p.SetsLength = c.Range.Start, c.Range.Len(), c.Length, c.Unsatisfied
	default:
		var c ranges.ContentOffset
		c, err = ranges.ParseContentOffset(offsetValue)
		p.Off, p.Len, p.Length = c.Offset, -1, c.Length
	}
	if errors.Is(err, ranges.ErrUnit) {
		return nil, 0, fmt.Errorf("%s: %w", r.name(), err)
	} else if err != nil {
		return fail("range", err)
	}

	contentLength = -1
	if s, given := h.lookup(fieldLength); given {
		n, err := strconv.ParseUint(s, 10, 63) // digits only: ParseUint takes no sign, and underscores only with base 0
		if err != nil {
			return fail("content-length is not a number of less than 2^63", nil)
		}
		contentLength = int64(n)
	}
	switch {
	case contentLength >= 0 && p.Len >= 0 && contentLength != p.Len:
		return nil, 0, mismatch("content-length %d, range of %d bytes", contentLength, p.Len)
	case contentLength >= 0 && framed >= 0 && contentLength != framed:
		return nil, 0, mismatch("content-length %d, framed %d", contentLength, framed)
	case p.SetsLength && framed > 0:
		return fail("sets the length", ErrBodyNotEmpty)
	}
	switch told := max(contentLength, framed); {
	case hasRange:
		if framed >= 0 && framed != p.Len {
			p.err = mismatch("framed %d, range of %d bytes", framed, p.Len)
		}
	case told > math.MaxInt64-p.Off:
		return fail("range ends beyond byte 2^63-1", nil)
	case told >= 0 && p.Length >= 0 && told > p.Length-p.Off:
		p.Len = p.Length - p.Off
		p.err = mismatch("%d bytes at %d, complete length %d", told, p.Off, p.Length)
	case told >= 0:
		p.Len = told
	}
	return p, contentLength, nil
}

// bound sets how many bytes of p may be delivered, and for a part of unknown length how many there are up to the next
// range of an earlier part.
func (p *Part) bound() {
	if p.Len >= 0 {
		p.max = p.Len
		return
	}
	p.room = p.r.patch.room(p.Off)
	p.max = p.room
	if p.Length >= 0 {
		p.max = min(p.max, p.Length-p.Off)
	}
}
