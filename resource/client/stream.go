package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// StreamOptions say how a stream is uploaded. Nil has the defaults.
type StreamOptions struct {
	// Type is the media type of the new resource. Default: none.
	Type string

	// Whole says if the digest of the whole stream is declared at its end. Default: WholeAuto, which does so if the
	// upload goes on with what another call has begun.
	Whole Whole

	// Segments is the algorithm of the digest that every segment has. Default: CRC32C.
	Segments Algorithm

	// Replace lets the stream take the place of a complete resource, at its end.
	Replace bool

	// Restart deletes an incomplete resource that is there, instead of going on with it.
	Restart bool

	// Window is how many bytes a segment has at most. Twice as many are in memory. Default: DefaultWindow.
	Window int

	// Flush is how long a byte waits at most before it is sent, if the server keeps up: until then, more may come to go
	// with it. Default: DefaultFlush.
	Flush time.Duration

	// Progress, if it is not nil, is called now and then, by one goroutine at a time.
	Progress func(Progress)
}

// Defaults of StreamOptions.
const (
	DefaultWindow = 8 << 20
	DefaultFlush  = time.Second
)

// UploadStream makes the resource at url have what can be read from r, up to io.EOF, and returns its state when it is
// complete. Segments are sent one after the other, and each is kept until it is acknowledged. An error of r ends the
// upload, and leaves the resource incomplete.
//
// If the resource was begun, r has to begin at its start all the same: the bytes that are there are read and not sent, and
// the digest of the whole is compared at the end. When ctx ends while r blocks, a goroutine stays until r returns.
func (c *Client) UploadStream(ctx context.Context, url string, r io.Reader, o *StreamOptions) (*State, error) {
	if o == nil {
		o = new(StreamOptions)
	}
	options := *o
	options.Whole = cmp.Or(o.Whole, WholeAuto)
	options.Segments = cmp.Or(o.Segments, CRC32C)
	if err := checkDigests(options.Whole, options.Segments); err != nil {
		return nil, err
	}
	report := &reporter{f: o.Progress, now: Progress{Size: -1}}
	defer report.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.stream(ctx, url, r, options, report)
	if err != nil {
		return nil, err
	}
	report.done(st.Length, true)
	return st, nil
}

// stream does what UploadStream promises, with options that are complete.
func (c *Client) stream(ctx context.Context, url string, r io.Reader, o StreamOptions, report *reporter) (*State, error) {
	s := &stream{c: c, url: url, src: r, o: o, most: math.MaxInt64, report: report}
	return s.run(ctx)
}

// A stream is one call of UploadStream.
type stream struct {
	c      *Client
	url    string
	src    io.Reader
	o      StreamOptions
	report *reporter

	segmented bool
	whole     hash.Hash // of all that was read; nil: not computed
	off       int64     // end of what is committed
	most      int64     // bytes of a request at most
	strict    bool
}

func (s *stream) run(ctx context.Context) (*State, error) {
	for range 3 { // the resource can come and go between two requests
		st, err := s.c.state(ctx, s.url, false)
		switch {
		case errors.Is(err, ErrNotFound):
			st, err = s.create(ctx)
			switch {
			case errors.Is(err, ErrUnsupported), errors.Is(err, ErrNotFound):
				return s.put(ctx)
			case errors.Is(err, ErrChanged):
				continue
			case err != nil:
				return nil, err
			}
		case err != nil:
			return nil, err
		case st.Complete && !s.o.Replace:
			return nil, fmt.Errorf("%w: %s", ErrExists, redacted(s.url))
		case st.Complete && !st.Segmented:
			return s.put(ctx)
		case st.Complete:
			return s.replace(ctx, st)
		case s.o.Restart:
			s.o.Restart = false
			if err := s.c.giveUp(ctx, st); err != nil {
				return nil, err
			}
			continue
		}
		if st.Length >= 0 {
			return nil, fmt.Errorf("%w: %s is being filled up to %d bytes, and the length of a stream is not known", ErrConflict, redacted(s.url), st.Length)
		}
		if err := s.skip(ctx, st); err != nil {
			return nil, err
		}
		return s.fill(ctx)
	}
	return nil, fmt.Errorf("%w: %s", ErrChanged, redacted(s.url))
}

