package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ChangeOptions say on what condition a resource is removed, moved or copied. Nil has the defaults.
type ChangeOptions struct {
	// Match is the entity tag that the resource must have; otherwise the error wraps ErrChanged. Default: any.
	Match string

	// Keep makes Move and Copy fail if the destination exists. The error wraps ErrChanged then.
	Keep bool
}

func (o *ChangeOptions) header() http.Header {
	hd := http.Header{}
	if o != nil && o.Match != "" {
		hd.Set(fieldIfMatch, o.Match)
	}
	if o != nil && o.Keep {
		hd.Set(fieldOverwrite, "F")
	}
	return hd
}

// Remove deletes the resource at url, complete or not. If there is none, the error wraps ErrNotFound; after a lost
// response that may be because the resource was removed.
func (c *Client) Remove(ctx context.Context, url string, o *ChangeOptions) error {
	return c.change(ctx, call{method: http.MethodDelete, url: url, header: o.header()})
}

// giveUp removes the incomplete resource in st, unless it becomes complete meanwhile. Requests of whoever wrote to it may
// still arrive, and change its entity tag; then it tries again.
func (c *Client) giveUp(ctx context.Context, st *State) error {
	for n := 1; ; n++ {
		err := c.Remove(ctx, st.URL, &ChangeOptions{Match: st.ETag})
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case !errors.Is(err, ErrChanged) || n >= c.Retry.attempts():
			return err
		}
		if err := c.wait(ctx, c.Retry.backoff(n)); err != nil {
			return err
		}
		st, err = c.state(ctx, st.URL, false)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil
		case err != nil:
			return err
		case st.Complete:
			return nil
		}
	}
}

// Move gives the complete resource at from the URL to, which has to be on the same server. What is there is replaced in
// one step. An incomplete source is an error that wraps ErrIncomplete. If there is no source, it wraps ErrNotFound; after
// a lost response that may be because it was moved.
func (c *Client) Move(ctx context.Context, from, to string, o *ChangeOptions) error {
	return c.relocate(ctx, "MOVE", from, to, o)
}

// Copy gives the resource at to the content of the complete resource at from, on the same server, without a copy of the
// bytes. Otherwise it is like Move; with Keep, after a lost response, ErrChanged may be because of the copy itself.
func (c *Client) Copy(ctx context.Context, from, to string, o *ChangeOptions) error {
	return c.relocate(ctx, "COPY", from, to, o)
}

func (c *Client) relocate(ctx context.Context, method, from, to string, o *ChangeOptions) error {
	hd := o.header()
	if u, err := url.Parse(to); err == nil && u.User != nil {
		u.User = nil // that is for the request
		to = u.String()
	}
	hd.Set(fieldDestination, to)
	return c.change(ctx, call{method: method, url: from, header: hd})
}

// change sends a request that has no content, again if need be.
func (c *Client) change(ctx context.Context, r call) error {
	return c.retry(ctx, func() error {
		_, err := c.exchange(ctx, r)
		return err
	})
}

// CreateOptions say what is allocated. Nil has the defaults.
type CreateOptions struct {
	Length int64  // complete-length in bytes; -1 if it is not known
	Type   string // media type; default: none
	Digest Digest // of the whole content, if it is known
	Key    string // makes calls with the same key allocate one resource; default: a random one, so that a call is safe to try again
}

