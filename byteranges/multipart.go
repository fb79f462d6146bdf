package byteranges

import (
	"bytes"
	"io"
)

// A multipartReader reads multipart/byteranges (draft-ietf-httpapi-patch-byterange-03, Section 3.1; RFC 2046, Section
// 5.1.1). Unlike mime/multipart it takes lines to end in CRLF only, never decodes a body, and refuses a line that begins
// like a delimiter and goes on differently, since recipients disagree on whether that is data.
//
//	preamble CRLF --B pad CRLF fields CRLF body CRLF --B pad CRLF fields CRLF body CRLF --B-- pad CRLF epilogue
//	         \______/                           \______/                           \______/
//
// What is marked is the delimiter. Its CR LF are not needed where a line has just begun: at the start of the content, and
// at the start of a body, where the CR LF of the empty line does for both.
type multipartReader struct {
	src       *source
	lim       *Limits
	delimiter []byte // CR LF, two hyphens, boundary
	padding   int64  // octets outside of parts and delimiters
	left      int64  // octets of the body to come, by its Content-Length; -1 if a delimiter is looked for
	exact     bool   // the octets that Content-Length tells of were read: a delimiter has to follow
	clean     int    // octets of the window that were searched, and are data
	lineStart bool   // nothing was read since a line began
	begun     bool   // the preamble was read
	closed    bool   // the closing delimiter was read
}

func newMultipartReader(s *source, lim *Limits, boundary string) *multipartReader {
	return &multipartReader{src: s, lim: lim, delimiter: []byte("\r\n--" + boundary), left: -1, lineStart: true}
}

func (m *multipartReader) next() (Header, int64, error) {
	if !m.begun {
		if err := m.preamble(); err != nil {
			return nil, -1, err
		}
		m.begun = true
	}
	if m.closed {
		return nil, -1, m.epilogue()
	}
	h, err := readTextHeader(m.src, m.lim)
	return h, -1, inside("the fields of a part", err)
}

func (m *multipartReader) begin(contentLength int64) {
	m.left = contentLength
	m.exact = contentLength >= 0
	m.lineStart = contentLength <= 0
}

func (m *multipartReader) read(b []byte) (int, error) {
	if m.left > 0 { // a declared length may skip what looks like a delimiter (draft, Section 3.1)
		n, err := m.src.read(b[:min(int64(len(b)), m.left)])
		m.left -= int64(n)
		return n, inside("a body", err)
	}
	for {
		n, delim := m.clean, 0
		if n == 0 {
			n, delim = m.scan(m.src.window())
		}
		switch {
		case n > 0 && m.exact:
			return 0, m.src.malformed("body is longer than its content-length, or no delimiter follows it")
		case n > 0:
			copied := copy(b, m.src.window()[:n])
			m.src.skip(copied)
			m.clean = n - copied
			return copied, nil
		case delim > 0:
			m.src.skip(delim)
			if err := m.endDelimiter(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		if len(b) < fillSize || m.exact {
			if err := m.src.fill(); err != nil {
				return 0, inside("a body", err)
			}
			continue
		}
		direct := b[:min(len(b), directSize)]
		n, err := m.src.readThrough(direct)
		if err != nil {
			return 0, inside("a body", err)
		}
		direct = direct[:n]
		n, _ = m.scan(direct)
		m.src.unread(direct[n:])
		if n > 0 {
			return n, nil
		}
	}
}

// short returns ErrLengthMismatch: the part has an end of its own.
func (m *multipartReader) short() error { return ErrLengthMismatch }

// scan looks for the delimiter in b, the octets that come next. It returns how many octets come before it, and its
// length. Without a delimiter, delim is 0, and the octets from n on may be the beginning of one: they are no data until
// more is known. A delimiter has its only CR in front, so the last CR of b is the only place where one can begin that b
// does not hold whole.
func (m *multipartReader) scan(b []byte) (n, delim int) {
	if m.lineStart {
		dashes := m.delimiter[len("\r\n"):]
		if bytes.HasPrefix(b, dashes) {
			return 0, len(dashes)
		}
		if bytes.HasPrefix(dashes, b) {
			return 0, 0
		}
		m.lineStart = false
	}
	if i := bytes.Index(b, m.delimiter); i >= 0 {
		return i, len(m.delimiter)
	}
	tail := max(0, len(b)-len(m.delimiter)+1)
	if i := bytes.LastIndexByte(b[tail:], '\r'); i >= 0 && bytes.HasPrefix(m.delimiter, b[tail+i:]) {
		return tail + i, 0
	}
	return len(b), 0
}

// endDelimiter reads what comes after the boundary on the line of a delimiter.
func (m *multipartReader) endDelimiter() error {
	const where = "a boundary delimiter"
	c, err := m.src.peek()
	if err != nil {
		return inside(where, err)
	}
	var two [2]byte
	if c == '-' {
		if err := m.src.take(two[:]); err != nil {
			return inside(where, err)
		}
		if two[1] != '-' {
			return m.ambiguous()
		}
		m.closed = true
		c, err = m.src.peek()
	}
	for err == nil && (c == ' ' || c == '\t') {
		m.src.skip(1)
		if err := m.pad(1); err != nil {
			return err
		}
		c, err = m.src.peek()
	}
	if err == nil && c == '\r' {
		if err = m.src.take(two[:]); err == nil && two[1] == '\n' {
			return nil
		}
	}
	switch {
	case err == nil:
		return m.ambiguous()
	case err == io.EOF && m.closed && two[0] != '\r':
		return nil // the closing delimiter needs no CRLF at the end of the content
	}
	return inside(where, err)
}

// ambiguous returns the error for a line that some would take for a delimiter and others for data (RFC 2046, Section
// 5.1.1, has the boundary match as a prefix of the line).
func (m *multipartReader) ambiguous() error {
	return m.src.malformed("line begins like a boundary delimiter and goes on differently")
}

// preamble reads up to and with the first delimiter.
func (m *multipartReader) preamble() error {
	for {
		n, delim := m.scan(m.src.window())
		m.src.skip(n + delim)
		if err := m.pad(n); err != nil {
			return err
		}
		if delim > 0 {
			return m.endDelimiter()
		}
		if err := m.src.fill(); err == io.EOF {
			return m.src.malformed("no boundary delimiter")
		} else if err != nil {
			return err
		}
	}
}

// epilogue reads to the end of the content. It returns io.EOF there.
func (m *multipartReader) epilogue() error {
	for {
		n := len(m.src.window())
		m.src.skip(n)
		if err := m.pad(n); err != nil {
			return err
		}
		if err := m.src.fill(); err != nil {
			return err
		}
	}
}

// pad counts n octets outside of parts and delimiters.
func (m *multipartReader) pad(n int) error {
	if m.padding += int64(n); m.padding > m.lim.MaxPadding {
		return m.src.limit("too much outside of the parts")
	}
	return nil
}

// A multipartWriter writes multipart/byteranges.
type multipartWriter struct {
	w         io.Writer
	delimiter string // CR LF, two hyphens, boundary
	begun     bool
}

func (m *multipartWriter) begin(h Header, n int64) error {
	head := append([]byte(m.delimiter), "\r\n"...)
	if !m.begun {
		m.begun, head = true, head[len("\r\n"):]
	}
	_, err := m.w.Write(appendTextHeader(head, h, n))
	return err
}

func (m *multipartWriter) write(b []byte) (int, error) { return m.w.Write(b) }
func (m *multipartWriter) end() error                  { return nil }

func (m *multipartWriter) close() error {
	_, err := io.WriteString(m.w, m.delimiter+"--\r\n")
	return err
}
