package byteranges

import (
	"bytes"
	"fmt"
	"io"
)

const (
	// fillSize is how much a source reads ahead. It is small, so that most of a body is still to be read, straight into
	// the memory of the caller, when the fields before it were parsed.
	fillSize = 4 << 10

	// directSize is the most that is read straight into the memory of a caller when a delimiter has to be looked for in
	// it, because what follows the delimiter has to be kept.
	directSize = 64 << 10

	// maxEmptyReads is how many times in a row a reader may return neither octets nor an error.
	maxEmptyReads = 100
)

// A source is the content that a Reader reads, with a window of octets that were read ahead.
type source struct {
	r   io.Reader
	buf []byte
	i   int   // buf[i:j] is the window
	j   int   //
	off int64 // octets of the content before the window
	err error // what r returned last: io.EOF bare, anything else wrapped; comes after the window
}

func newSource(r io.Reader) *source { return &source{r: r, buf: make([]byte, fillSize)} }

// window returns the octets that were read ahead. They are valid until the next call of another method.
func (s *source) window() []byte { return s.buf[s.i:s.j] }

// skip takes n octets out of the window.
func (s *source) skip(n int) {
	s.i += n
	s.off += int64(n)
}

// fill reads once, and adds at least one octet to the window, or returns an error. The window must be smaller than
// fillSize.
func (s *source) fill() error {
	if s.i > 0 {
		s.j = copy(s.buf, s.window())
		s.i = 0
	}
	n, err := s.readOnce(s.buf[s.j:fillSize])
	s.j += n
	return err
}

// readOnce reads at least one octet into b, past the window, or returns an error.
func (s *source) readOnce(b []byte) (int, error) {
	for range maxEmptyReads {
		if s.err != nil {
			return 0, s.err
		}
		n, err := s.r.Read(b)
		if err == io.EOF {
			s.err = io.EOF
		} else if err != nil {
			s.err = fmt.Errorf("reading at octet %d: %w", s.off+int64(s.j-s.i+n), err)
		}
		if n > 0 {
			return n, nil
		}
	}
	if s.err == nil {
		s.err = fmt.Errorf("reading at octet %d: %w", s.off+int64(s.j-s.i), io.ErrNoProgress)
	}
	return 0, s.err
}

// read takes at least one octet out of the content into b, which is not empty, or returns an error. Large reads bypass
// the window.
func (s *source) read(b []byte) (int, error) {
	if s.i == s.j {
		if len(b) >= fillSize {
			n, err := s.readOnce(b)
			s.off += int64(n)
			return n, err
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.window())
	s.skip(n)
	return n, nil
}

// readThrough moves the window to the front of b, which is larger, and reads once after it. It returns how much of b is
// filled then; the window is empty.
func (s *source) readThrough(b []byte) (int, error) {
	w := copy(b, s.window())
	n, err := s.readOnce(b[w:])
	if err != nil {
		return 0, err
	}
	s.skip(w)
	s.off += int64(n)
	return w + n, nil
}

// unread puts the last octets that were taken out of the content, b, back in front of it. The window must be empty.
func (s *source) unread(b []byte) {
	if len(b) > len(s.buf) {
		s.buf = make([]byte, directSize)
	}
	s.i, s.j = 0, copy(s.buf, b)
	s.off -= int64(s.j)
}

// peek returns the next octet without taking it, or an error.
func (s *source) peek() (byte, error) {
	if s.i == s.j {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	return s.buf[s.i], nil
}

// take takes the next len(b) octets. The error is io.EOF if there are fewer.
func (s *source) take(b []byte) error {
	for len(b) > 0 {
		if s.i == s.j {
			if err := s.fill(); err != nil {
				return err
			}
		}
		n := copy(b, s.window())
		s.skip(n)
		b = b[n:]
	}
	return nil
}

// varint takes a varint. The error is io.EOF only if there is not even its first octet.
func (s *source) varint() (int64, error) {
	first, err := s.peek()
	if err != nil {
		return 0, err
	}
	var b [8]byte
	n := varintLen(first)
	if err := s.take(b[:n]); err != nil {
		return 0, inside("a number", err)
	}
	return decodeVarint(b[:n]), nil
}

// line takes the octets up to and with the next line feed, and appends them to b. It stops after max octets, with an
// error that wraps ErrLimit. The error is io.EOF if there is no line feed.
func (s *source) line(b []byte, max int) ([]byte, error) {
	for {
		w := s.window()
		if n := bytes.IndexByte(w, '\n') + 1; n > 0 {
			w = w[:n]
		}
		if len(w) > max {
			return nil, s.limit("fields of a part are too long")
		}
		b = append(b, w...)
		max -= len(w)
		s.skip(len(w))
		if len(w) > 0 && w[len(w)-1] == '\n' {
			return b, nil
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
}

// malformed returns an error for the octets just taken.
func (s *source) malformed(reason string) error {
	return &SyntaxError{Offset: s.off, Reason: reason}
}

// limit returns an error for what exceeds one of the limits.
func (s *source) limit(reason string) error {
	return &SyntaxError{Offset: s.off, Reason: reason, Err: ErrLimit}
}