// Create allocates a resource in a collection, whose URL ends in a slash, and returns its state. The server chooses
// the name, which cannot be guessed; State.URL has it.
func (c *Client) Create(ctx context.Context, collection string, o *CreateOptions) (*State, error) {
	if o == nil {
		o = &CreateOptions{Length: -1}
	}
	hd := http.Header{fieldIdempotencyKey: {o.Key}}
	if o.Key == "" {
		hd.Set(fieldIdempotencyKey, randomKey())
	}
	if o.Length >= 0 {
		hd.Set(fieldUploadLength, strconv.FormatInt(o.Length, 10))
	}
	if o.Type != "" {
		hd.Set(fieldContentType, o.Type)
	}
	if o.Digest.Known() {
		hd.Set(fieldReprDigest, o.Digest.field())
	}
	var st *State
	err := c.retry(ctx, func() error {
		resp, err := c.exchange(ctx, call{method: http.MethodPost, url: collection, header: hd})
		if err != nil {
			return err
		}
		at, err := resp.Request.URL.Parse(resp.Header.Get(fieldLocation))
		if err != nil || resp.Header.Get(fieldLocation) == "" || !sameOrigin(at, resp.Request.URL) {
			return fmt.Errorf("%w: POST %s: no location of a new resource", ErrUnsupported, redacted(collection))
		}
		st, err = newState(at.String(), resp)
		return err
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// sameOrigin reports whether a reference leads to the server that gave it. Others do not get the fields of Client.Header.
func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && a.Host == b.Host }

// hasToken reports whether the comma-separated lines have the token, compared without regard to case and parameters.
func hasToken(lines []string, token string) bool {
	for member := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		essence, _, _ := strings.Cut(member, ";")
		if strings.EqualFold(strings.TrimSpace(essence), token) {
			return true
		}
	}
	return false
}

// An Entry is one resource, or one collection, in a listing.
type Entry struct {
	Name       string    // last segment of the path, decoded; without the slash of a collection
	URL        string    // ends in a slash for a collection
	Collection bool      // it has no other fields
	Complete   bool      //
	Offset     int64     // end of the committed range that begins at 0
	Length     int64     // complete-length in bytes, -1 if it is not known
	Type       string    // media type, may be empty
	ETag       string    //
	Modified   time.Time // last commit
}

// maxListing is how many octets one page of a listing may have.
const maxListing = 16 << 20

// List returns what is in a collection, whose URL ends in a slash, in the order of names. The first error ends it.
// Memory does not grow with the number of entries.
func (c *Client) List(ctx context.Context, collection string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for at := collection; at != ""; {
			var page []Entry
			var next string
			err := c.retry(ctx, func() (err error) {
				page, next, err = c.listPage(ctx, at)
				return err
			})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			at = next
		}
	}
}

// listPage returns one page of a listing, and the URL of the next one, "" after the last one.
func (c *Client) listPage(ctx context.Context, at string) ([]Entry, string, error) {
	resp, err := c.do(ctx, call{method: http.MethodGet, url: at, header: http.Header{fieldAccept: {typeJSON}}})
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	var doc struct {
		Entries *[]struct {
			Name     string
			Complete bool
			Offset   int64
			Length   *int64
			Type     string
			ETag     string
			Modified time.Time
		}
		Next string
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxListing)).Decode(&doc)
	if asError(err) != nil {
		return nil, "", err // the connection was lost
	}
	if err != nil || doc.Entries == nil {
		return nil, "", fmt.Errorf("%w: %s is no listing of this protocol", ErrUnsupported, redacted(at))
	}
	var page []Entry
	for _, e := range *doc.Entries {
		ref, err := resp.Request.URL.Parse("./" + e.Name)
		name, err2 := url.PathUnescape(strings.TrimSuffix(e.Name, "/"))
		if err != nil || err2 != nil {
			return nil, "", fmt.Errorf("%w: %s has entry %.80q", ErrServer, redacted(at), e.Name)
		}
		entry := Entry{Name: name, URL: ref.String(), Collection: strings.HasSuffix(e.Name, "/"), Complete: e.Complete,
			Offset: e.Offset, Length: -1, Type: e.Type, ETag: e.ETag, Modified: e.Modified}
		if e.Length != nil {
			entry.Length = *e.Length
		}
		page = append(page, entry)
	}
	if doc.Next == "" {
		return page, "", nil
	}
	next, err := resp.Request.URL.Parse(doc.Next)
	if err != nil || !sameOrigin(next, resp.Request.URL) || len(page) == 0 || next.String() == at {
		return nil, "", fmt.Errorf("%w: %s goes on at %.80q", ErrServer, redacted(at), doc.Next)
	}
	return page, next.String(), nil
}
