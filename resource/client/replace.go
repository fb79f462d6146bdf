package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// replace uploads beside the complete resource in st, and moves the result over it. The name of the upload depends on
// what it replaces and on the length, so that a call that was interrupted is found again, and clients with the same aim
// share it.
func (u *upload) replace(ctx context.Context, st *State) (*State, error) {
	if u.size <= smallSize {
		return u.put(ctx, http.Header{fieldIfMatch: {st.ETag}})
	}
	beside, err := besideURL(u.url, st.ETag, u.size)
	if err != nil {
		return nil, err
	}
	o := u.o
	o.Digest = u.digest // and o.Replace is true: an earlier call may have left other content there
	_, err = u.c.upload(ctx, beside, u.src, u.size, o, u.report)
	if err == nil {
		var now *State
		if now, err = u.c.Status(ctx, u.url); err == nil && now.ETag != st.ETag {
			err = fmt.Errorf("%w: %s; the new content is at %s", ErrChanged, redacted(u.url), redacted(beside))
		} else if err == nil || errors.Is(err, ErrNotFound) {
			err = u.c.Move(ctx, beside, u.url, nil)
		}
	}
	if errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) {
		// Another client may have done the same, and been faster.
		same, serr := u.same(ctx, &State{Length: u.size, Received: ranges.NewSet(u.plan.all())})
		if serr == nil && same != nil {
			return same, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return u.verify(ctx)
}

// besideURL returns where the n bytes are uploaded that will replace what at has now.
func besideURL(at, tag string, n int64) (string, error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", tag, n))
	u.RawQuery, u.Fragment = "", ""
	return u.String() + ".new-" + hex.EncodeToString(sum[:6]), nil
}

// foreign deals with a resource of a server that does not tell whether it is complete. If the server knows byte-range
// patches, what is there counts as the beginning of this upload, if it is one (draft-ietf-httpapi-patch-byterange-03,
// Section 5).
func (u *upload) foreign(ctx context.Context, st *State) (*State, error) {
	same, err := u.same(ctx, st)
	if same != nil || err != nil {
		return same, err
	}
	if st.Length >= 0 && st.Length < u.size {
		begun, err := u.begun(ctx, st.Length)
		if err != nil {
			return nil, err
		}
		if begun {
			if err := u.join(st); err != nil {
				return nil, err
			}
			return u.fill(ctx)
		}
	}
	if !u.o.Replace {
		return nil, fmt.Errorf("%w: %s", ErrExists, redacted(u.url))
	}
	return u.whole(ctx)
}

// lookBack is how many bytes before the end of what a server has are compared with the source.
const lookBack = 64 << 10

// begun reports whether the resource, which has n bytes, can be the beginning of the source, and can be gone on with.
func (u *upload) begun(ctx context.Context, n int64) (bool, error) {
	ok := false
	err := u.c.retry(ctx, func() error {
		resp, err := u.c.exchange(ctx, call{method: http.MethodOptions, url: u.url})
		if err == nil {
			ok = hasToken(resp.Header.Values(fieldAcceptPatch), byteranges.MediaTypeMessage)
		} else if statusOf(err) >= 400 && !temporary(err) {
			err = nil
		}
		return err
	})
	if err != nil || !ok || n == 0 {
		return ok, err
	}
	start := max(0, n-lookBack)
	want := make([]byte, n-start)
	if _, err := io.ReadFull(&sectionReader{u.src, start, n - start}, want); err != nil {
		return false, err
	}
	got := make([]byte, n-start)
	err = u.c.retry(ctx, func() error {
		resp, err := u.c.do(ctx, call{method: http.MethodGet, url: u.url, header: http.Header{fieldRange: {rangeField(start, n)}}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusPartialContent {
			clear(got)
			return nil
		}
		_, err = io.ReadFull(resp.Body, got)
		return err
	})
	return err == nil && bytes.Equal(got, want), err
}
