package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/infill-http/infill/ranges"
)

// A State is what a server tells of a resource.
type State struct {
	URL      string
	Complete bool
	Length   int64      // complete-length in bytes, -1 if it is not known
	Offset   int64      // end of the committed range that begins at 0
	Received ranges.Set // committed bytes; of a complete resource all but those that the server found damaged
	Modified time.Time  // last commit in whole seconds; zero if it is not known
	ETag     string     // with its quotes; "" if there is none
	Type     string     // media type
	Digest   Digest     // of a complete resource, if the server was asked for it and has it
	MaxAge   int64      // seconds until an incomplete resource that nobody writes to is removed, -1 if that is not known

	// Segmented says that the server told in fields which bytes are committed. Otherwise Received is [0,Offset), and
	// Complete is a guess: of a server that does not tell, every resource that can be read counts as complete.
	Segmented bool

	crc       []byte // CRC-32C of a complete resource in big-endian order; nil if it was not asked for, or not told
	truncated bool   // Received lacks some ranges
	fullMap   string // URL of the document that has all of them
	ranged    bool   // the server serves ranges
}

// Status asks for the state of the resource at url, all committed ranges included. If there is none, the error wraps
// ErrNotFound.
func (c *Client) Status(ctx context.Context, url string) (*State, error) {
	return c.state(ctx, url, false)
}

// state asks until there is an answer, with the digest if digest is set.
func (c *Client) state(ctx context.Context, url string, digest bool) (*State, error) {
	var st *State
	err := c.retry(ctx, func() (err error) {
		st, err = c.status(ctx, url, digest)
		return err
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// status asks once, with the SHA-256 digest if digest is set. Computing that may take the server long.
func (c *Client) status(ctx context.Context, url string, digest bool) (*State, error) {
	if digest {
		return c.ask(ctx, url, wantSHA256)
	}
	return c.ask(ctx, url, "")
}

// ask asks once, with the digest that want, if it is not "", is the Want-Repr-Digest of.
func (c *Client) ask(ctx context.Context, url, want string) (*State, error) {
	hd := http.Header{}
	if want != "" {
		hd.Set(fieldWantReprDigest, want)
	}
	resp, err := c.exchange(ctx, call{method: http.MethodHead, url: url, header: hd, slow: want == wantSHA256})
	if err != nil {
		return nil, err
	}
	st, err := newState(url, resp)
	if err != nil {
		return nil, err
	}
	if st.truncated {
		err = c.readMap(ctx, st)
	}
	return st, err
}

// newState returns the state that the fields of resp, a response about the resource at url, tell.
func newState(url string, resp *http.Response) (*State, error) {
	hd := resp.Header
	st := &State{
		URL: url, Length: -1, MaxAge: parseLimit(hd.Values(fieldUploadLimit), "max-age"), ETag: hd.Get(fieldETag),
		Type: hd.Get(fieldContentType), crc: parseDigest(hd.Values(fieldReprDigest), CRC32C), ranged: hd.Get(fieldAcceptRanges) == "bytes",
	}
	if sum := parseDigest(hd.Values(fieldReprDigest), SHA256); sum != nil {
		st.Digest = NewDigest([32]byte(sum))
	}
	st.Modified, _ = http.ParseTime(hd.Get(fieldLastModified))
	st.Complete, st.Segmented = parseBool(hd.Values(fieldUploadComplete))
	lines := hd.Values(fieldUploadReceived)
	received, err := ranges.ParseReceived(lines)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	size := contentLength(hd)
	switch {
	case !st.Segmented:
		st.Complete, st.Length, st.Offset = true, size, max(0, size)
		st.Received = ranges.NewSet(ranges.Range{End: st.Offset})
		return st, nil
	case st.Complete && resp.Request.Method == http.MethodHead:
		st.Length = size
	case len(lines) == 0 && !st.Complete && hd.Get(fieldUploadOffset) == "" && resp.Request.Method == http.MethodHead:
		received.Add(ranges.Range{End: max(0, size)})
	}
	if n := parseInteger(hd.Values(fieldUploadLength)); n >= 0 {
		st.Length = n
	}
	if len(lines) == 0 {
		received.Add(ranges.Range{End: max(0, parseInteger(hd.Values(fieldUploadOffset)))})
	}
	if st.Complete && len(lines) == 0 {
		received.Add(ranges.Range{End: max(0, st.Length)})
	}
	if end := received.Bounds().End; st.Length >= 0 && end > st.Length {
		return nil, fmt.Errorf("%w: %s has byte %d of %d", ErrServer, redacted(url), end-1, st.Length)
	}
	st.Received, st.Offset = received, received.Prefix()
	target, truncated := parseLink(hd.Values(fieldLink), relRanges)
	if target != "" {
		if ref, err := resp.Request.URL.Parse(target); err == nil && sameOrigin(ref, resp.Request.URL) {
			st.fullMap, st.truncated = ref.String(), truncated
		}
	}
	return st, nil
}

// maxMap is how many octets one page of a full map may have.
const maxMap = 16 << 20

// readMap adds to st the committed ranges that its fields had no room for.
func (c *Client) readMap(ctx context.Context, st *State) error {
	end := st.Received.Bounds().End
	at, err := url.Parse(st.fullMap)
	if err != nil {
		return err
	}
	at.RawQuery = url.Values{"start": {fmt.Sprint(end)}}.Encode()
	for {
		resp, err := c.do(ctx, call{method: http.MethodGet, url: at.String(), header: http.Header{fieldAccept: {typeJSON}}})
		if err != nil {
			return err
		}
		var page struct {
			Start, End int64
			Ranges     [][2]int64
			Next       string
		}
		err = json.NewDecoder(io.LimitReader(resp.Body, maxMap)).Decode(&page)
		resp.Body.Close()
		if err != nil {
			return fmt.Errorf("%w: full map %s: %w", ErrServer, at.Redacted(), err)
		}
		for _, r := range page.Ranges {
			if r[0] < 0 || r[1] <= r[0] || st.Length >= 0 && r[1] > st.Length {
				return fmt.Errorf("%w: full map %s has range %d", ErrServer, at.Redacted(), r)
			}
			st.Received.Add(ranges.Range{Start: r[0], End: r[1]})
		}
		if page.Next == "" {
			st.truncated = false
			st.Offset = st.Received.Prefix()
			return nil
		}
		next, err := at.Parse(page.Next)
		if err != nil || page.End <= end || !sameOrigin(next, at) {
			return fmt.Errorf("%w: full map %s goes on at %.80q", ErrServer, at.Redacted(), page.Next)
		}
		at, end = next, page.End
	}
}
