package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// UploadOptions say how a file is uploaded. Nil has the defaults.
type UploadOptions struct {
	// Type is the media type of the new resource. Default: none.
	Type string

	// Digest is the digest of the whole source, if the caller knows it. It is declared before anything is sent.
	Digest Digest

	// Whole says if the digest of the whole source is computed while the segments are sent. Default: WholeAuto.
	Whole Whole

	// Segments is the algorithm of the digest that every segment has. Default: CRC32C.
	Segments Algorithm

	// Replace lets the upload take the place of a complete resource with other content. Readers have the old one until
	// all of the new one is there.
	Replace bool

	// Restart deletes an incomplete resource that is there, instead of going on with it.
	Restart bool

	// Progress, if it is not nil, is called now and then, by one goroutine at a time.
	Progress func(Progress)
}

// Whole says when the digest of a whole file is computed.
type Whole string

// The values of Whole.
const (
	// WholeAuto computes it if the resource has bytes that this call did not send, if the source does not tell when it
	// was modified, as an *os.File does, or if the network is so slow that it costs no time. Otherwise every segment has
	// a digest, and the last bytes are sent only if the source was not modified since the upload began.
	WholeAuto   Whole = "auto"
	WholeAlways Whole = "always"
	WholeNever  Whole = "never" // nobody notices that the source changes while it is sent
)

// An Algorithm computes digests.
type Algorithm string

// The values of Algorithm.
const (
	CRC32C   Algorithm = "crc32c"  // finds damage on the way, at next to no cost
	SHA256   Algorithm = "sha-256" // finds forgery too, where there is no TLS; costs more than everything else
	NoDigest Algorithm = "none"
)

// checkDigests returns an error unless the options are among those that exist.
func checkDigests(whole Whole, segments Algorithm) error {
	switch whole {
	case WholeAuto, WholeAlways, WholeNever:
	default:
		return fmt.Errorf("digest of the whole: %q", whole)
	}
	switch segments {
	case CRC32C, SHA256, NoDigest:
		return nil
	}
	return fmt.Errorf("digest of segments: %q", segments)
}

// Upload makes the resource at url have the first size bytes of src, and returns its state when it is complete. What is
// already there of it is not sent. An upload that ends with an error, or is ended by ctx, goes on where it was when it is
// called again, by anyone and from anywhere.
//
// Several goroutines read from src at the same time, through buffers of some hundred KiB; memory does not grow with size.
// They may go on for a moment after Upload returned with an error.
//
// If a complete resource with other content exists, the error wraps ErrExists, unless o.Replace is set. If the URL has an
// incomplete resource that cannot become this one, it wraps ErrConflict or ErrDigest.
func (c *Client) Upload(ctx context.Context, url string, src io.ReaderAt, size int64, o *UploadOptions) (*State, error) {
	if o == nil {
		o = new(UploadOptions)
	}
	options := *o
	options.Whole = cmp.Or(o.Whole, WholeAuto)
	options.Segments = cmp.Or(o.Segments, CRC32C)
	if size < 0 {
		return nil, fmt.Errorf("upload of %d bytes", size)
	}
	if err := checkDigests(options.Whole, options.Segments); err != nil {
		return nil, err
	}
	report := &reporter{f: o.Progress, now: Progress{Size: size}}
	defer report.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := c.upload(ctx, url, src, size, options, report)
	if err != nil {
		return nil, err
	}
	report.done(size, true)
	return st, nil
}

// upload does what Upload promises, with options that are complete.
func (c *Client) upload(ctx context.Context, url string, src io.ReaderAt, size int64, o UploadOptions, report *reporter) (*State, error) {
	u := &upload{
		transfer: transfer{plan: newPlan(c, size), digest: o.Digest, changed: make(chan struct{})},
		c:        c, url: url, src: src, size: size, o: o, began: time.Now(), need: make(chan struct{}, 1), report: report,
		pace: pace{near: *cmp.Or(c.near, &defaultNear)},
	}
	var err error
	if u.was, err = u.stat(); err != nil {
		return nil, err
	}
	return u.run(ctx)
}

// An upload is one call of Upload.
type upload struct {
	transfer
	c      *Client
	url    string
	src    io.ReaderAt
	size   int64
	o      UploadOptions
	report *reporter
	pace   pace // set before there are connections

	segmented bool // the server tells what is committed, and knows conditions
	began     time.Time
	was       sourceStat    // what the source told of itself then
	need      chan struct{} // closed when the digest is needed, in spite of the cost
	strict    bool          // the server takes If-None-Match: * to fail on an incomplete resource
	final     *State        // from the response that said that the resource is complete
	told      bool          // the server has the digest
	guarded   bool          // the last bytes are held back
}

