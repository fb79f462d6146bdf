package server

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Why the framing of a connection was refused. The text is for the log.
var (
	errRequestLine = errors.New("malformed request line")
	errFieldName   = errors.New("malformed field name")
	errFieldValue  = errors.New("invalid octet in field value")
	errFolding     = errors.New("line begins with white space")
	errLineEnd     = errors.New("line does not end in CRLF")
	errLength      = errors.New("invalid or repeated Content-Length")
	errCoding      = errors.New("invalid or repeated Transfer-Encoding")
	errBothLengths = errors.New("both Content-Length and Transfer-Encoding")
	errChunk       = errors.New("malformed chunk")
	errChunkLine   = errors.New("too much chunk overhead")
	errTrailer     = errors.New("trailer section too large or with framing fields")
	errAfterLast   = errors.New("message with a transfer coding that cannot be decoded")
)

// What net/http is given in place of an octet that was refused. badHead makes any
// line of a header or trailer section invalid, however much of it was already
// delivered: NUL is allowed nowhere in it. badChunk does the same for the line of
// a chunk size and for the line end after chunk data.
const (
	badHead  = "\x00\r\n\r\n"
	badChunk = "\r\r\n"
)

// state is the place of the next octet in the grammar of a message.
type state uint8

const (
	atMessage   state = iota // before a request line
	atMessageLF              // after the CR of an empty line before a request line
	inMethod                 // in the method
	inTarget                 // in the request target
	inVersion                // in the HTTP version
	atLineLF                 // after the CR of the request line
	atField                  // at the start of a line of a header or trailer section
	inName                   // in a field name
	inValue                  // in a field value
	atFieldLF                // after the CR of a field line
	atSectionLF              // after the CR of the empty line that ends a section
	inBody                   // in content delimited by Content-Length
	atChunkSize              // at the first digit of a chunk size
	inChunkSize              // after a digit of a chunk size
	inChunkExt               // in the extensions of a chunk
	atChunkLF                // after the CR of a chunk-size line
	inChunkData              // in the data of a chunk
	atDataCR                 // after the data of a chunk
	atDataLF                 // after the CR that follows the data of a chunk
	atEnd                    // after a message that net/http refuses by itself
)

// framedField says which field the current line has, as far as framing is concerned.
type framedField uint8

const (
	otherField framedField = iota
	lengthField
	codingField
)

// framing follows the HTTP/1.1 messages of one direction of a connection. The
// zero value stands before the first message. Its size is fixed and each octet is
// looked at once; content is skipped by count. Not safe for concurrent use.
type framing struct {
	state   state
	trailer bool  // the section in hand is a trailer section
	remain  int64 // octets of content or chunk data that are still to come
	line    int   // octets of the chunk-size line or trailer section so far
	excess  int64 // overhead of the chunks so far, as net/http counts it

	// Of the message in hand:
	old       bool // older than HTTP/1.1
	hasLength bool
	length    int64
	hasCoding bool
	decodable bool // the transfer coding is chunked alone

	field framedField
	n     int      // octets of buf that are in use
	buf   [64]byte // a method, version, field name or framing field value; longer ones are cut
}

// next follows b. It returns how many octets of b are good, and an error that
// says why the one after them is refused. After an error it must not be called again.
func (f *framing) next(b []byte) (int, error) {
	for i := 0; i < len(b); {
		switch f.state {
		case inBody, inChunkData:
			n := min(f.remain, int64(len(b)-i))
			f.remain -= n
			i += int(n)
			if f.remain == 0 {
				f.endData()
			}
		case inValue:
			if f.field == otherField && !f.trailer { // nothing is kept of it
				for i < len(b)-1 && isFieldOctet(b[i]) {
					i++
				}
			}
			fallthrough
		default:
			if err := f.octet(b[i]); err != nil {
				return i, err
			}
			i++
		}
	}
	return len(b), nil
}

// refusal returns what has to follow the octets that were accepted, so that
// net/http refuses them too.
func (f *framing) refusal() string {
	switch f.state {
	case atChunkSize, inChunkSize, inChunkExt, atChunkLF, atDataCR, atDataLF:
		return badChunk
	case atEnd:
		return ""
	}
	return badHead
}

// octet takes one octet that is not content.
func (f *framing) octet(c byte) error {
	switch f.state {
	case atMessage, atMessageLF, inMethod, inTarget, inVersion, atLineLF:
		return f.requestLine(c)
	case atField, inName, inValue, atFieldLF, atSectionLF:
		if f.trailer {
			if f.line++; f.line > maxTrailerBytes {
				return errTrailer
			}
		}
		return f.section(c)
	case atEnd:
		return errAfterLast
	}
	return f.chunk(c)
}

