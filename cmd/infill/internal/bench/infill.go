package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/infill-http/infill/byteranges"
)

// An infillDriver writes ranges of bytes: spec/protocol.md, Sections 4 and 5.
type infillDriver struct{ putDriver }

// scatterParts is how many parts a patch of scatter has: half of what servers
// accept by default.
const scatterParts = byteranges.DefaultMaxParts / 2

func contentRange(off, n, length int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, length)
}

func (d infillDriver) patch(ctx context.Context, c *client, url string, off, n, length int64) error {
	body := c.content(n)
	body.head = []byte("Content-Range: " + contentRange(off, n, length) + "\r\n\r\n")
	_, err := c.do(ctx, 0, http.MethodPatch, url, body, "Content-Type", byteranges.MediaTypeMessage)
	return err
}

func (d infillDriver) segment(ctx context.Context, c *client, url string, off, n, length int64) error {
	_, err := d.put(ctx, c, url, off, n, length)
	return err
}

// put is segment, and reports whether the resource is complete.
func (d infillDriver) put(ctx context.Context, c *client, url string, off, n, length int64) (complete bool, err error) {
	a, err := c.do(ctx, 0, http.MethodPut, url, c.content(n), "Content-Range", contentRange(off, n, length))
	if err != nil {
		return false, err
	}
	return a.Header.Get("Upload-Complete") == "?1", nil
}

func (d infillDriver) scatter(ctx context.Context, c *client, url string, count int, size, stride int64) error {
	for first := 0; first < count; first += scatterParts {
		var doc bytes.Buffer
		w, err := byteranges.NewWriter(&doc, byteranges.MediaTypeApplication)
		if err != nil {
			return err
		}
		for i := first; i < min(count, first+scatterParts); i++ {
			off := int64(i) * stride
			part, err := w.CreatePart(byteranges.PartHeader{Off: off, Len: size, Length: int64(count) * stride})
			if err != nil {
				return err
			}
			if _, err := c.content(size).sendTo(part, size); err != nil {
				return err
			}
		}
		if err := w.Close(); err != nil {
			return err
		}
		if _, err := c.do(ctx, 0, http.MethodPatch, url, &content{head: doc.Bytes()}, "Content-Type", w.ContentType()); err != nil {
			return err
		}
	}
	return nil
}

func (d infillDriver) fill(_ context.Context, c *client, name string, n, _ int64) (filling, error) {
	return &infillFilling{driver: d, url: d.locate(c, name), size: n}, nil
}

// An infillFilling is complete with its last write, whichever that is.
type infillFilling struct {
	driver infillDriver
	url    string
	size   int64
	whole  atomic.Bool // a response said so
}

func (f *infillFilling) write(ctx context.Context, c *client, _ *lane, off, n int64) error {
	complete, err := f.driver.put(ctx, c, f.url, off, n, f.size)
	if complete {
		f.whole.Store(true)
	}
	return err
}

func (f *infillFilling) complete(context.Context, *client) error {
	if !f.whole.Load() {
		return errors.New("PUT: no response said that the resource is complete")
	}
	return nil
}
