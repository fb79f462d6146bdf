package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/infill-http/infill/store"
)

const wantJSON = "Accept: application/json"

type listing struct {
	Name    string
	Entries []listEntry
	Next    string
}

func (w *world) list(path string) listing {
	w.t.Helper()
	r := w.do(step{req: "GET " + path, header: []string{wantJSON}, status: 200, want: []string{"Content-Type: application/json",
		"Vary: Origin, Accept, Accept-Encoding", "Cache-Control: no-store"}})
	var l listing
	if err := json.Unmarshal([]byte(r.body), &l); err != nil {
		w.t.Fatalf("%v in %s", err, r.body)
	}
	return l
}

func (l listing) names() string {
	var names []string
	for _, e := range l.Entries {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

func TestListJSON(t *testing.T) {
	w := newWorld(t)
	w.c10("/d/c", "e1")
	w.fixture("I8[0,2)", "/d/i")
	w.put("/d/sub/x", "x", "e2")
	w.put("/d/sub/y", "y", "e2")
	w.put("/d/e%20f%22", "x", "e2")
	w.put("/d//z", "x", "e2")
	w.put("/other", "x", "e2")

	l := w.list("/d/")
	if got, want := l.names(), "/ c e%20f%22 i sub/"; got != want || l.Name != "/d/" || l.Next != "" {
		t.Errorf("%+v: %q, want %q", l, got, want)
	}
	c, i, sub := l.Entries[1], l.Entries[3], l.Entries[4]
	if !*c.Complete || *c.Length != 10 || *c.Offset != 10 || c.Type != "text/plain" || c.Modified == nil {
		t.Errorf("complete: %+v", c)
	}
	if *i.Complete || *i.Length != 8 || *i.Offset != 2 || i.ETag != w.tags["e1"] {
		t.Errorf("incomplete: %+v", i)
	}
	if sub.Complete != nil || sub.ETag != "" {
		t.Errorf("collection: %+v", sub)
	}
	if got := w.list("/").names(); got != "d/ other" {
		t.Errorf("root has %q", got)
	}
	if got := w.list("/none/").names(); got != "" {
		t.Errorf("an empty collection has %q", got)
	}

	var pages []string
	for next := "/d/?limit=2"; next != ""; {
		l := w.list(next)
		pages = append(pages, l.names())
		next = l.Next
	}
	if want := []string{"/ c", "e%20f%22 i", "sub/"}; !slices.Equal(pages, want) {
		t.Errorf("pages %q, want %q", pages, want)
	}
	for _, query := range []string{"limit=0", "limit=x", "after=../x"} {
		w.do(step{req: "GET /d/?" + query, header: []string{wantJSON}, status: 400, typ: "malformed-field"})
	}
}

func TestListHTML(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"/d/a", "/d/b%22%3Cb%3E", "/d/c:d", "/d/%C3%A9", "/d/%FF", "/d/sub/x", "/d//z", "/d/e&f"} {
		w.put(p, "123", "e")
	}
	w.fixture("I8[0,2)", "/d/incomplete")
	link := regexp.MustCompile(`<a href="([^"]*)">([^<]*)</a>`)
	for _, accept := range []string{"text/html,application/xhtml+xml,*/*;q=0.8", "*/*", ""} {
		r := w.do(step{req: "GET /d/", header: []string{"Accept: " + accept}, status: 200, want: []string{"Content-Type: text/html; charset=utf-8"}})
		var got []string
		for _, m := range link.FindAllStringSubmatch(r.body, -1) {
			got = append(got, m[1]+" "+m[2])
			// The way a browser, or rclone, finds the target.
			base, _ := url.Parse(w.srv.URL + "/d/")
			u, err := base.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
			if err != nil || u.Host != base.Host {
				t.Errorf("link %q: %v, %v", m[1], u, err)
				continue
			}
			if m[1] != "../" && !strings.HasSuffix(m[1], "/") {
				w.do(step{req: "GET " + u.EscapedPath(), status: 200, is: ptr("123")})
			}
		}
		want := []string{"../ ../", "%C3%A9 é", "%FF %FF", ".// /", "a a", "b%22%3Cb%3E b&#34;&lt;b&gt;", "./c:d c:d", "e&amp;f e&amp;f", "sub/ sub/"}
		if !slices.Equal(got, want) {
			t.Errorf("links\n%q, want\n%q", got, want)
		}
	}
	r := w.do(step{req: "GET /", status: 200})
	if strings.Contains(r.body, "../") {
		t.Errorf("the root has a parent: %s", r.body)
	}
	w.do(step{req: "HEAD /d/", status: 200, is: ptr("")})
}

func TestAnswersAreCompressed(t *testing.T) {
	w := newWorld(t)
	w.put("/d/a", "123", "e")
	for _, req := range []string{"GET /d/", "GET /.well-known/infill/ranges/d/a"} {
		plain := w.do(step{req: req, status: 200, want: []string{"Content-Encoding:", "Vary: ~Accept-Encoding"}})
		w.do(step{req: req, header: []string{"Accept-Encoding: br, gzip;q=0"}, status: 200, want: []string{"Content-Encoding:"}})
		r := w.do(step{req: req, header: []string{"Accept-Encoding: br, gzip;q=0.5"}, status: 200, want: []string{"Content-Encoding: gzip", "Vary: ~Accept-Encoding"}})
		z, err := gzip.NewReader(strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != plain.body {
			t.Errorf("%s: %q, %v, want %q", req, b, err, plain.body)
		}
	}
}

func TestFullMap(t *testing.T) {
	w := newWorld(t, func(h *Handler) { h.MaxReceived = 2 })
	var parts []string
	for i := range 5 {
		parts = append(parts, segment(fmt.Sprintf("%d-%d/100", 10*i, 10*i+4), "xxxxx"))
	}
	r := w.do(step{req: "PATCH /a%20b", header: []string{mp}, body: multipart(parts...), status: 201, save: "e1"})
	m := regexp.MustCompile(`<([^>]*)>; rel="https://infill-http.github.io/rel/ranges"; type="application/json"; truncated$`).FindStringSubmatch(r.Header.Get("Link"))
	if m == nil {
		t.Fatalf("Link is %q", r.Header.Get("Link"))
	}
	get := func(path string) fullMap {
		t.Helper()
		r := w.do(step{req: "GET " + path, status: 200, want: []string{"Content-Type: application/json", "Cache-Control: no-store"}})
		var m fullMap
		if err := json.Unmarshal([]byte(r.body), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	all := get(m[1])
	if all.Name != "/a%20b" || all.ETag != w.tags["e1"] || all.Complete || all.Offset != 5 || *all.Length != 100 || all.Start != 0 || all.End != 100 ||
		all.Next != "" || all.Missing != nil || fmt.Sprint(all.Ranges) != "[[0 5] [10 15] [20 25] [30 35] [40 45]]" {
		t.Errorf("all: %+v", all)
	}
	for _, c := range []struct{ query, ranges, missing string }{
		{"start=12&end=32", "[[12 15] [20 25] [30 32]]", "[]"},
		{"start=12&end=32&missing=1", "[[12 15] [20 25] [30 32]]", "[[15 20] [25 30]]"},
		{"start=50&missing=1", "[]", "[[50 100]]"},
		{"start=1000&missing=1", "[]", "[]"},
		{"start=0&end=5&missing=1", "[[0 5]]", "[]"},
	} {
		m := get(m[1] + "?" + c.query)
		if fmt.Sprint(m.Ranges) != c.ranges || fmt.Sprint(m.Missing) != c.missing {
			t.Errorf("%s: %v missing %v, want %v missing %v", c.query, m.Ranges, m.Missing, c.ranges, c.missing)
		}
	}
	var got, gaps [][2]int64
	pages := 0
	for next := m[1] + "?limit=2&missing=1&end=90"; next != ""; pages++ {
		m := get(next)
		if m.Next != "" && !strings.Contains(m.Next, fmt.Sprintf("start=%d", m.End)) {
			t.Errorf("page ends at %d, and the next is %s", m.End, m.Next)
		}
		got, gaps, next = append(got, m.Ranges...), append(gaps, m.Missing...), m.Next
	}
	if fmt.Sprint(got) != fmt.Sprint(all.Ranges) || fmt.Sprint(gaps) != "[[5 10] [15 20] [25 30] [35 40] [45 90]]" || pages != 3 {
		t.Errorf("%d pages: %v missing %v", pages, got, gaps)
	}
	for _, query := range []string{"start=-1", "start=x", "end=99999999999999999999", "start=5&end=4", "limit=0", "missing=maybe"} {
		w.do(step{req: "GET " + m[1] + "?" + query, status: 400, typ: "malformed-field"})
	}
	w.run(step{req: "GET /.well-known/infill/ranges/none", status: 404, typ: "not-found"}, step{req: "HEAD " + m[1], status: 200, is: ptr("")})

	w.c10("/c", "e2")
	if m := get("/.well-known/infill/ranges/c"); !m.Complete || fmt.Sprint(m.Ranges) != "[[0 10]]" || m.ETag != w.tags["e2"] {
		t.Errorf("complete: %+v", m)
	}
	w.fixture("IX[0,2)", "/x")
	if m := get("/.well-known/infill/ranges/x?missing=1"); m.Length != nil || m.End != 2 || fmt.Sprint(m.Missing) != "[]" {
		t.Errorf("length unknown: %+v", m)
	}
}

// A listing that cannot be read to its end does not look whole.
func TestListIsCutOff(t *testing.T) {
	w := newWorld(t)
	w.put("/d/a", "1", "e")
	w.h.Store = brokenList{w.h.Store}
	for _, header := range []string{wantJSON, "Accept: text/html"} {
		req, err := http.NewRequest("GET", w.srv.URL+"/d/", nil)
		if err != nil {
			t.Fatal(err)
		}
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
		res, err := w.http.Do(req)
		if err != nil {
			continue // not even a response
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil {
			t.Errorf("%s: %q without an error", header, b)
		}
	}
}

// brokenList is a store whose listings fail after the last entry.
type brokenList struct{ Store }

func (s brokenList) List(ctx context.Context, prefix, after string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Store.List(ctx, prefix, after) {
			if !yield(e, err) {
				return
			}
		}
		yield(store.Entry{}, errors.New("disk on fire"))
	}
}

func TestQuality(t *testing.T) {
	for _, c := range []struct {
		lines []string
		names []string
		want  float64
	}{
		{nil, []string{"gzip", "*"}, 0},
		{[]string{"gzip;q=x"}, []string{"gzip"}, 0},
		{[]string{"gzip;q=2"}, []string{"gzip"}, 0},
		{[]string{"gzip;q=NaN"}, []string{"gzip"}, 0},
		{[]string{"*;q=1, gzip;q=0"}, []string{"gzip", "*"}, 0},
		{[]string{"*;q=0.5"}, []string{"gzip", "*"}, 0.5},
		{[]string{"br", "GZIP ; Q=0.7"}, []string{"gzip", "*"}, 0.7},
		{[]string{"text/html;level=1;q=0.3,application/json"}, []string{"text/html"}, 0.3},
	} {
		if got := quality(c.lines, c.names...); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.lines, c.names, got, c.want)
		}
	}
}