// requestLine takes an octet of a request line (RFC 9112, Section 3). One empty
// line before it is let through, which net/http skips after a POST.
func (f *framing) requestLine(c byte) error {
	switch f.state {
	case atMessage:
		if c == '\r' {
			f.state = atMessageLF
			return nil
		}
		*f = framing{state: inMethod}
		return f.requestLine(c)
	case atMessageLF:
		if c != '\n' {
			return errLineEnd
		}
		*f = framing{state: inMethod}
	case inMethod:
		switch {
		case isToken(c):
			f.keep(c)
		case c == ' ' && f.n > 0 && string(f.buf[:f.n]) != "PRI":
			f.state = inTarget
			f.n = 0
		default:
			// PRI belongs to the HTTP/2 preface alone (RFC 9113, Section 3.4).
			return errRequestLine
		}
	case inTarget:
		switch {
		case c == ' ' && f.n > 0:
			f.state = inVersion
			f.n = 0
		case c <= ' ' || c == 0x7f:
			return errRequestLine
		default:
			f.keep(c)
		}
	case inVersion:
		if c != '\r' {
			f.keep(c)
			if f.n > len("HTTP/1.1") || c < ' ' {
				return errRequestLine
			}
			return nil
		}
		v := f.buf[:f.n]
		if len(v) != len("HTTP/1.1") || !bytes.HasPrefix(v, []byte("HTTP/")) || !isDigit(v[5]) || v[6] != '.' || !isDigit(v[7]) {
			return errRequestLine
		}
		// Other major versions get 505 from net/http, which then closes.
		f.old = v[5] == '0' || v[5] == '1' && v[7] == '0'
		f.state = atLineLF
	case atLineLF:
		if c != '\n' {
			return errLineEnd
		}
		f.state = atField
	}
	return nil
}

// section takes an octet of a header or trailer section (RFC 9112, Section 5).
func (f *framing) section(c byte) error {
	switch f.state {
	case atField:
		switch {
		case c == '\r':
			f.state = atSectionLF
		case c == ' ' || c == '\t':
			return errFolding
		case isToken(c):
			f.n = 0
			f.keep(c)
			f.state = inName
		default:
			return errFieldName
		}
	case inName:
		switch {
		case isToken(c):
			f.keep(c)
		case c == ':':
			f.field = fieldOf(f.buf[:f.n])
			if f.trailer && f.field != otherField {
				return errTrailer
			}
			f.n = 0
			f.state = inValue
		default:
			return errFieldName
		}
	case inValue:
		switch {
		case c == '\r':
			if err := f.endField(); err != nil {
				return err
			}
			f.state = atFieldLF
		case !isFieldOctet(c):
			return errFieldValue
		case f.field != otherField:
			f.keep(c)
		}
	case atFieldLF:
		if c != '\n' {
			return errLineEnd
		}
		f.state = atField
	case atSectionLF:
		if c != '\n' {
			return errLineEnd
		}
		f.endSection()
	}
	return nil
}

// endField takes the value of a field that has to do with framing.
func (f *framing) endField() error {
	value := strings.Trim(string(f.buf[:f.n]), " \t")
	switch f.field {
	case lengthField:
		if f.hasLength || f.n == len(f.buf) {
			return errLength
		}
		if strings.Trim(value, "0123456789") != "" {
			return errLength // a sign, a list
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return errLength
		}
		f.hasLength, f.length = true, n
	case codingField:
		// RFC 9112, Section 6.1: a message older than HTTP/1.1 with this field is faulty.
		if f.hasCoding || f.n == len(f.buf) || f.old {
			return errCoding
		}
		codings := strings.Split(strings.ToLower(value), ",")
		for i, coding := range codings {
			if last := i == len(codings)-1; (strings.Trim(coding, " \t") == "chunked") != last {
				return errCoding
			}
		}
		f.hasCoding, f.decodable = true, len(codings) == 1
	}
	if f.hasLength && f.hasCoding {
		return errBothLengths
	}
	return nil
}

// endSection is called at the end of a header or trailer section
// (RFC 9112, Section 6.3).
func (f *framing) endSection() {
	switch {
	case f.trailer:
		f.state, f.trailer = atMessage, false
	case f.hasCoding && f.decodable:
		f.state, f.line = atChunkSize, 0
	case f.hasCoding:
		f.state = atEnd
	case f.length > 0:
		f.state, f.remain = inBody, f.length
	default:
		f.state = atMessage
	}
}

// endData is called after the last octet of content or of the data of a chunk.
func (f *framing) endData() {
	if f.state == inChunkData {
		f.state = atDataCR
	} else {
		f.state = atMessage
	}
}

// keep adds c to buf, unless buf is full.
func (f *framing) keep(c byte) {
	if f.n < len(f.buf) {
		f.buf[f.n] = c
		f.n++
	}
}

func fieldOf(name []byte) framedField {
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		return lengthField
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return codingField
	}
	return otherField
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken reports whether c is a tchar (RFC 9110, Section 5.6.2).
func isToken(c byte) bool { return tchars[c] }

// isFieldOctet reports whether c may stand in a field value (RFC 9110, Section 5.5).
func isFieldOctet(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

var tchars = func() (table [256]bool) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789" + letters + strings.ToUpper(letters)) {
		table[c] = true
	}
	return table
}()
