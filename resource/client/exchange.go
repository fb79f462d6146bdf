package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// A call is one request, without its context.
type call struct {
	method  string
	url     string
	header  http.Header
	body    func() io.Reader // nil: no content; called for each time that the request is sent
	size    int64            // length of the content, -1 if it is not known
	sent    func(n int)      // called with how much of the content was handed to the connection; may be nil
	drained func()           // called when all of it was; may be nil
	once    bool             // the content cannot be sent again
	slow    bool             // the server may have to hash all of a resource before it answers
}

// do sends the request once. A response that is no success is an *Error, and so is no response. The content of the
// response has to be closed; a request without movement for the time that c allows is ended.
func (c *Client) do(ctx context.Context, r call) (*http.Response, error) {
	release, err := c.limit.take(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	answer := 2 * c.stallTimeout()
	if r.slow {
		answer = max(answer, c.responseTimeout())
	}
	w := &watchdog{bark: func() { cancel(ErrStalled) }}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		cancel(nil)
		release()
		var parse *url.Error
		if errors.As(err, &parse) {
			parse.URL = redacted(parse.URL)
		}
		return nil, err
	}
	maps.Copy(req.Header, c.Header)
	for name, lines := range r.header {
		req.Header[name] = slices.Clone(lines)
	}
	err = checkFields(req.Header)
	if c.HTTP == nil && req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		err = errors.New("want a URL with http or https")
	}
	if err != nil {
		cancel(nil)
		release()
		return nil, fmt.Errorf("%s %s: %w", r.method, redacted(r.url), err)
	}
	req.Host = cmp.Or(req.Header.Get("Host"), req.Host)
	setDefault(req.Header, fieldUserAgent, "infill")
	setDefault(req.Header, fieldAcceptEncoding, "identity") // ranges and digests are of the bytes as they are stored
	var source *sourceReader
	if r.body != nil {
		body := func() io.ReadCloser {
			source = &sourceReader{r: r.body()}
			return &watchedBody{source: source, w: w, idle: c.stallTimeout(), end: answer, left: r.size, moved: r.sent, drained: r.drained}
		}
		req.ContentLength = r.size
		if !r.once {
			req.GetBody = func() (io.ReadCloser, error) { return body(), nil }
		}
		if req.Body = body(); r.size == 0 {
			req.Body = http.NoBody
		}
		w.reset(c.stallTimeout())
	} else {
		w.reset(answer)
	}
	resp, err := c.http().Do(req)
	if err == nil && resp.StatusCode >= 300 {
		w.reset(c.stallTimeout())
		err = newError(req, resp)
		resp.Body.Close()
	} else if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if fault := source.fault(); fault != nil {
			err = fault
		} else if context.Cause(ctx) == nil || errors.Is(err, ErrStalled) {
			err = lostError(req, err)
		}
	}
	if err != nil {
		w.stop()
		cancel(nil)
		release()
		return nil, err
	}
	w.reset(c.stallTimeout())
	resp.Body = &watchedResponse{ReadCloser: resp.Body, req: req, w: w, idle: c.stallTimeout(), cancel: cancel, release: release}
	return resp, nil
}

// checkFields returns an error if hd has a field that cannot be sent.
func checkFields(hd http.Header) error {
	for name, lines := range hd {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%q is no name of a field", name)
		}
		for _, line := range lines {
			if !httpguts.ValidHeaderFieldValue(line) {
				return fmt.Errorf("field %s has characters that cannot be sent", name)
			}
		}
	}
	return nil
}

// setDefault sets a field that hd does not have.
func setDefault(hd http.Header, name, value string) {
	if _, ok := hd[name]; !ok {
		hd.Set(name, value)
	}
}

// exchange is do for requests whose response has no content that matters.
func (c *Client) exchange(ctx context.Context, r call) (*http.Response, error) {
	resp, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxProblem) // so that the connection can be used again
	resp.Body.Close()
	return resp, nil
}

// A watchdog calls bark unless it is reset in time.
type watchdog struct {
	bark  func()
	timer *time.Timer
}

// reset gives until d from now. The first call of it comes before all others.
func (w *watchdog) reset(d time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.bark)
		return
	}
	w.timer.Reset(d)
}

func (w *watchdog) stop() { w.timer.Stop() }

// A watchedBody is the content of a request. Each read of it shows that the connection takes what is sent. How long the
// source takes to have some does not count.
type watchedBody struct {
	source    *sourceReader
	w         *watchdog
	idle, end time.Duration
	left      int64 // bytes to come, if at least 0
	moved     func(int)
	drained   func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.w.stop()
	n, err := b.source.Read(p)
	b.took(n, err != nil)
	return n, err
}

// took notes that the connection took n bytes, and if those were the last ones.
func (b *watchedBody) took(n int, end bool) {
	b.left -= int64(n)
	if end || b.left == 0 {
		b.w.reset(b.end)
		if b.drained != nil {
			b.drained()
		}
	} else {
		b.w.reset(b.idle)
	}
	if n > 0 && b.moved != nil {
		b.moved(n)
	}
}

func (b *watchedBody) Close() error { return nil }

// A watchedResponse is the content of a response. Its errors are those of do.
type watchedResponse struct {
	io.ReadCloser
	req    *http.Request
	w      *watchdog
	idle   time.Duration
	cancel context.CancelCauseFunc

	release func()
}

func (b *watchedResponse) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
		b.w.reset(b.idle)
	case err != io.EOF:
		if cause := context.Cause(b.req.Context()); cause != nil {
			err = cause
		}
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			err = lostError(b.req, err)
		}
	}
	return n, err
}

func (b *watchedResponse) Close() error {
	b.w.stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	b.release()
	return err
}

// A sourceReader remembers why reading what is to be sent failed: that is no fault of the connection.
type sourceReader struct {
	r   io.Reader
	err atomic.Pointer[error]
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

// fault returns the error of the source, or nil.
func (s *sourceReader) fault() error {
	if s == nil {
		return nil
	}
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}