// run tries the ways there are.
func (u *upload) run(ctx context.Context) (*State, error) {
	if u.size <= smallSize {
		st, err := u.small(ctx)
		if st != nil || err != nil {
			return st, err
		}
	}
	for range 3 { // the resource can come and go between two requests
		asked := time.Now()
		st, err := u.c.state(ctx, u.url, false)
		u.pace.learn(time.Since(asked))
		switch {
		case errors.Is(err, ErrNotFound):
			st, err := u.create(ctx)
			if errors.Is(err, ErrChanged) {
				continue
			}
			if st != nil || err != nil {
				return st, err
			}
			return u.fill(ctx)
		case err != nil:
			return nil, err
		case st.Complete:
			return u.occupied(ctx, st)
		case u.o.Restart:
			u.o.Restart = false
			if err := u.c.giveUp(ctx, st); err != nil {
				return nil, err
			}
			continue
		}
		if err := u.join(st); err != nil {
			return nil, err
		}
		return u.fill(ctx)
	}
	return nil, fmt.Errorf("%w: %s", ErrChanged, redacted(u.url))
}

// smallSize is the largest file that is held in memory and sent with one request.
const smallSize = 1 << 20

// small uploads what fits into memory with one request, if there is nothing at the URL. Otherwise it returns nil.
func (u *upload) small(ctx context.Context) (*State, error) {
	content := make([]byte, u.size)
	if _, err := io.ReadFull(&sectionReader{u.src, 0, u.size}, content); err != nil {
		return nil, err
	}
	if u.o.Whole != WholeNever {
		if err := u.unchanged(); err != nil {
			return nil, err
		}
	}
	u.src = bytes.NewReader(content)
	if sum := NewDigest(sha256.Sum256(content)); u.o.Whole != WholeNever {
		if u.digest.Known() && u.digest != sum {
			return nil, fmt.Errorf("%w: the source does not have the digest that was given for it", ErrDigest)
		}
		u.digest = sum
	}
	st, err := u.put(ctx, http.Header{fieldIfNoneMatch: {"*"}})
	if errors.Is(err, ErrChanged) || statusOf(err) == http.StatusRequestEntityTooLarge && u.size > u.c.minSegment() {
		return nil, nil // something is there, or it has to be sent in smaller pieces
	}
	return st, err
}

