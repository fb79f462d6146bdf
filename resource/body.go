package resource

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
	"github.com/infill-http/infill/store"
)

var (
	errField    = errors.New("malformed field")
	errTooLarge = errors.New("content is too large")
	errTrailing = errors.New("content goes on after its end")
)

// An interruption is an error of the connection while content is read: the content is incomplete, whatever the protocol
// calls it. It is never the fault of a document inside the content.
type interruption struct{ err error }

func (e *interruption) Error() string { return "request content was interrupted: " + e.err.Error() }
func (e *interruption) Unwrap() error { return e.err }

// timeout reports whether the client was too slow.
func (e *interruption) timeout() bool { return errors.Is(e.err, os.ErrDeadlineExceeded) }

// A body is the content of one request: coded as it was sent, but without transfer coding. It hashes what is read, bounds
// its length and how slowly it comes, and turns every error that is not io.EOF into an *interruption. An error is
// returned by all later reads too. Only the goroutine that serves the request uses it.
type body struct {
	r       *http.Request
	control *http.ResponseController
	wait    waiter
	keeps   bool  // content is kept as it comes
	piece   int   // how much is read at once of content in chunks
	left    int64 // bytes that are still allowed, when limited
	limited bool
	hash    hasher
	lead    []byte // read, and not in hash, while holds
	holds   bool   // what is read does not get into hash, but into lead
	skips   bool   // what is read gets into hash when it is staged

	n      int64  // octets read from the connection
	early  bool   // a response is sent before the end
	began  bool   // something was read, so that a client which waits for 100 was told to go on
	peeked []byte // read by empty, and not by Read
	err    error  // sticky; io.EOF after all of the content was read
}

func newBody(w http.ResponseWriter, r *http.Request, slowest pace.Limit, most int64) *body {
	b := &body{r: r, control: http.NewResponseController(w), piece: chunkPiece, left: most, limited: most > 0}
	if r.Body == nil || r.Body == http.NoBody {
		b.err = io.EOF
		return b
	}
	b.wait.init(r, b.control, slowest)
	return b
}

// Read reads content. The first call makes net/http send 100 (Continue) to a client that expects it (RFC 9110, Section
// 10.1.1), so it comes after all checks that need no content. No other goroutine sends interim responses.
func (b *body) Read(p []byte) (int, error) {
	if len(b.peeked) > 0 {
		n := copy(p, b.peeked)
		b.note(p[:n])
		b.peeked = b.peeked[n:]
		return n, nil
	}
	n, err := b.read(p)
	b.note(p[:n])
	return n, err
}

// note has the hash learn of p, which was read.
func (b *body) note(p []byte) {
	switch {
	case b.skips:
	case b.holds:
		b.lead = append(b.lead, p...)
	default:
		b.hash.Write(p)
	}
}

// hold begins with content that may turn out to be staged, if the digests that b computes can do with checksums.
func (b *body) hold() { b.holds = b.hash.joins() }

// skip begins with content that is staged from r, which reads it from b: all but what was read until now, of which r has
// the last ahead octets. It returns what is to be staged instead of r.
func (b *body) skip(r io.Reader, ahead int) io.Reader {
	if !b.holds {
		return r
	}
	b.hash.Write(b.lead[:len(b.lead)-ahead])
	b.lead, b.holds, b.skips = nil, false, true
	return summed{r, &b.hash}
}

// resume ends what hold and skip began.
func (b *body) resume() {
	b.hash.Write(b.lead)
	b.lead, b.holds, b.skips = nil, false, false
}

func (b *body) read(p []byte) (int, error) {
	chunks := b.r.ContentLength < 0 && b.r.ProtoMajor == 1
	if chunks {
		p = p[:min(len(p), b.piece)]
	}
	if b.err != nil {
		return 0, b.err
	}
	b.began = true
	begin := time.Now()
	n, err := b.wait.read(p)
	if chunks {
		b.adapt(len(p), n, time.Since(begin))
	}
	b.n += int64(n)
	if b.limited {
		if int64(n) > b.left {
			n, err = int(b.left), errTooLarge
		}
		b.left -= int64(n)
	}
	switch {
	case err == nil, err == io.EOF, err == errTooLarge:
		b.err = err
	default:
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			b.err = fmt.Errorf("%w: %w", errTooLarge, err)
			break
		}
		b.err = &interruption{err}
	}
	return n, b.err
}

// How much is read at once of content in chunks. In the middle of a chunk, net/http returns only when it has filled the
// buffer. To the limits on time, all of that is one wait, however steadily octets come, and content that is kept as it
// comes is kept only then. So it is little, and more only while content comes much faster than any such limit.
const (
	chunkPiece = 16 << 10              // bytes
	chunkMost  = 256 << 10             // bytes, for content that comes fast and is not kept as it comes
	chunkFast  = 5 * time.Millisecond  // in which a piece comes that lets the next one be larger
	chunkSlow  = 50 * time.Millisecond // after which the next piece is as small as the first
)

// adapt chooses the next piece after one of size bytes, of which n came in d.
func (b *body) adapt(size, n int, d time.Duration) {
	switch {
	case d > chunkSlow, b.keeps:
		b.piece = chunkPiece
	case d < chunkFast && n == b.piece && size == b.piece:
		b.piece = min(2*b.piece, chunkMost)
	}
}

