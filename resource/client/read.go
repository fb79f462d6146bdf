package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/infill-http/infill/ranges"
)

// Read writes the content of the complete resource at url to w, in order, and returns the state of the resource. After a
// lost connection it goes on where it was. When an error is returned, w has the beginning of the content, unless the
// error wraps ErrDigest: then it has all bytes, and they are not right.
func (c *Client) Read(ctx context.Context, url string, w io.Writer, o *DownloadOptions) (*State, error) {
	if o == nil {
		o = new(DownloadOptions)
	}
	st, err := c.readable(ctx, url, o.Digest)
	if err != nil {
		return nil, err
	}
	report := &reporter{f: o.Progress, now: Progress{Size: st.Length}}
	seq := c.newSequence(st, o.Digest)
	n, err := c.read(ctx, st, seq.to(w), report, nil)
	if err != nil {
		return nil, err
	}
	st.Length = n
	report.done(n, true)
	if err := seq.verify(ctx); err != nil {
		return nil, err
	}
	return st, nil
}

// read writes the content of st to w, and returns how many bytes it has. If it cannot go on where it was, it calls again,
// which may be nil, and begins anew.
func (c *Client) read(ctx context.Context, st *State, w io.Writer, report *reporter, again func() (io.Writer, error)) (n int64, err error) {
	failures := 0
	for {
		began := n
		err = c.readFrom(ctx, st, w, &n, report)
		if err == nil {
			return n, nil
		}
		if n > began {
			failures = 0
		}
		failures++
		if err := c.again(ctx, failures, err); err != nil {
			return n, err
		}
		if n > 0 && (strongTag(st.ETag) == "" || st.Length < 0 || !st.ranged && !st.Segmented) {
			if again == nil {
				return n, fmt.Errorf("the server cannot go on where it was: %w", err)
			}
			if w, err = again(); err != nil {
				return n, err
			}
			n = 0
		}
	}
}

// readFrom writes the content from n on to w, and adds to n what it wrote.
func (c *Client) readFrom(ctx context.Context, st *State, w io.Writer, n *int64, report *reporter) error {
	if st.Length >= 0 && *n == st.Length && *n > 0 {
		return nil
	}
	hd := http.Header{}
	if tag := strongTag(st.ETag); tag != "" {
		hd.Set(fieldIfMatch, tag)
	}
	want := ranges.Range{Start: *n, End: max(*n, st.Length)}
	if *n > 0 {
		hd.Set(fieldRange, rangeField(want.Start, want.End))
	}
	resp, err := c.do(ctx, call{method: http.MethodGet, url: st.URL, header: hd})
	if err != nil {
		return st.lost(err)
	}
	defer resp.Body.Close()
	if err := st.matches(resp, want); err != nil {
		return err
	}
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	for {
		m, err := resp.Body.Read(buf[:])
		if st.Length >= 0 && *n+int64(m) > st.Length {
			return fmt.Errorf("%w: GET %s: more than its %d bytes", ErrServer, redacted(st.URL), st.Length)
		}
		if m > 0 {
			if _, err := w.Write(buf[:m]); err != nil {
				return err
			}
			*n += int64(m)
			report.moved(m)
			report.done(*n, false)
		}
		switch {
		case err == io.EOF && st.Length >= 0 && *n != st.Length:
			return lostError(resp.Request, io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