// create begins the resource with a write of no bytes.
func (s *stream) create(ctx context.Context) (st *State, err error) {
	var fields byteranges.Header
	if s.o.Type != "" {
		fields = byteranges.Header{{Name: fieldContentType, Value: s.o.Type}}
	}
	head, err := rangePart(ranges.Range{}, -1, fields)
	if err != nil {
		return nil, err
	}
	err = s.c.retry(ctx, func() (err error) {
		st, err = s.c.send(ctx, patch{url: s.url, head: head, header: http.Header{fieldIfNoneMatch: {"*"}}})
		return err
	})
	if err == nil && !st.Segmented {
		*st = State{URL: s.url, Length: -1}
	}
	return st, err
}

// put sends the stream with one request to a server that does not know PATCH. What was read cannot be sent again.
func (s *stream) put(ctx context.Context) (*State, error) {
	hd := http.Header{fieldIfNoneMatch: {"*"}}
	if s.o.Replace {
		hd = http.Header{}
	}
	if s.o.Type != "" {
		hd.Set(fieldContentType, s.o.Type)
	}
	body := &streamBody{src: s.src}
	_, err := s.c.exchange(ctx, call{method: http.MethodPut, url: s.url, header: hd, size: -1, sent: s.report.moved, slow: true,
		once: true, body: func() io.Reader { return body }})
	if err != nil {
		return nil, err
	}
	st, err := s.c.Status(ctx, s.url)
	if err == nil && st.Length >= 0 && st.Length != body.n.Load() {
		return nil, fmt.Errorf("%w: %s has %d bytes, %d were sent", ErrServer, redacted(s.url), st.Length, body.n.Load())
	}
	return st, err
}

// replace uploads beside the complete resource in st, and moves the result over it.
func (s *stream) replace(ctx context.Context, st *State) (*State, error) {
	beside, err := besideURL(s.url, st.ETag, -1)
	if err != nil {
		return nil, err
	}
	o := s.o // with Replace: an earlier call may have left other content there
	if o.Whole == WholeAuto {
		o.Whole = WholeAlways // so that the new content can be told from any other
	}
	done, err := s.c.stream(ctx, beside, s.src, o, s.report)
	if err != nil {
		return nil, err
	}
	err = s.c.Move(ctx, beside, s.url, nil)
	now, serr := s.c.Status(ctx, s.url)
	switch {
	case errors.Is(err, ErrNotFound) && serr == nil && done.Digest.Known():
		// The response may have been lost.
		if digest, derr := s.c.digest(ctx, now); derr == nil && digest == done.Digest {
			return now, nil
		}
	case err == nil:
		return now, serr
	}
	return nil, fmt.Errorf("the new content is at %s: %w", redacted(beside), err)
}