// empty reports whether there is no content, and reads a byte ahead to know if the length was not told.
func (b *body) empty() (bool, error) {
	if b.r.ContentLength > 0 {
		return false, nil
	}
	for b.err == nil && len(b.peeked) == 0 {
		b.peeked = make([]byte, 1)
		n, _ := b.read(b.peeked)
		b.peeked = b.peeked[:n]
	}
	if len(b.peeked) == 0 && b.err != io.EOF {
		return false, b.err
	}
	return len(b.peeked) == 0, nil
}

// watch makes b compute the digests that the header fields announce for the content, and those that announced trailer
// fields may bring. It returns the digests that the header has.
func (b *body) watch(fields []string, strict bool) ([]digest, error) {
	ds, err := parseDigestFields(b.r.Header, fields, strict)
	if err != nil {
		return nil, err
	}
	for _, d := range ds {
		b.hash.watch(d.alg)
	}
	if b.announces(fields) {
		b.hash.watch(store.CRC32C)
		b.hash.watch(store.SHA256)
		b.hash.watch(store.SHA512)
	}
	return ds, nil
}

// mayTrail reports whether trailers may come that were not announced: when the length was not told, which is how content
// with trailers is sent. Announcing them is only asked for (RFC 9110, Section 6.6.2).
func (b *body) mayTrail() bool { return b.r.ContentLength < 0 }

// watchTrailers makes b compute SHA-256, should a trailer field bring a digest that was not announced.
func (b *body) watchTrailers() {
	if b.mayTrail() {
		b.hash.watch(store.SHA256)
	}
}

// announces reports whether one of fields was announced as a trailer (RFC 9110, Section 6.6.2).
func (b *body) announces(fields []string) bool {
	for _, field := range fields {
		if _, ok := b.r.Trailer[field]; ok {
			return true
		}
	}
	return false
}

// finish makes sure that the content ended where what is inside of it ended, and that the whole message arrived, with
// trailers (RFC 9112, Section 8).
func (b *body) finish() error {
	n, err := io.Copy(io.Discard, b)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: %d octets", errTrailing, n)
	}
	return nil
}

// digests returns the digests ds, and after them those that fields of the trailer section give. It is called at the end
// of the content.
func (b *body) digests(ds []digest, fields []string, strict bool) ([]digest, error) {
	trailing, err := parseDigestFields(b.r.Trailer, fields, strict)
	if err != nil {
		return nil, err
	}
	return append(ds[:len(ds):len(ds)], trailing...), nil
}

// verify returns an error if the content, which was read to its end, does not have the digests ds and those that fields
// of its trailer section give.
func (b *body) verify(ds []digest, fields []string, strict bool) error {
	ds, err := b.digests(ds, fields, strict)
	if err != nil {
		return err
	}
	return b.hash.verify(ds)
}

// complete reports whether all of the content was read.
func (b *body) complete() bool { return b.err == io.EOF && len(b.peeked) == 0 }

const (
	// drainKeep is how much content that nobody wants is read to keep an HTTP/1 connection.
	drainKeep = 64 << 10
	// drainMost, drainTime and drainIdle bound what is read, in all and without a pause, so that the client gets to read
	// the response before the connection closes (RFC 9112, Section 9.6).
	drainMost = 256 << 20
	drainTime = 30 * time.Second
	drainIdle = 2 * time.Second
)

// beforeEarlyResponse prepares a final response that is sent before all of the content was read. A client that still
// sends gets to know if the connection will close. It is called before the header section is written.
func (b *body) beforeEarlyResponse(hd http.Header) {
	if b.complete() || b.r.ProtoMajor != 1 {
		return
	}
	b.early = true
	if left := b.r.ContentLength - b.n; b.lost() || b.waits() || left < 0 || left > drainKeep {
		hd.Set(fieldConnection, "close")
	}
	// Without this, net/http may read content before it writes the response. A writer that cannot do it reads first.
	_ = b.control.EnableFullDuplex()
}

// afterEarlyResponse sends the response and then reads some of the content that is left, so that the response does not
// get lost when the connection closes with data in flight. If the content does not end within the bounds, the
// connection is not used again: what follows on it cannot be told from content. It does nothing without
// beforeEarlyResponse.
func (b *body) afterEarlyResponse(hd http.Header) {
	if !b.early {
		return
	}
	// This bounds what net/http reads after it too.
	_ = b.control.SetReadDeadline(time.Now())
	if b.lost() || b.waits() || b.control.Flush() != nil {
		return
	}
	if err := b.drain(); err != io.EOF && hd.Get(fieldConnection) == "" {
		panic(http.ErrAbortHandler)
	}
}

// drain reads content and throws it away. It returns io.EOF if that was all.
func (b *body) drain() error {
	end := time.Now().Add(drainTime)
	for left := int64(drainMost); left > 0; {
		now := time.Now()
		if now.After(end) {
			break
		}
		_ = b.control.SetReadDeadline(now.Add(drainIdle))
		n, err := io.CopyN(io.Discard, b.r.Body, min(left, drainKeep))
		if err != nil {
			return err
		}
		left -= n
	}
	_ = b.control.SetReadDeadline(time.Now())
	return nil
}

// lost reports whether the connection failed, so that no more of the content can come.
func (b *body) lost() bool {
	var i *interruption
	return errors.As(b.err, &i)
}

// waits reports whether the client waits for 100 (Continue) and was not sent it.
func (b *body) waits() bool {
	return !b.began && b.r.ContentLength != 0 && hasToken(b.r.Header.Values(fieldExpect), "100-continue")
}
