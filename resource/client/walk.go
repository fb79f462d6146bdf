package client

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// DefaultMaxDepth is the default of CollectionOptions.MaxDepth.
const DefaultMaxDepth = 100

// maxPending is how many octets the URLs of collections may have that were listed and not looked into.
const maxPending = 16 << 20

// A walk goes over all that is listed below a collection. It believes no listing: an entry that is not directly in the
// collection that was asked for, or does not come after the one before it, as in a page that leads back to an earlier
// one, is an error. So each entry comes once, whatever a server answers, and memory does not grow with their number.
type walk struct {
	c        *Client
	maxDepth int
	fold     func() (bool, error) // reports whether names that differ in case are one file; called when there is a listing
	pending  int                  // octets of the URLs that are to be looked into

	// found is called for each resource with the path of its file, relative and in the form of the system. If there can
	// be none, path is "" and err says why. It is called with a collection only if that cannot be listed or cannot be a
	// directory. Nothing more is looked at after it returned false.
	found func(e Entry, path string, err error) bool
}

// run goes over the collection at target, which ends in a slash.
func (w *walk) run(ctx context.Context, target string) {
	at, err := url.Parse(target)
	if err != nil {
		w.found(Entry{URL: target, Collection: true}, "", err)
		return
	}
	base := at.ResolveReference(&url.URL{Path: "./"}) // without dot segments and query, as what is in it will be
	w.collection(ctx, target, base.String(), "", 1)
}

// collection goes over the collection base, whose first page is at the URL at, and those below it. Its directory is dir.
func (w *walk) collection(ctx context.Context, at, base, dir string, depth int) bool {
	self := Entry{URL: base, Collection: true}
	if depth > w.maxDepth {
		return w.found(self, "", fmt.Errorf("%s is more than %d collections deep", redacted(base), w.maxDepth))
	}
	var names *siblings
	for at != "" {
		var page []Entry
		var next string
		err := w.c.retry(ctx, func() (err error) {
			page, next, err = w.c.listPage(ctx, at)
			return err
		})
		if err != nil {
			return w.found(self, "", err)
		}
		if names == nil {
			fold, err := w.fold()
			if err != nil {
				return w.found(self, "", err)
			}
			names = newSiblings(fold)
		}
		type below struct{ url, dir string }
		var list []below // looked into when the page is not needed any more
		size := 0
		for _, e := range page {
			segment, err := segmentIn(base, e)
			if err == nil {
				err = names.follow(segment)
			}
			if err != nil {
				return w.found(self, "", err)
			}
			path, err := names.file(e, segment, dir)
			switch {
			case err != nil:
				if !w.found(e, "", err) {
					return false
				}
			case e.Collection:
				list = append(list, below{e.URL, path})
				size += len(e.URL) + len(path)
			case !w.found(e, path, nil):
				return false
			}
		}
		page = nil
		if w.pending += size; w.pending > maxPending {
			return w.found(self, "", fmt.Errorf("%w: %s has too many collections, and those that it is in", ErrServer, redacted(base)))
		}
		for _, b := range list {
			if !w.collection(ctx, b.url, b.url, b.dir, depth+1) {
				return false
			}
		}
		w.pending -= size
		at = next
	}
	return true
}

// segmentIn returns the last segment of the URL of e, with the slash of a collection, if e is directly in the collection
// base.
func segmentIn(base string, e Entry) (string, error) {
	segment, ok := strings.CutPrefix(e.URL, base)
	plain := strings.TrimSuffix(segment, "/")
	name, err := url.PathUnescape(plain)
	if !ok || segment == "" || err != nil || name != e.Name || strings.ContainsAny(plain, "/?#") || e.Collection != (plain != segment) {
		return "", fmt.Errorf("%w: %s lists %.80q, which is not directly in it", ErrServer, redacted(base), redacted(e.URL))
	}
	return segment, nil
}
