package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A tusDriver speaks tus 1.0.0 (https://tus.io/protocols/resumable-upload).
type tusDriver struct {
	endpoint string

	// Which extensions the server has, from open on.
	creation, withUpload, concatenation bool
}

const (
	tusVersion = "1.0.0"
	tusContent = "application/offset+octet-stream"

	// withUploadMost is how much content is sent in the request that makes the
	// upload, if the server can do that. What is larger is sent by PATCH, as a
	// client does that wants to resume.
	withUploadMost = 1 << 20
)

func (d *tusDriver) finish(r *http.Request) error {
	r.Header.Set("Tus-Resumable", tusVersion)
	return nil
}

func (d *tusDriver) open(ctx context.Context, c *client) error {
	a, err := c.do(ctx, 0, http.MethodOptions, d.endpoint, nil)
	if err != nil {
		return err
	}
	for ext := range strings.SplitSeq(a.Header.Get("Tus-Extension"), ",") {
		switch strings.TrimSpace(ext) {
		case "creation":
			d.creation = true
		case "creation-with-upload":
			d.withUpload = true
		case "concatenation":
			d.concatenation = true
		}
	}
	if !d.creation {
		return errors.New("OPTIONS: Tus-Extension has no creation")
	}
	return nil
}

func (d *tusDriver) create(ctx context.Context, c *client, _ string, n int64) (string, error) {
	length := []string{"Upload-Length", strconv.FormatInt(n, 10)}
	if d.withUpload && n <= withUploadMost {
		url, a, err := d.post(ctx, c, c.content(n), append(length, "Content-Type", tusContent)...)
		if err != nil {
			return "", err
		}
		return url, wantOffset(a, n)
	}
	url, _, err := d.post(ctx, c, nil, length...)
	if err != nil {
		return "", err
	}
	return url, d.append(ctx, c, url, 0, n)
}

// post makes an upload. Only the response tells the URL of what has to be deleted,
// so a request that was begun goes on for a while after ctx ended.
func (d *tusDriver) post(ctx context.Context, c *client, body *content, header ...string) (string, answer, error) {
	ctx, cancel := outlast(ctx, grace)
	defer cancel()
	a, err := c.do(ctx, http.StatusCreated, http.MethodPost, d.endpoint, body, header...)
	if err != nil {
		return "", a, err
	}
	location, err := a.Location()
	if err != nil {
		return "", a, fmt.Errorf("POST: Location: %w", err)
	}
	url := location.String()
	c.target.keep(url)
	return url, a, nil
}

// append sends the bytes [off, off+n) of an upload.
func (d *tusDriver) append(ctx context.Context, c *client, url string, off, n int64) error {
	a, err := c.do(ctx, http.StatusNoContent, http.MethodPatch, url, c.content(n),
		"Upload-Offset", strconv.FormatInt(off, 10), "Content-Type", tusContent)
	if err != nil {
		return err
	}
	return wantOffset(a, off+n)
}

// wantOffset checks that all was taken.
func wantOffset(a answer, want int64) error {
	if got := a.Header.Get("Upload-Offset"); got != strconv.FormatInt(want, 10) {
		return fmt.Errorf("%s: Upload-Offset is %q, want %d: %w", a.Request.Method, got, want, errLength)
	}
	return nil
}

func (d *tusDriver) fill(context.Context, *client, string, int64, int64) (filling, error) {
	if !d.concatenation {
		return nil, fmt.Errorf("%w: the server has no extension concatenation", errNotPossible)
	}
	return &tusFilling{driver: d, parts: make(map[*lane]string)}, nil
}

// A tusFilling has a partial upload for each lane, which are concatenated at the
// end. The first write of a lane makes it.
type tusFilling struct {
	driver *tusDriver
	mu     sync.Mutex // guards parts
	parts  map[*lane]string
	lanes  []*lane
}

func (f *tusFilling) write(ctx context.Context, c *client, l *lane, off, n int64) error {
	f.mu.Lock()
	url, ok := f.parts[l]
	f.mu.Unlock()
	if !ok {
		var err error
		url, _, err = f.driver.post(ctx, c, nil, "Upload-Concat", "partial", "Upload-Length", strconv.FormatInt(l.end-l.start, 10))
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.parts[l] = url
		f.lanes = append(f.lanes, l)
		f.mu.Unlock()
	}
	return f.driver.append(ctx, c, url, off-l.start, n)
}

func (f *tusFilling) complete(ctx context.Context, c *client) error {
	sortLanes(f.lanes)
	var list strings.Builder
	list.WriteString("final;")
	for i, l := range f.lanes {
		if i > 0 {
			list.WriteByte(' ')
		}
		list.WriteString(f.parts[l])
	}
	_, _, err := f.driver.post(ctx, c, nil, "Upload-Concat", list.String())
	return err
}