// skip reads what the resource in st has.
func (s *stream) skip(ctx context.Context, st *State) error {
	s.segmented, s.off = st.Segmented, st.Offset
	if s.o.Whole == WholeAlways || s.o.Whole == WholeAuto && s.off > 0 {
		s.whole = sha256.New()
	}
	to := io.Discard
	if s.whole != nil {
		to = s.whole
	}
	n, err := io.CopyN(to, contextReader{ctx, s.src}, s.off)
	switch {
	case err == io.EOF:
		return fmt.Errorf("%w: %s has %d bytes already, the stream only %d", ErrConflict, redacted(s.url), s.off, n)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	s.report.done(s.off, false)
	return nil
}

// A contextReader stops at the end of the context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// fill sends what comes, and completes the resource.
func (s *stream) fill(ctx context.Context) (*State, error) {
	w := newWindow(s.src, cmp.Or(s.o.Window, DefaultWindow), min(int(s.c.minSegment()), cmp.Or(s.o.Window, DefaultWindow)), cmp.Or(s.o.Flush, DefaultFlush))
	stop := context.AfterFunc(ctx, w.stop)
	defer stop()
	defer w.stop()
	go w.read()
	for {
		segment, err := w.next()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(segment) > 0 {
			if err := s.sendSegment(ctx, segment); err != nil {
				return nil, err
			}
		}
		if err == io.EOF {
			return s.finish(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSource, err)
		}
	}
}

// header returns the fields of a request that writes.
func (s *stream) header() http.Header {
	hd := http.Header{fieldPrefer: {"transaction=persist"}}
	if s.segmented { // see upload.sendClaim
		hd.Set(fieldIfMatch, "*")
		if !s.strict {
			hd.Set(fieldIfNoneMatch, "*")
		}
	}
	return hd
}

// sendSegment sends the bytes that come next, until they are committed.
func (s *stream) sendSegment(ctx context.Context, segment []byte) error {
	if s.whole != nil {
		s.whole.Write(segment)
	}
	end := s.off + int64(len(segment))
	failures := 0
	for s.off < end {
		rest := segment[int64(len(segment))-(end-s.off):]
		r := ranges.Range{Start: s.off, End: s.off + min(end-s.off, s.most)}
		head, err := rangePart(r, -1, nil)
		if err != nil {
			return err
		}
		// The segment is at its place of the stream for those who read it.
		src := shifted{bytes.NewReader(rest), s.off}
		_, err = s.c.send(ctx, patch{url: s.url, head: head, src: src, r: r, header: s.header(), digest: s.o.Segments, moved: s.report.moved})
		if err == nil {
			s.off = r.End
			continue
		}
		if statusOf(err) == http.StatusRequestEntityTooLarge && r.Len() > s.c.minSegment() {
			s.most = max(s.c.minSegment(), r.Len()/2)
			continue
		}
		before := s.off
		if err := s.recover(ctx, &failures, err, r.End); err != nil {
			return segmentError(r, err)
		}
		if s.off > before {
			failures = 0
		}
	}
	s.report.done(s.off, false)
	return nil
}

// shifted is a source whose first byte is at off.
type shifted struct {
	*bytes.Reader
	off int64
}

func (s shifted) ReadAt(p []byte, off int64) (int, error) { return s.Reader.ReadAt(p, off-s.off) }

// recover finds out what is committed after the request that would have made it end failed with err. It returns an error
// that is final.
func (s *stream) recover(ctx context.Context, failures *int, err error, end int64) error {
	precondition := statusOf(err) == http.StatusPreconditionFailed && !s.strict && s.segmented
	if !precondition {
		*failures++
		if err := s.c.again(ctx, *failures, err); err != nil {
			return err
		}
	}
	st, serr := s.c.state(ctx, s.url, false)
	switch {
	case errors.Is(serr, ErrNotFound) && !s.segmented && s.off == 0:
		return nil
	case errors.Is(serr, ErrNotFound):
		return fmt.Errorf("%w: %s was removed while it was uploaded", ErrChanged, redacted(s.url))
	case serr != nil:
		return serr
	case st.Segmented && st.Complete:
		return fmt.Errorf("%w: %s was completed by someone else", ErrChanged, redacted(s.url))
	case st.Offset < s.off:
		return fmt.Errorf("%w: %s lacks bytes that it acknowledged: it has %d of %d", ErrServer, redacted(s.url), st.Offset, s.off)
	case st.Offset > end:
		return fmt.Errorf("%w: %s has more bytes than were sent", ErrChanged, redacted(s.url))
	}
	s.strict = s.strict || precondition
	s.off = st.Offset
	return nil
}

// finish declares the length, which completes the resource.
func (s *stream) finish(ctx context.Context) (*State, error) {
	var fields byteranges.Header
	var digest Digest
	if s.whole != nil {
		digest = NewDigest([32]byte(s.whole.Sum(nil)))
		fields = byteranges.Header{{Name: fieldReprDigest, Value: digest.field()}}
	}
	head, err := lengthPart(s.off, fields)
	if err != nil {
		return nil, err
	}
	var st *State
	err = s.c.retry(ctx, func() (err error) {
		hd := http.Header{}
		if s.segmented {
			hd.Set(fieldIfMatch, "*")
		}
		if _, err = s.c.send(ctx, patch{url: s.url, head: head, header: hd, slow: true}); errors.Is(err, ErrDigest) {
			return fmt.Errorf("%w: %s has all bytes and is not complete, because they are not those of the stream: it was begun with other ones", ErrDigest, redacted(s.url))
		}
		if err == nil {
			st, err = s.c.status(ctx, s.url, digest.Known())
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !st.Complete || st.Length != s.off:
		return nil, fmt.Errorf("%w: %s is not complete after its length was set", ErrServer, redacted(s.url))
	case digest.Known() && st.Digest.Known() && digest != st.Digest:
		return nil, fmt.Errorf("%w: %s is complete, and has other bytes than the stream", ErrDigest, redacted(s.url))
	}
	return st, nil
}
