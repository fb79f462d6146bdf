package resource

import (
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/infill-http/infill/store"
)

// The number of entries in one page of a listing in JSON.
const (
	listPage    = 1000
	listMaxPage = 10_000
)

// A listEntry is one resource or collection in a listing.
type listEntry struct {
	Name     string     `json:"name"` // last segment in canonical form; ends in "/" for a collection
	Complete *bool      `json:"complete,omitempty"`
	Offset   *int64     `json:"offset,omitempty"`
	Length   *int64     `json:"length,omitempty"` // absent: not known
	Type     string     `json:"type,omitempty"`
	ETag     string     `json:"etag,omitempty"`
	Modified *time.Time `json:"modified,omitempty"`
}

// serveList lists what is directly in a collection, whether or not there is anything: as JSON if the client prefers that,
// in pages, and else as an HTML page that browsers, and programs that follow links, understand.
func (h *Handler) serveList(w http.ResponseWriter, q *request) error {
	after, limit, err := parsePage(q.URL.Query(), listPage, listMaxPage)
	if err != nil {
		return err
	}
	w.Header().Add(fieldVary, fieldAccept)
	accept := q.Header.Values(fieldAccept)
	asHTML := quality(accept, "text/html", "text/*", "*/*")
	if quality(accept, typeJSON, "application/*", "*/*") > asHTML {
		return h.listJSON(w, q, after, limit)
	}
	return h.listHTML(w, q)
}

// listJSON writes one page of entries, and where the next one is if there is more.
func (h *Handler) listJSON(w http.ResponseWriter, q *request, after string, limit int) error {
	start := ""
	if after != "" {
		n, err := parseName(string(q.name) + after)
		if err != nil {
			return malformedQuery("after", "want the name of an entry")
		}
		start = string(n)
	}
	d := newDocumentWriter(w, q, typeJSON)
	if d == nil {
		return nil
	}
	write := func() error {
		if err := d.text(`{"name":`); err != nil {
			return err
		}
		if err := d.json(q.name); err != nil {
			return err
		}
		if err := d.text(`,"entries":[` + "\n"); err != nil {
			return err
		}
		n, last := 0, ""
		for e, err := range h.Store.List(q.Context(), string(q.name), start) {
			if err != nil {
				return err
			}
			if n == limit {
				next := url.Values{"after": {last}, "limit": {strconv.Itoa(limit)}}
				if err := d.text("\n],\"next\":"); err != nil {
					return err
				}
				if err := d.json(withQuery(reference(q.name), next)); err != nil {
					return err
				}
				return d.text("}\n")
			}
			if n++; n > 1 {
				if err := d.text(",\n"); err != nil {
					return err
				}
			}
			entry := newListEntry(e, q.name)
			last = entry.Name
			if err := d.json(entry); err != nil {
				return err
			}
		}
		return d.text("\n]}\n")
	}
	return h.finish(q, d, write())
}

func newListEntry(e store.Entry, collection name) listEntry {
	entry := listEntry{Name: strings.TrimPrefix(e.Name, string(collection))}
	if e.Info == nil {
		return entry
	}
	modified := lastModified(e.Info).UTC()
	entry.Complete, entry.Offset, entry.Modified = &e.Info.Complete, &e.Info.Offset, &modified
	entry.Type, entry.ETag = e.Info.Metadata.Type, entityTag(e.Info.Version)
	if e.Info.Length >= 0 {
		entry.Length = &e.Info.Length
	}
	return entry
}

// listHTML writes all entries as links that are relative to the collection, which is the form that the HTTP backend of
// rclone reads. What is incomplete is left out: there is nothing to follow the link for.
func (h *Handler) listHTML(w http.ResponseWriter, q *request) error {
	d := newDocumentWriter(w, q, "text/html; charset=utf-8")
	if d == nil {
		return nil
	}
	write := func() error {
		title := html.EscapeString(display(q.name))
		if err := d.text("<!DOCTYPE html>\n<html>\n<head><title>Index of ", title, "</title></head>\n<body>\n<h1>Index of ",
			title, "</h1>\n<pre>\n"); err != nil {
			return err
		}
		if q.name != "/" {
			if err := d.text("<a href=\"../\">../</a>\n"); err != nil {
				return err
			}
		}
		for e, err := range h.Store.List(q.Context(), string(q.name), "") {
			if err != nil {
				return err
			}
			if e.Info != nil && !e.Info.Complete {
				continue
			}
			child := strings.TrimPrefix(e.Name, string(q.name))
			if err := d.text(`<a href="`, html.EscapeString(relative(child)), `">`,
				html.EscapeString(display(name(child))), "</a>"); err != nil {
				return err
			}
			if e.Info != nil {
				if err := d.text("\t", e.Info.Modified.UTC().Format("2006-01-02 15:04:05"), "\t",
					strconv.FormatInt(e.Info.Length, 10)); err != nil {
					return err
				}
			}
			if err := d.text("\n"); err != nil {
				return err
			}
		}
		return d.text("</pre>\n</body>\n</html>\n")
	}
	return h.finish(q, d, write())
}

// display returns n as a person reads it: decoded, if that gives text.
func display(n name) string {
	s := n.decoded()
	if !utf8.ValidString(s) {
		return string(n)
	}
	return s
}

// finish ends a response that was streamed. After an error the client must not take it for whole.
func (h *Handler) finish(q *request, d *documentWriter, err error) error {
	if err == nil {
		err = d.Close()
	}
	if err != nil {
		h.cutOff(q, err)
	}
	return nil
}

// parsePage returns the cursor and the size of the page that a query asks for.
func parsePage(query url.Values, page, most int) (after string, limit int, err error) {
	limit = page
	if v := query.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return "", 0, malformedQuery("limit", "want a number above 0")
		}
		limit = min(n, most)
	}
	return query.Get("after"), limit, nil
}

func malformedQuery(parameter, want string) error {
	return malformed("query", "%s: %s", parameter, want)
}
