package server

// Limits of what a sender may put around the data of a chunked body. They are
// below those of net/http, so that it never refuses what was accepted here.
const (
	maxChunkLine    = 1 << 10 // octets of one chunk-size line without its CRLF
	maxChunkExcess  = 8 << 10 // octets of chunk-size lines beyond their allowance
	maxTrailerBytes = 4000    // octets of a trailer section with its line ends
)

// chunk takes an octet of the framing of a chunked body (RFC 9112, Section 7.1).
func (f *framing) chunk(c byte) error {
	switch f.state {
	case atChunkSize, inChunkSize:
		digit, ok := hexDigit(c)
		switch {
		case ok && f.line < 16 && f.remain>>59 == 0:
			f.remain = f.remain<<4 | digit
			f.state = inChunkSize
		case f.state == inChunkSize && c == '\r':
			f.state = atChunkLF
			return nil
		case f.state == inChunkSize && c == ';':
			f.state = inChunkExt
		default:
			return errChunk
		}
		f.line++
	case inChunkExt:
		switch {
		case c == '\r':
			f.state = atChunkLF
			return nil
		case !isFieldOctet(c):
			return errChunk
		}
		if f.line++; f.line > maxChunkLine {
			return errChunkLine
		}
	case atChunkLF:
		if c != '\n' {
			return errLineEnd
		}
		return f.beginChunk()
	case atDataCR:
		if c != '\r' {
			return errChunk
		}
		f.state = atDataLF
	case atDataLF:
		if c != '\n' {
			return errChunk
		}
		f.state, f.line = atChunkSize, 0
	}
	return nil
}

// beginChunk is called at the end of a chunk-size line.
func (f *framing) beginChunk() error {
	// An allowance per chunk and by its data lets a sender write one octet at a
	// time, and not much else besides.
	f.excess = max(0, f.excess+int64(f.line)+2-16-2*min(f.remain, 1<<40))
	switch {
	case f.excess > maxChunkExcess:
		return errChunkLine
	case f.remain > 0:
		f.state = inChunkData
	default:
		f.state, f.trailer, f.line = atField, true, 0
	}
	return nil
}

func hexDigit(c byte) (int64, bool) {
	switch lower := c | 0x20; {
	case isDigit(c):
		return int64(c - '0'), true
	case 'a' <= lower && lower <= 'f':
		return int64(lower-'a') + 10, true
	}
	return 0, false
}