// put uploads with PUT. It is all or nothing.
func (u *upload) put(ctx context.Context, hd http.Header) (*State, error) {
	if u.o.Type != "" {
		hd.Set(fieldContentType, u.o.Type)
	}
	if u.digest.Known() {
		hd.Set(fieldReprDigest, u.digest.field())
	}
	if u.digest.Known() {
		hd.Set(fieldWantReprDigest, wantSHA256)
	}
	r := call{method: http.MethodPut, url: u.url, header: hd, size: u.size, sent: u.report.moved, slow: true,
		body: func() io.Reader { return &sectionReader{u.src, 0, u.size} }}
	var st *State
	err := u.c.retry(ctx, func() error {
		resp, err := u.c.exchange(ctx, r)
		if err != nil {
			return err
		}
		st, err = newState(u.url, resp)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !st.Segmented || !st.Complete {
		return u.verify(ctx)
	}
	st.Length = u.size
	return st, u.right(st)
}

// create begins the resource with a write of no bytes, and returns nil. If the server does not know such writes, it
// uploads with PUT, and returns the state. The error wraps ErrChanged if the resource is complete meanwhile.
func (u *upload) create(ctx context.Context) (*State, error) {
	head, err := rangePart(ranges.Range{}, u.size, u.fields(u.digest))
	if err != nil {
		return nil, err
	}
	hd := http.Header{fieldIfNoneMatch: {"*"}}
	var st *State
	created := false
	err = u.c.retry(ctx, func() (err error) {
		resp, err := u.c.exchange(ctx, call{method: http.MethodPatch, url: u.url, size: int64(len(head)),
			header: withField(hd, fieldContentType, byteranges.MediaTypeMessage), body: func() io.Reader { return bytes.NewReader(head) }})
		if err != nil {
			return err
		}
		created = resp.StatusCode == http.StatusCreated
		st, err = newState(u.url, resp)
		return err
	})
	switch {
	case errors.Is(err, ErrUnsupported), errors.Is(err, ErrNotFound):
		return u.whole(ctx)
	case err != nil:
		return nil, err
	}
	u.segmented = st.Segmented
	u.plan.ordered = !st.Segmented
	u.plan.shared = !created
	if !created {
		u.needDigest()
	}
	if st.Segmented {
		u.plan.learn(st.Received)
	}
	u.told = u.digest.Known()
	return nil, nil
}

// whole uploads with one PUT to a server that does not know PATCH.
func (u *upload) whole(ctx context.Context) (*State, error) {
	hd := http.Header{fieldIfNoneMatch: {"*"}}
	if u.o.Replace {
		hd = http.Header{}
	}
	if u.o.Whole == WholeAlways && !u.digest.Known() {
		digest, err := digestOf(ctx, u.src, u.size)
		if err != nil {
			return nil, err
		}
		u.digest = digest
	}
	return u.put(ctx, hd)
}

// join prepares going on with the incomplete resource in st.
func (u *upload) join(st *State) error {
	switch {
	case st.Segmented && st.Length >= 0 && st.Length != u.size:
		return fmt.Errorf("%w: %s is being filled up to %d bytes, the source has %d", ErrConflict, redacted(u.url), st.Length, u.size)
	case st.Received.Bounds().End > u.size:
		return fmt.Errorf("%w: %s has %d bytes already, the source %d", ErrConflict, redacted(u.url), st.Received.Bounds().End, u.size)
	}
	u.segmented, u.plan.ordered = st.Segmented, !st.Segmented
	u.plan.learn(st.Received)
	u.plan.shared = true // until there is no sign of it
	u.needDigest()
	return nil
}

// fields returns what the part of a patch says about the resource, the digest among it if it is known.
func (u *upload) fields(digest Digest) byteranges.Header {
	var h byteranges.Header
	if u.o.Type != "" {
		h = append(h, byteranges.Field{Name: fieldContentType, Value: u.o.Type})
	}
	if digest.Known() {
		h = append(h, byteranges.Field{Name: fieldReprDigest, Value: digest.field()})
	}
	return h
}

// withField returns a copy of hd with one more field.
func withField(hd http.Header, name, value string) http.Header {
	hd = hd.Clone()
	hd.Set(name, value)
	return hd
}

// occupied deals with a complete resource at the URL.
func (u *upload) occupied(ctx context.Context, st *State) (*State, error) {
	if !st.Segmented {
		return u.foreign(ctx, st)
	}
	same, err := u.same(ctx, st)
	if err != nil {
		return nil, err
	}
	switch {
	case same != nil:
		return same, nil
	case !u.o.Replace:
		return nil, fmt.Errorf("%w: %s", ErrExists, redacted(u.url))
	}
	return u.replace(ctx, st)
}

// same returns the state of the resource if it has the content of the source, and else nil.
func (u *upload) same(ctx context.Context, st *State) (*State, error) {
	if st.Length != u.size || st.Received.Size() != u.size {
		return nil, nil
	}
	st, err := u.c.state(ctx, u.url, true)
	if err != nil || !st.Complete || st.Length != u.size || !st.Digest.Known() {
		return nil, err
	}
	if !u.digest.Known() {
		if u.digest, err = digestOf(ctx, u.src, u.size); err != nil {
			return nil, err
		}
	}
	if u.digest != st.Digest {
		return nil, nil
	}
	return st, nil
}

// verify asks for the state of the resource, which must be complete, and compares it with the source.
func (u *upload) verify(ctx context.Context) (*State, error) {
	st, err := u.c.state(ctx, u.url, u.digest.Known())
	if err != nil {
		return nil, err
	}
	return st, u.right(st)
}

// right returns an error if st, of a complete resource, is not what was sent.
func (u *upload) right(st *State) error {
	switch {
	case !st.Complete:
		return fmt.Errorf("%w: %s is not complete after a PUT", ErrServer, redacted(u.url))
	case st.Length >= 0 && st.Length != u.size:
		return fmt.Errorf("%w: %s has %d bytes, %d were sent", ErrServer, redacted(u.url), st.Length, u.size)
	case st.Digest.Known() && u.digest.Known() && st.Digest != u.digest:
		return fmt.Errorf("%w: %s is complete, and has other bytes than the source: the source changed while it was sent, or someone else wrote there",
			ErrDigest, redacted(u.url))
	}
	return nil
}
