package client

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Defaults of a Client.
const (
	DefaultConnections     = 8
	DefaultSegment         = 8 << 20
	DefaultMinSegment      = 256 << 10
	DefaultMaxSegment      = 64 << 20
	DefaultStallTimeout    = 30 * time.Second
	DefaultResponseTimeout = 30 * time.Minute
)

// A Client uploads, downloads and manages resources. The zero value is ready to use. Its fields must not be changed once
// it is used; then any number of goroutines may use it.
type Client struct {
	// HTTP sends the requests. By default it is a client of this package, with one HTTP/1.1 connection for each request
	// that is in flight: over HTTP/2 all would share one TCP connection, and its window. Requests are limited by
	// StallTimeout and ResponseTimeout; a Timeout of HTTP would limit a whole segment.
	HTTP *http.Client

	// Header has fields that are added to all requests, such as Authorization. A redirect to another host does not get
	// those that net/http considers sensitive. Host is the name that the server is told, if it is not that of the URL.
	Header http.Header

	// Connections is how many requests one transfer has in flight. Default: DefaultConnections. Not all of an upload to a
	// server near by, whose first response takes less than 5 ms, hash or send at the same time.
	Connections int

	// Segment is how many bytes the first segment of a transfer has; each of those after it has so many more than the one
	// before, until one is done. Then they grow to MaxSegment while they take less than a second or two, and shrink to
	// MinSegment with failures. What is near the end of a transfer, or shared with other clients, is cut into smaller
	// pieces, so that all connections end together. Defaults: DefaultSegment, DefaultMinSegment, DefaultMaxSegment.
	Segment, MinSegment, MaxSegment int64

	// Retry says how often and when to try again.
	Retry Retry

	// StallTimeout is how long a request may go without a byte moving; when all of it is sent, the response may take
	// twice as long. ResponseTimeout is how long the response to a request may take for which the server may have to read
	// a whole resource, because it verifies or tells a digest. Defaults: DefaultStallTimeout, DefaultResponseTimeout.
	StallTimeout, ResponseTimeout time.Duration

	limit slots // for requests in flight, of several transfers together

	sleep func(context.Context, time.Duration) error // nil: sleep; set by tests
	seed  func(n int64) int64                        // nil: rand.Int64N; set by tests
	near  *near                                      // nil: defaultNear; set by tests
}

// defaultHTTP is the default of Client.HTTP.
var defaultHTTP = sync.OnceValue(func() *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: DefaultStallTimeout}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wideConn{c}, nil
		},
		Protocols:           &protocols,
		MaxIdleConnsPerHost: 256, // not fewer than any transfer uses
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: DefaultStallTimeout,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      64 << 10,
	}}
})

// http returns the HTTP client to use. It follows no redirect that would change the method: net/http makes GET of what
// is not GET or HEAD with 301, 302 and 303, and the answer to that would be taken for success.
func (c *Client) http() *http.Client {
	h := defaultHTTP()
	if c.HTTP != nil {
		h = c.HTTP
	}
	clone := *h
	check := clone.CheckRedirect
	clone.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.Method != via[0].Method {
			return http.ErrUseLastResponse
		}
		if check != nil {
			return check(req, via)
		}
		if len(via) >= 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &clone
}

func (c *Client) connections() int  { return max(1, cmp.Or(c.Connections, DefaultConnections)) }
func (c *Client) minSegment() int64 { return max(1, cmp.Or(c.MinSegment, DefaultMinSegment)) }
func (c *Client) maxSegment() int64 {
	return max(c.minSegment(), cmp.Or(c.MaxSegment, DefaultMaxSegment))
}
func (c *Client) firstSegment() int64 {
	return min(max(cmp.Or(c.Segment, DefaultSegment), c.minSegment()), c.maxSegment())
}
func (c *Client) stallTimeout() time.Duration { return cmp.Or(c.StallTimeout, DefaultStallTimeout) }
func (c *Client) responseTimeout() time.Duration {
	return cmp.Or(c.ResponseTimeout, DefaultResponseTimeout)
}
