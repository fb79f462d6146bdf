package resource

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestMoveRejects(t *testing.T) {
	w := newWorld(t)
	w.fixture("I8[0,2)", "/part")
	w.c10("/from", "e1")
	w.put("/to", "there", "e2")
	host := strings.TrimPrefix(w.srv.URL, "http://")
	for _, method := range []string{"MOVE", "COPY"} {
		for _, c := range []struct {
			from        string
			destination []string
			header      string
			status      int
			typ         string
		}{
			{"/from", nil, "", 400, "invalid-destination"},
			{"/from", []string{"/a", "/b"}, "", 400, "invalid-destination"},
			{"/from", []string{""}, "", 400, "invalid-name"},
			{"/from", []string{"relative"}, "", 400, "invalid-name"},
			{"/from", []string{"/a#b"}, "", 400, "invalid-destination"},
			{"/from", []string{"http:///a"}, "", 400, "invalid-destination"},
			{"/from", []string{"http://user@" + host + "/a"}, "", 400, "invalid-destination"},
			{"/from", []string{"mailto:a"}, "", 400, "invalid-destination"},
			{"/from", []string{"/files/%2e%2e/%2e%2e/etc/x"}, "", 400, "invalid-name"},
			{"/from", []string{"/a/../b"}, "", 400, "invalid-name"},
			{"/from", []string{"/a%2fb"}, "", 400, "invalid-name"},
			{"/from", []string{"/a%00"}, "", 400, "invalid-name"},
			{"/from", []string{"/a/"}, "", 403, "collection-destination"},
			{"/from", []string{"/.well-known/infill/x"}, "", 403, "reserved-name"},
			{"/from", []string{"/from"}, "", 403, "same-destination"},
			{"/from", []string{"/%66rom"}, "", 403, "same-destination"},
			{"/from", []string{"//evil/x"}, "", 502, "other-server"},
			{"/from", []string{"http://evil.example/x"}, "", 502, "other-server"},
			{"/from", []string{"ftp://" + host + "/x"}, "", 502, "other-server"},
			{"/from", []string{"/to"}, "Overwrite: F", 412, "precondition-failed"},
			{"/from", []string{"/to"}, "Overwrite: maybe", 400, "malformed-field"},
			{"/from", []string{"/x"}, `If-Match: "zz"`, 412, "precondition-failed"},
			{"/from", []string{"/x"}, "If-None-Match: $e1", 412, "precondition-failed"},
			{"/none", []string{"/x"}, "If-Match: *", 404, "not-found"},
			{"/part", []string{"/x"}, "", 409, "resource-incomplete"},
			{"/from", []string{"/part"}, "", 409, "resource-incomplete"},
			{"/dir/", []string{"/x"}, "", 405, "method-not-allowed"},
		} {
			s := step{req: method + " " + c.from, status: c.status, typ: c.typ}
			for _, d := range c.destination {
				s.header = append(s.header, "Destination: "+d)
			}
			if c.header != "" {
				s.header = append(s.header, c.header)
			}
			w.do(s)
		}
	}
	w.run(step{req: "GET /from", status: 200, want: []string{"Etag: $e1"}}, step{req: "GET /to", status: 200, want: []string{"Etag: $e2"}},
		step{req: "GET /x", status: 404}, step{req: "HEAD /part", status: 200, want: []string{"Upload-Offset: 2"}})
}

func TestMove(t *testing.T) {
	w := newWorld(t)
	w.c10("/a", "a1")
	move := func(method, from, to string, status int, header ...string) reply {
		t.Helper()
		return w.do(step{req: method + " " + from, header: append(header, "Destination: "+to), status: status, want: []string{"Cache-Control: no-store", "Etag: ~."}})
	}
	tags := map[string]string{}
	seen := func(path string) {
		t.Helper()
		r := w.do(step{req: "GET " + path, status: 200})
		tag := r.Header.Get("ETag")
		if was, ok := tags[path+tag]; ok && was != r.body {
			t.Errorf("%s had %s for %q, and has it for %q", path, tag, was, r.body)
		}
		tags[path+tag] = r.body
	}
	if l := move("MOVE", "/a", w.srv.URL+"/b", 201).Header.Get("Location"); l != "/b" {
		t.Errorf("location %q", l)
	}
	seen("/b")
	w.run(step{req: "GET /a", status: 404}, step{req: "GET /b", status: 200, is: ptr("0123456789"), want: []string{"Content-Type: text/plain"}})
	w.put("/a", "another", "a2")
	seen("/a")
	move("MOVE", "/a", "/b?query", 204, "Overwrite: T")
	seen("/b")
	w.do(step{req: "GET /b", status: 200, is: ptr("another")})
	move("COPY", "/b", "/c", 201, "Overwrite: F")
	seen("/c")
	w.do(step{req: "PATCH /b", header: []string{mb}, body: segment("0-0/7", "A"), status: 204})
	seen("/b")
	w.run(step{req: "GET /b", status: 200, is: ptr("Another")}, step{req: "GET /c", status: 200, is: ptr("another")})
	move("COPY", "/b", "/c", 204)
	seen("/c")
}

func FuzzDestination(f *testing.F) {
	for _, s := range []string{"", "/a", "//evil/x", "http://host/a%2Fb", "HTTPS://HOST:443/a?b", "http://u@host/", "/..", "/a#b", "mailto:a", "http://host:80:80/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseDestination(&http.Request{Host: "host", Header: http.Header{"Destination": {s}}})
		if err != nil {
			return
		}
		if n.collection() || n.reserved() || !strings.HasPrefix(string(n), "/") {
			t.Errorf("%q is %q", s, n)
		}
		if u, err := url.Parse(s); err != nil || u.Host != "" && !strings.HasPrefix(strings.ToLower(u.Host), "host") {
			t.Errorf("%q is on another server", s)
		}
	})
}
