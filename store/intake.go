package store

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Bytes stream through buffers of several sizes. A write begins with a small
// one, which is all that it holds while its bytes come slowly or stop. It gets
// a larger one when it has filled its own fast, as large ones save work only if
// there is much of it, and as long as all of them are within
// Options.BufferMemory: the bytes of many writes can come fast and then stop.
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
	most  int64        // Options.BufferMemory
	large atomic.Int64 // bytes of the larger buffers that are in use
}

// init makes pools of buffers. The small one holds what is kept in the map,
// and shows that no more follows.
func (in *intakes) init(o *Options) {
	size := min(o.BufferSize, max(smallBuffer, o.InlineSize+4<<10))
	for ; size < o.BufferSize; size *= bufferGrowth {
		in.sizes = append(in.sizes, size)
	}
	in.sizes = append(in.sizes, o.BufferSize)
	in.most = o.BufferMemory
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
	full bool    // the latest fill left no room in a buffer, fast
}

// take changes to a buffer of the i-th size, which begins with the n bytes that
// the present one begins with. It reports false if there is no memory for that.
func (in *intake) take(i, n int) bool {
	if size := int64(in.from.sizes[i]); i > 0 && in.from.large.Add(size) > in.from.most {
		in.from.large.Add(-size)
		return false
	}
	next := in.from.get(i)
	if in.buf != nil {
		copy(*next, (*in.buf)[:n])
	}
	in.close()
	in.at, in.buf = i, next
	return true
}

// close gives back the buffer.
func (in *intake) close() {
	if in.buf == nil {
		return
	}
	if in.at > 0 {
		in.from.large.Add(-int64(in.from.sizes[in.at]))
	}
	in.from.pools[in.at].Put(in.buf)
	in.buf = nil
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
	if in.full {
		in.take(in.at+1, 0)
	}
	begin := time.Now()
	n := 0
	for {
		b := (*in.buf)[:min(int64(len(*in.buf)), most)]
		for n < len(b) {
			k, err := r.Read(b[n:])
			n += k
			if err != nil || eager && n > 0 {
				in.note(n, time.Since(begin))
				return b[:n], err
			}
		}
		waited := time.Since(begin)
		in.note(n, waited)
		if int64(n) == most || in.at+1 == len(in.from.sizes) || slower(n, waited, fastFill) || !in.take(in.at+1, n) {
			return b, nil
		}
	}
}

// note learns from a fill with n bytes which buffer suits the next one.
func (in *intake) note(n int, waited time.Duration) {
	in.slow = slower(n, waited, slowFill)
	in.full = n == len(*in.buf) && in.at+1 < len(in.from.sizes) && !slower(n, waited, fastFill)
}

// slower reports whether n bytes in d are less than rate bytes per second.
func slower(n int, d time.Duration, rate int64) bool {
	return float64(n) < d.Seconds()*float64(rate)
}
