package resource

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// The number of ranges in one page of a full map.
const (
	mapPage    = 10_000
	mapMaxPage = 100_000
)

// maxOffset is where a window without end ends.
const maxOffset = math.MaxInt64

// A mapQuery says which part of a map is asked for.
type mapQuery struct {
	start, end int64 // bytes, half-open
	limit      int   // ranges, committed and missing ones each
	missing    bool  // what is missing too
}

// fullMap is the document that tells which bytes of a resource are committed. All ranges are half-open, ascending, and
// inside [Start,End), which is less than was asked for if there were too many; then Next is where the rest is.
type fullMap struct {
	Name     string     `json:"name"`
	ETag     string     `json:"etag"`
	Complete bool       `json:"complete"`
	Offset   int64      `json:"offset"`
	Length   *int64     `json:"length,omitempty"`
	Expires  time.Time  `json:"expires,omitzero"` // when an incomplete resource that nobody writes to goes
	Start    int64      `json:"start"`
	End      int64      `json:"end"`
	Ranges   [][2]int64 `json:"ranges"`
	Missing  [][2]int64 `json:"missing,omitzero"`
	Next     string     `json:"next,omitempty"`
}

// serveFullMap serves the full map of the resource n. The query restricts it: start and end give a window in bytes, limit
// the ranges of a page, and missing=1 asks for the gaps too.
func (h *Handler) serveFullMap(w http.ResponseWriter, q *request, n name) error {
	query, err := parseMapQuery(q.URL.Query())
	if err != nil {
		return err
	}
	info, err := h.Store.Stat(q.Context(), string(n))
	if err != nil {
		return err
	}
	hd := w.Header()
	hd.Add(fieldLink, "<"+reference(n)+`>; rel="describes"`)
	d := newDocumentWriter(w, q, typeJSON)
	if d == nil {
		return nil
	}
	err = d.json(h.newMap(info, query))
	if err == nil {
		err = d.text("\n")
	}
	return h.finish(q, d, err)
}

// newMap returns the part of the map of info that query asks for.
func (h *Handler) newMap(info *store.Info, query mapQuery) fullMap {
	m := fullMap{
		Name: info.Name, ETag: entityTag(info.Version), Complete: info.Complete, Offset: info.Offset,
		Expires: info.Expires.UTC().Truncate(time.Second), Start: query.start, End: min(query.end, end(info)), Ranges: [][2]int64{},
	}
	if info.Length >= 0 {
		m.Length = &info.Length
	}
	m.End = max(m.Start, m.End)
	window := ranges.Range{Start: m.Start, End: m.End}
	for r := range info.Received.Within(window) {
		if len(m.Ranges) == query.limit {
			// The next page begins with this range, so that the gap before it is in this one.
			m.End = r.Start
			m.Next = withQuery(fullMapPath(name(info.Name)), query.from(r.Start))
			break
		}
		m.Ranges = append(m.Ranges, [2]int64{r.Start, r.End})
	}
	if query.missing {
		m.Missing = [][2]int64{}
		for r := range info.Received.Gaps(ranges.Range{Start: m.Start, End: m.End}) {
			m.Missing = append(m.Missing, [2]int64{r.Start, r.End})
		}
	}
	return m
}

// end returns where the map of info ends: at its length, or after the last committed byte if that is not known.
func end(info *store.Info) int64 {
	if info.Length >= 0 {
		return info.Length
	}
	return info.Received.Bounds().End
}

// from returns the query for the same as q, from start on.
func (q mapQuery) from(start int64) url.Values {
	v := url.Values{"start": {strconv.FormatInt(start, 10)}, "limit": {strconv.Itoa(q.limit)}}
	if q.end != maxOffset {
		v.Set("end", strconv.FormatInt(q.end, 10))
	}
	if q.missing {
		v.Set("missing", "1")
	}
	return v
}

func parseMapQuery(v url.Values) (mapQuery, error) {
	_, limit, err := parsePage(v, mapPage, mapMaxPage)
	if err != nil {
		return mapQuery{}, err
	}
	q := mapQuery{end: maxOffset, limit: limit}
	for _, p := range []struct {
		name string
		at   *int64
	}{{"start", &q.start}, {"end", &q.end}} {
		if s := v.Get(p.name); s != "" {
			n, err := strconv.ParseUint(s, 10, 63)
			if err != nil {
				return mapQuery{}, malformedQuery(p.name, "want a position in bytes")
			}
			*p.at = int64(n)
		}
	}
	if q.end < q.start {
		return mapQuery{}, malformedQuery("end", "want a position that is not below start")
	}
	switch v.Get("missing") {
	case "", "0":
	case "1":
		q.missing = true
	default:
		return mapQuery{}, malformedQuery("missing", "want 0 or 1")
	}
	return q, nil
}
