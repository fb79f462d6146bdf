package resource

import (
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errCoding = errors.New("content coding is not supported")
	errCoded  = errors.New("content does not follow its content coding")
)

// acceptCodings is the value of Accept-Encoding for patch documents.
const acceptCodings = "gzip, zstd"

// maxWindow bounds the memory of a zstd decoder, in bytes: the greatest window that every decoder has to support (RFC
// 8878, Section 3.1.1.1.2).
const maxWindow = 8 << 20

// A decoder is the content of a patch request with its content coding taken off, while it streams. What it can deliver is
// bounded by the ranges of the parts in it: nothing is decoded that no part has room for.
type decoder struct {
	io.Reader
	body  *body
	close func()
}

// checkCodings returns the one content coding of a patch document, or "", and an error that wraps errCoding for all that
// newDecoder cannot decode (RFC 9110, Section 8.4).
func checkCodings(lines []string) (string, error) {
	switch list := codings(lines); {
	case len(list) == 0:
		return "", nil
	case len(list) > 1:
		return "", fmt.Errorf("%w: more than one", errCoding)
	case list[0] != "gzip" && list[0] != "zstd":
		return "", errCoding
	default:
		return list[0], nil
	}
}

// newDecoder returns the decoded content of b, of at most limit bytes if limit is not 0. coding comes from checkCodings.
// It is to be closed.
func newDecoder(b *body, coding string, limit int64) (*decoder, error) {
	d := &decoder{Reader: b, body: b, close: func() {}}
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, d.fault(err)
		}
		d.Reader, d.close = z, func() { z.Close() }
	case "zstd":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, d.fault(err)
		}
		d.Reader, d.close = z, z.Close
	default:
		return d, nil
	}
	d.Reader = &faults{d.Reader, d}
	if limit > 0 {
		d.Reader = &limited{d.Reader, limit}
	}
	return d, nil
}

// Close frees the memory of the decoder. It does not close the body.
func (d *decoder) Close() { d.close() }

// fault returns the error for err, which a decoder returned. What the connection did, and the end of the content, are
// no fault of the coded content.
func (d *decoder) fault(err error) error {
	switch {
	case d.body.err != nil && d.body.err != io.EOF:
		return d.body.err
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("coded content: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%w: %w", errCoded, err)
}

// faults maps the errors of a decoder.
type faults struct {
	io.Reader
	d *decoder
}

func (f *faults) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = f.d.fault(err)
	}
	return n, err
}

// limited returns errTooLarge after n bytes.
type limited struct {
	io.Reader
	n int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if int64(n) > l.n {
		n, err = int(l.n), errTooLarge
	}
	l.n -= int64(n)
	return n, err
}
