package bench

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
)

// pattern is what all content is cut from, over and over: random, so that nothing on
// the way can make it smaller, and small enough to stay in a cache of the processor.
var pattern = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
})

// content is the body of one request: a head, then bytes of the pattern from a
// position on. It is used by one reader.
type content struct {
	head []byte
	at   int   // position in the pattern
	left int64 // bytes of the pattern that are still to come
}

// NewContent returns a reader of n random bytes. The bytes of one seed are always
// the same ones, and those of another one, at the same position, are others.
func NewContent(seed uint64, n int64) io.ReadCloser { return newContent(seed, n) }

func newContent(seed uint64, n int64) *content {
	words := uint64(len(pattern()) / 8)
	return &content{at: int(seed%words) * 8, left: n}
}

// size returns how many bytes are still to be read.
func (c *content) size() int64 { return int64(len(c.head)) + c.left }

// next returns the bytes that come next, at most limit of them, and none at the end.
func (c *content) next(limit int64) []byte {
	if len(c.head) > 0 {
		return c.head[:min(limit, int64(len(c.head)))]
	}
	b := pattern()[c.at:]
	return b[:min(limit, c.left, int64(len(b)))]
}

// advance skips n bytes of what next returned.
func (c *content) advance(n int) {
	if len(c.head) > 0 {
		c.head = c.head[n:]
		return
	}
	c.at = (c.at + n) % len(pattern())
	c.left -= int64(n)
}

func (c *content) Read(p []byte) (int, error) {
	n := copy(p, c.next(int64(len(p))))
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	c.advance(n)
	return n, nil
}

// Close does nothing.
func (c *content) Close() error { return nil }

// sendTo writes at most limit bytes to w, without copying them before.
func (c *content) sendTo(w io.Writer, limit int64) (sent int64, err error) {
	for sent < limit && err == nil {
		b := c.next(limit - sent)
		if len(b) == 0 {
			break
		}
		var n int
		n, err = w.Write(b)
		c.advance(n)
		sent += int64(n)
	}
	return sent, err
}

// A conn is a connection that content is written to without being copied. Package
// net/http hands the body of a request to ReadFrom after what its buffer took,
// limited to what Content-Length says.
type conn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*content); ok {
			n, err := body.sendTo(c.Conn, limited.N)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(c.Conn, r)
}
