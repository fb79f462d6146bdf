package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Protocols are the protocols that a target can have:
//
//	infill  PUT and PATCH with byte ranges, see spec/protocol.md
//	put     PUT, GET, HEAD and DELETE of whole resources, as WebDAV servers have it
//	tus     tus 1.0 with the extensions creation and termination, and for a
//	        parallel fill concatenation
//	s3      PutObject and multipart uploads with signature version 4, whose
//	        payload is not signed
var Protocols = []string{"infill", "put", "tus", "s3"}

// A driver asks for work in the words of a protocol. What it makes, it tells to
// target.keep. It is safe for concurrent use. What only some protocols can do are
// the methods of filler and rangeWriter.
type driver interface {
	// finish adds to the header of a request what the protocol wants in each.
	finish(r *http.Request) error

	// open finds out what the server can do.
	open(ctx context.Context, c *client) error

	// create makes a resource of n bytes and returns its URL.
	create(ctx context.Context, c *client, name string, n int64) (string, error)
}

// A filler lets many clients fill one resource.
type filler interface {
	// fill begins to fill a resource of n bytes, in segments of at most the given
	// length. It may leave it to the first write to make the resource.
	fill(ctx context.Context, c *client, name string, n, segment int64) (filling, error)
}

// A filling is a resource that is being filled.
type filling interface {
	// write sends the bytes [off, off+n), which belong to a lane.
	write(ctx context.Context, c *client, l *lane, off, n int64) error

	// complete makes one resource of what was written. It is an error if it is not
	// whole.
	complete(ctx context.Context, c *client) error
}

// A rangeWriter writes ranges of bytes of one resource.
type rangeWriter interface {
	// patch writes the bytes [off, off+n) of a resource of length bytes with a patch
	// document, segment with the shortest form that the protocol has.
	patch(ctx context.Context, c *client, url string, off, n, length int64) error
	segment(ctx context.Context, c *client, url string, off, n, length int64) error

	// scatter makes a resource with a number of ranges of size bytes, one every
	// stride bytes, in which further bytes follow the last one.
	scatter(ctx context.Context, c *client, url string, count int, size, stride int64) error

	// locate returns the URL of the resource of a name, and tells target.keep.
	locate(c *client, name string) string
}

// newDriver returns the driver of a target.
func newDriver(t Target, credentials Credentials) (driver, error) {
	base, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	named := strings.TrimSuffix(base.String(), "/") + "/"
	switch t.Protocol {
	case "infill":
		return infillDriver{putDriver{named}}, nil
	case "put":
		return putDriver{named}, nil
	case "tus":
		return &tusDriver{endpoint: t.URL}, nil
	case "s3":
		return newS3Driver(named, credentials), nil
	}
	return nil, fmt.Errorf("unknown protocol %q", t.Protocol)
}
