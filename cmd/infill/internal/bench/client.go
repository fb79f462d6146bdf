package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Sizes of buffers in bytes.
const (
	connBuffer = 64 << 10  // of net/http, in each direction
	readBuffer = 256 << 10 // of a client, for the content of responses
)

// A client makes requests, one after the other, over one connection to a target. It
// is not safe for concurrent use.
type client struct {
	target *target
	http   *http.Client
	rng    *rand.Rand
	buf    []byte
}

// newClient returns the client of a number. Clients of the same number choose the
// same positions.
func newClient(t *target, number int, http2 bool) *client {
	dialer := new(net.Dialer)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return conn{c}, nil
		},
		DisableCompression: true,
		WriteBufferSize:    connBuffer,
		ReadBufferSize:     connBuffer,
		Protocols:          new(http.Protocols),
	}
	if http2 {
		transport.Protocols.SetHTTP2(true)
		transport.Protocols.SetUnencryptedHTTP2(true)
	} else {
		transport.Protocols.SetHTTP1(true)
	}
	return &client{
		target: t,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rng: rand.New(rand.NewPCG(1, uint64(number))),
		buf: make([]byte, readBuffer),
	}
}

// An answer is a response that was read to its end.
type answer struct {
	*http.Response
	n    int64  // bytes of content
	text []byte // the content if it is not longer than readBuffer; valid until the next request
}

// A statusError is a response with another status than was wanted.
type statusError struct {
	method string
	code   int
	text   string // beginning of the content
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s answered with %d %s: %s", e.method, e.code, http.StatusText(e.code), e.text))
}

// do makes a request with the fields of header, which are names and values in turns.
// The response must have the status want, or if that is 0 any of 2xx. Other
// responses are a *statusError, and their content is not read to its end.
func (c *client) do(ctx context.Context, want int, method, url string, body *content, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return answer{}, err
	}
	if body != nil && body.size() > 0 {
		again := *body
		req.Body, req.ContentLength = body, body.size()
		req.GetBody = func() (io.ReadCloser, error) {
			body := again
			return &body, nil
		}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if err := c.target.driver.finish(req); err != nil {
		return answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{Response: resp}
	if want != resp.StatusCode && (want != 0 || resp.StatusCode/100 != 2) {
		n, _ := io.ReadFull(resp.Body, c.buf)
		return a, &statusError{method, resp.StatusCode, string(c.buf[:min(n, 300)])}
	}
	if err := a.read(c.buf); err != nil {
		return a, fmt.Errorf("%s: content ends after %d bytes: %w", method, a.n, err)
	}
	return a, nil
}

// read reads the content to its end, through buf.
func (a *answer) read(buf []byte) error {
	for k := 0; ; {
		n, err := a.Body.Read(buf[k:])
		a.n += int64(n)
		if k += n; k == len(buf) {
			k = 0
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if a.n <= int64(len(buf)) {
		a.text = buf[:a.n]
	}
	return nil
}

// get reads n bytes of a resource of length bytes, from off on, and all of it without Range.
func (c *client) get(ctx context.Context, url string, off, n, length int64) error {
	want, header := http.StatusOK, []string(nil)
	if n < length {
		want = http.StatusPartialContent
		header = []string{"Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1)}
	}
	a, err := c.do(ctx, want, http.MethodGet, url, nil, header...)
	if err == nil && a.n != n {
		err = fmt.Errorf("GET: content has %d bytes, want %d: %w", a.n, n, errLength)
	}
	return err
}

// content returns content of n bytes that differs from what was sent before.
func (c *client) content(n int64) *content { return newContent(c.rng.Uint64(), n) }

// errLength is content of a wrong length.
var errLength = errors.New("wrong length")

// kind returns what an error is counted as.
func kind(err error) string {
	var status *statusError
	var errno syscall.Errno
	switch {
	case errors.As(err, &status):
		return fmt.Sprintf("%s %d", status.method, status.code)
	case errors.Is(err, errLength):
		return "wrong length"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "interrupted"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	}
	return "other"
}
