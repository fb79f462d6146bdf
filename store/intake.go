package store

import (
	"io"
	"sync"
	"time"
)

// Bytes stream through buffers of several sizes. A write begins with a small
// one, which is all that it holds while its bytes come slowly or stop. It gets
// a larger one when it has filled its own fast: large ones save work only if
// there is much of it, and what makes many writes fast at a time, a network,
// bounds how many of them there are.
const (
	smallBuffer  = 16 << 10 // bytes; more if Options.InlineSize needs it
	bufferGrowth = 4        // from one size to the next, up to Options.BufferSize
	fastFill     = 4 << 20  // bytes per second from which on a larger buffer is taken
	slowFill     = 1 << 20  // bytes per second below which the small one is
)

// intakes are the buffers of writes.
type intakes struct {
	sizes []int // ascending
	pools []sync.Pool
}

// init makes pools of buffers. The small one holds what is kept in the map,
// and shows that no more follows.
func (in *intakes) init(o *Options) {
	size := min(o.BufferSize, max(smallBuffer, o.InlineSize+4<<10))
	for ; size < o.BufferSize; size *= bufferGrowth {
		in.sizes = append(in.sizes, size)
	}
	in.sizes = append(in.sizes, o.BufferSize)
	in.pools = make([]sync.Pool, len(in.sizes))
}

// get returns a buffer of the i-th size.
func (in *intakes) get(i int) *[]byte {
	if b, ok := in.pools[i].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, in.sizes[i])
	return &b
}

// An intake reads the bytes of one write, through the buffer that suits how
// fast they come.
type intake struct {
	from *intakes
	at   int     // which size buf has
	buf  *[]byte // nil before the first fill
	slow bool    // the latest fill was
}

// take changes to a buffer of the i-th size. It begins with the n bytes that
// the present one begins with.
func (in *intake) take(i, n int) {
	next := in.from.get(i)
	if in.buf != nil {
		copy(*next, (*in.buf)[:n])
		in.from.pools[in.at].Put(in.buf)
	}
	in.at, in.buf = i, next
}

// close gives back the buffer.
func (in *intake) close() {
	if in.buf != nil {
		in.from.pools[in.at].Put(in.buf)
		in.buf = nil
	}
}

// fill reads until the buffer is full or has most bytes; or, if eager, until
// anything came, so that slow bytes do not wait for more of them. The bytes
// that it returns are valid until the next call. Unless it is eager or returns
// an error, they are most bytes, or more than Options.InlineSize, if that is
// below Options.BufferSize.
func (in *intake) fill(r io.Reader, most int64, eager bool) ([]byte, error) {
	if in.buf == nil || in.slow && in.at > 0 {
		in.take(0, 0)
	}
	begin := time.Now()
	n := 0
	for {
		b := (*in.buf)[:min(int64(len(*in.buf)), most)]
		for n < len(b) {
			k, err := r.Read(b[n:])
			n += k
			if err != nil || eager && n > 0 {
				in.slow = slower(n, time.Since(begin), slowFill)
				return b[:n], err
			}
		}
		waited := time.Since(begin)
		in.slow = slower(n, waited, slowFill)
		if int64(n) == most || in.at+1 == len(in.from.sizes) || slower(n, waited, fastFill) {
			return b, nil
		}
		in.take(in.at+1, n)
	}
}

// slower reports whether n bytes in d are less than rate bytes per second.
func slower(n int, d time.Duration, rate int64) bool {
	return float64(n) < d.Seconds()*float64(rate)
}
