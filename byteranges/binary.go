package byteranges

import (
	"io"
	"strings"
)

// The framing indicators (draft-ietf-httpapi-patch-byterange-03, Section 3.3.1).
const (
	framingKnown         = 8
	framingIndeterminate = 10
)

// A binaryReader reads application/byteranges (draft-ietf-httpapi-patch-byterange-03, Section 3.3): messages that are
// modelled on binary HTTP (RFC 9292), one after the other, without trailers or padding. All numbers are varints.
//
//	known length:    8 | length of field section | field lines     | length of content | content
//	indeterminate:  10 | field lines                            | 0 | (length > 0 | chunk)...   | 0
//	field line:     length > 0 | name | length | value
type binaryReader struct {
	src     *source
	lim     *Limits
	chunked bool  // the part has chunks of unknown number
	left    int64 // octets to come of the content, or of the current chunk
}

func (b *binaryReader) next() (Header, int64, error) {
	indicator, err := b.src.varint()
	switch {
	case err != nil:
		return nil, -1, err // a bare io.EOF between messages ends the document
	case indicator != framingKnown && indicator != framingIndeterminate:
		return nil, -1, b.src.malformed("framing indicator is neither 8 nor 10")
	}
	b.chunked, b.left = indicator == framingIndeterminate, 0
	h, err := b.header()
	if err != nil {
		return nil, -1, inside("the fields of a part", err)
	}
	if b.chunked {
		return h, -1, nil
	}
	if b.left, err = b.src.varint(); err != nil { // not optional as in RFC 9292, Section 3.8
		return nil, -1, inside("a part, before the length of its content", err)
	}
	return h, b.left, nil
}

func (b *binaryReader) begin(int64) {}

func (b *binaryReader) read(p []byte) (int, error) {
	if b.left == 0 {
		if !b.chunked {
			return 0, io.EOF
		}
		var err error
		if b.left, err = b.src.varint(); err != nil {
			return 0, inside("a body", err)
		}
		if b.left == 0 {
			return 0, io.EOF
		}
	}
	n, err := b.src.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, inside("a body", err)
}

// short returns ErrLengthMismatch: the part has an end of its own.
func (b *binaryReader) short() error { return ErrLengthMismatch }

// header reads the field section. The error is io.EOF if the content ends inside.
func (b *binaryReader) header() (Header, error) {
	f := fieldSection{src: b.src, left: int64(b.lim.MaxHeaderBytes)}
	if !b.chunked {
		n, err := b.src.varint()
		if err != nil {
			return nil, err
		}
		if n > f.left {
			return nil, b.src.limit("fields of a part are too long")
		}
		f.left, f.known = n, true
	}
	var h Header
	for !f.known || f.left > 0 {
		n, err := f.length()
		if err != nil {
			return nil, err
		}
		switch {
		case n == 0 && !f.known:
			return h, nil
		case n == 0:
			return nil, b.src.malformed("field name is empty")
		case n > int64(b.lim.MaxNameBytes):
			return nil, b.src.limit("field name is too long")
		}
		name, err := f.text(n)
		if err != nil {
			return nil, err
		}
		if n, err = f.length(); err != nil {
			return nil, err
		}
		value, err := f.text(n)
		if err != nil {
			return nil, err
		}
		if h, err = h.add(b.src, b.lim, name, value); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// A fieldSection is a field section that is being read. It refuses lengths that go beyond its end before it reads, or
// allocates, that much.
type fieldSection struct {
	src   *source
	left  int64 // octets to come; of an indeterminate section, octets that are allowed to come
	known bool  // the section told its length
}

// length reads the length of a name or value, which has to end inside the section.
func (f *fieldSection) length() (int64, error) {
	first, err := f.src.peek()
	if err != nil {
		return 0, err
	}
	size := int64(varintLen(first))
	if size > f.left {
		return 0, f.overrun()
	}
	n, err := f.src.varint()
	if err != nil {
		return 0, err
	}
	if f.left -= size; n > f.left {
		return 0, f.overrun()
	}
	return n, nil
}

// text reads n octets, at most as many as the section has.
func (f *fieldSection) text(n int64) (string, error) {
	b := make([]byte, n)
	f.left -= n
	err := f.src.take(b)
	return string(b), err
}

func (f *fieldSection) overrun() error {
	if f.known {
		return f.src.malformed("field line goes beyond its section")
	}
	return f.src.limit("fields of a part are too long")
}

// A binaryWriter writes application/byteranges in its canonical form: lengths that are known are told, field names are in
// lower case, and numbers are minimal.
type binaryWriter struct {
	w       io.Writer
	chunked bool
}

func (b *binaryWriter) begin(h Header, n int64) error {
	var fields []byte
	for _, f := range h {
		fields = appendVarint(fields, int64(len(f.Name)))
		fields = append(fields, strings.ToLower(f.Name)...)
		fields = appendVarint(fields, int64(len(f.Value)))
		fields = append(fields, f.Value...)
	}
	var head []byte
	if b.chunked = n < 0 || n > maxVarint; b.chunked {
		head = append(append([]byte{framingIndeterminate}, fields...), 0)
	} else {
		head = appendVarint([]byte{framingKnown}, int64(len(fields)))
		head = appendVarint(append(head, fields...), n)
	}
	_, err := b.w.Write(head)
	return err
}

func (b *binaryWriter) write(p []byte) (int, error) {
	if b.chunked {
		if _, err := b.w.Write(appendVarint(nil, int64(len(p)))); err != nil {
			return 0, err
		}
	}
	return b.w.Write(p)
}

func (b *binaryWriter) end() error {
	if !b.chunked {
		return nil
	}
	_, err := b.w.Write([]byte{0})
	return err
}

func (b *binaryWriter) close() error { return nil }
