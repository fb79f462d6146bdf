package byteranges

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrMediaType is wrapped by the error of NewReader and NewWriter for a media type that is none of the three.
	ErrMediaType = errors.New("not a media type of byte-range patches")

	// ErrMalformed is wrapped by the error for content that does not follow the rules of its media type, or that
	// contradicts itself. That error is a *SyntaxError.
	ErrMalformed = errors.New("malformed patch document")

	// ErrLimit is wrapped, with ErrMalformed, by the error for content that exceeds one of the Limits.
	ErrLimit = errors.New("limit exceeded")

	// ErrBodyNotEmpty is wrapped, with ErrMalformed, by the error for a part that sets the length of the resource and
	// has a body (draft-ietf-httpapi-patch-byterange-03, Section 2.1).
	ErrBodyNotEmpty = errors.New("body of a part that sets the length is not empty")

	// ErrNoRange is wrapped by the error for a part that has neither Content-Range nor Content-Offset.
	ErrNoRange = errors.New("part names no range")

	// ErrLengthMismatch is wrapped by the error for a part whose range, Content-Length field, framing and body do not
	// all have one length (draft-ietf-httpapi-patch-byterange-03, Sections 2.2 and 2.6). A Writer returns it for a body
	// that is shorter or longer than its PartHeader said.
	ErrLengthMismatch = errors.New("range and length of the part differ")

	// ErrOverlap is wrapped by the error for a part that names, or runs into, bytes of an earlier part.
	ErrOverlap = errors.New("overlaps an earlier part")

	// errVoid is returned for writes to a part once its Writer has gone on to the following one.
	errVoid = errors.New("part is no longer current")

	// errClosed is returned by the methods of a Writer that was closed.
	errClosed = errors.New("writer is closed")
)

// SyntaxError says where and why content is malformed. It is returned as a pointer, and wraps ErrMalformed.
type SyntaxError struct {
	// Offset counts the octets of the content before the place where the fault was noticed. It is -1 if the fault is in
	// the media type, or in what a Writer was given.
	Offset int64

	Reason string // what is wrong; repeats input only in quoted form
	Err    error  // cause, such as ErrLimit or a *ranges.ParseError; nil if there is none
}

// Error returns the reason, the place and the cause, in one line.
func (e *SyntaxError) Error() string {
	s := ErrMalformed.Error()
	if e.Offset >= 0 {
		s = fmt.Sprintf("%s at octet %d", s, e.Offset)
	}
	s += ": " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns ErrMalformed, and Err if it is not nil.
func (e *SyntaxError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrMalformed}
	}
	return []error{ErrMalformed, e.Err}
}

// inside returns err, an error of reading the content in the midst of what; the end of the content becomes an error that
// wraps io.ErrUnexpectedEOF.
func inside(what string, err error) error {
	if err == io.EOF {
		return fmt.Errorf("content ends inside %s: %w", what, io.ErrUnexpectedEOF)
	}
	return err
}
