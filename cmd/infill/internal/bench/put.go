package bench

import (
	"context"
	"net/http"
)

// A putDriver speaks of whole resources only. It never sends Content-Range: a
// server that does not know it there takes the piece for the whole.
type putDriver struct {
	base string // ends in "/"
}

func (d putDriver) finish(*http.Request) error { return nil }

func (d putDriver) open(context.Context, *client) error { return nil }

func (d putDriver) create(ctx context.Context, c *client, name string, n int64) (string, error) {
	url := d.locate(c, name)
	_, err := c.do(ctx, 0, http.MethodPut, url, c.content(n))
	return url, err
}

func (d putDriver) locate(c *client, name string) string {
	url := d.base + name
	c.target.keep(url)
	return url
}
