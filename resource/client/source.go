package client

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"
)

var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// A sectionReader reads n bytes of src from off on. If it has not as many, the error wraps ErrSource.
type sectionReader struct {
	src    io.ReaderAt
	off, n int64
}

func (s *sectionReader) Read(p []byte) (int, error) {
	if s.n == 0 {
		return 0, io.EOF
	}
	n, err := s.src.ReadAt(p[:min(int64(len(p)), s.n)], s.off)
	s.off += int64(n)
	s.n -= int64(n)
	switch {
	case n > 0 && err == io.EOF:
		err = nil // the next call tells, if bytes are missing
	case err == io.EOF:
		err = fmt.Errorf("%w: it ends at byte %d, %d bytes early", ErrSource, s.off, s.n)
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrSource, err)
	}
	return n, err
}

// A streamBody counts what is read of a stream. Its errors wrap ErrSource.
type streamBody struct {
	src io.Reader
	n   atomic.Int64
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	b.n.Add(int64(n))
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrSource, err)
	}
	return n, err
}

// hashSection adds n bytes of src from off on to h.
func hashSection(ctx context.Context, h hash.Hash, src io.ReaderAt, off, n int64) error {
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	r := &sectionReader{src, off, n}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m, err := r.Read(buf[:])
		h.Write(buf[:m])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// digestOf returns the digest of the first size bytes of src.
func digestOf(ctx context.Context, src io.ReaderAt, size int64) (Digest, error) {
	h := sha256.New()
	if err := hashSection(ctx, h, src, 0, size); err != nil {
		return Digest{}, err
	}
	return NewDigest([32]byte(h.Sum(nil))), nil
}
