package resource

import (
	"strings"
	"testing"
)

func TestMethods(t *testing.T) {
	w := newWorld(t)
	w.fixture("I8", "/i")
	w.c10("/a", "e1")
	options := []string{"Accept-Patch: " + acceptPatch, "Upload-Limit: min-size=0", "Cache-Control: no-store"}
	w.run(
		step{req: "patch /a", header: []string{mb}, body: segment("0-0/10", "x"), status: 405, typ: "method-not-allowed", want: []string{"Allow: " + methodsResource}},
		step{req: "PROPFIND /a", status: 405, want: []string{"Allow: " + methodsResource}},
		step{req: "TRACE /a", status: 405},
		step{req: "LOCK /none", status: 405, want: []string{"Allow: " + methodsResource + ", POST"}},
		step{req: "PUT /c/", body: "x", status: 405, want: []string{"Allow: " + methodsCollection}},
		step{req: "PATCH /c/", header: []string{mb}, status: 405}, step{req: "DELETE /c/", status: 405},
		step{req: "PUT /.well-known/infill/x", body: "x", status: 404}, step{req: "GET /.well-known/infill", status: 404},
		step{req: "PUT /.well-known/infill/ranges/a", body: "x", status: 405, want: []string{"Allow: " + methodsOwn}},
		step{req: "OPTIONS /.well-known/infill/ranges/a", status: 204, want: []string{"Allow: " + methodsOwn}},
		step{req: "OPTIONS /a", status: 204, want: append(options, "Allow: GET, HEAD, PUT, PATCH, DELETE, OPTIONS, MOVE, COPY")},
		step{req: "OPTIONS /i", status: 204, want: append(options, "Allow: "+methodsResource)},
		step{req: "OPTIONS /files", status: 204, want: append(options, "Allow: "+methodsResource+", POST")},
		step{req: "OPTIONS /files/", header: []string{`If-Match: "zz"`}, status: 204, want: append(options, "Allow: "+methodsCollection)},
		step{req: "GET /a", status: 200, want: []string{"Etag: $e1"}},
	)
	r := w.raw(w.dial(), "OPTIONS * HTTP/1.1\nHost: x\n", "")
	w.compare(step{req: "OPTIONS *", status: 204, want: options}, r)
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	reject := func(path string, status int, typ string) {
		t.Helper()
		w.do(step{req: "PUT " + path, body: "x", status: status, typ: typ})
	}
	for _, path := range []string{"/../x", "/a/./b", "/a/..", "/%2e%2e/x", "/%2E./x", "/a%2Fb", "/a%2fb", "/a%00"} {
		reject(path, 400, "invalid-name")
	}
	reject("/"+strings.Repeat("a", MaxNameBytes), 414, "name-too-long")
	reject("/"+strings.Repeat("%20", MaxNameBytes/3+1), 414, "name-too-long")

	for _, c := range []struct {
		path  string
		same  []string
		other []string
	}{
		{"/A~b", []string{"/%41~b", "/%41%7eb", "/A%7Eb", "/A~b?query", "/A~b?"}, []string{"/a~b", "//A~b", "/A~b%2B"}},
		{"//x", []string{"//%78"}, []string{"/x", "///x"}},
		{"/a%2Bb", []string{"/a+b"}, []string{"/a%20b", "/a b%"}},
		{"/%C3%A9", []string{"/%c3%a9"}, []string{"/%E9"}},
		{"/x%25", nil, []string{"/x%2525"}},
		{"/a:b@c;d=e,f!", []string{"/a%3Ab%40c%3Bd%3De%2Cf%21"}, nil},
		{"/...", nil, nil},
		{"/.well-known/infillx", nil, nil},
	} {
		w.put(c.path, c.path, "e1")
		for _, p := range append(c.same, c.path) {
			w.do(step{req: "GET " + p, status: 200, is: &c.path})
		}
		for _, p := range c.other {
			r := w.raw(w.dial(), "GET "+strings.ReplaceAll(p, " ", "+")+"x HTTP/1.1\nHost: x\n", "")
			if r.StatusCode == 200 {
				t.Errorf("%s is %s", p, c.path)
			}
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"/", "/a", "//x", "/%41", "/a%2Fb", "/..", "/%2e", "/a%00", "/é", "/a?b", "/%zz", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseName(s)
		if err != nil {
			return
		}
		again, err := parseName(string(n))
		if err != nil || again != n {
			t.Errorf("%q is %q, which is %q, %v", s, n, again, err)
		}
		if strings.Contains(string(n), "/../") || strings.ContainsAny(string(n), " \x00\"<>\\") || len(n) > MaxNameBytes+1 {
			t.Errorf("%q is %q", s, n)
		}
		if d := n.decoded(); strings.Count(d, "/") != strings.Count(string(n), "/") {
			t.Errorf("%q decodes to %q", n, d)
		}
	})
}

func TestPrefer(t *testing.T) {
	persisted, none := preferences{persist: true}, preferences{}
	for _, c := range []struct {
		lines []string
		want  preferences
	}{
		{nil, none},
		{[]string{"transaction=Persist"}, none},
		{[]string{`transaction=""`}, none},
		{[]string{"transaction"}, none},
		{[]string{"transaction=bogus"}, none},
		{[]string{"transaction=bogus, transaction=persist"}, none},
		{[]string{`x="transaction=persist, transaction=persist"`}, none},
		{[]string{`x="\", transaction=persist`}, none},
		{[]string{"transaction=atomic, transaction=persist"}, preferences{atomic: true}},
		{[]string{"TRANSACTION=persist"}, persisted},
		{[]string{"respond-async", `transaction = "persist"; x=1`}, persisted},
		{[]string{"transaction=\"per\\sist\""}, persisted},
		{[]string{",,transaction=persist,"}, persisted},
		{[]string{"return=minimal;a=b, handling=strict"}, preferences{minimal: true, strict: true}},
		{[]string{"return=representation", "return=minimal"}, preferences{representation: true}},
	} {
		if got := parsePrefer(c.lines); got != c.want {
			t.Errorf("%q: %+v, want %+v", c.lines, got, c.want)
		}
	}
}

func FuzzPrefer(f *testing.F) {
	for _, s := range []string{"", "transaction=persist", `transaction = "persist"; x=1`, `a="\`, `",;="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := parsePrefer([]string{s})
		if p.persist && p.atomic || p.minimal && p.representation {
			t.Errorf("%q: %+v", s, p)
		}
		if first := parsePrefer([]string{"transaction=atomic", s}); first.persist {
			t.Errorf("%q: %+v after another value", s, first)
		}
	})
}

func TestCrossOrigin(t *testing.T) {
	const page, other = "https://app.example", "https://other.example"
	preflight := func(path, origin string) step {
		return step{req: "OPTIONS " + path, header: []string{"Origin: " + origin, "Access-Control-Request-Method: PATCH",
			"Access-Control-Request-Headers: if-match"}, status: 204}
	}
	has := func(list string, want ...string) {
		t.Helper()
		for _, s := range want {
			if !hasToken([]string{list}, s) {
				t.Errorf("no %s in %q", s, list)
			}
		}
	}
	for _, allowed := range [][]string{nil, {page}} {
		w := newWorld(t, func(h *Handler) { h.AllowedOrigins = allowed })
		w.c10("/a", "e1")
		r := w.do(preflight("/a", page))
		has(r.Header.Get("Access-Control-Allow-Methods"), "PUT", "PATCH", "DELETE", "MOVE", "COPY", "POST")
		has(r.Header.Get("Access-Control-Allow-Headers"), "Authorization", "Content-Type", "Content-Digest", "Repr-Digest", "If-Match",
			"If-None-Match", "If-Unmodified-Since", "If-Range", "Range", "Prefer", "Upload-Complete", "Upload-Offset", "Upload-Length",
			"Upload-Draft-Interop-Version", "Destination", "Overwrite", "Idempotency-Key")
		own := []string{"Access-Control-Allow-Origin: " + page, "Vary: ~Origin", "Access-Control-Allow-Credentials:"}
		for _, s := range []step{
			{req: "GET /a", status: 200}, {req: "HEAD /a", status: 200}, {req: "GET /none", status: 404}, {req: "GET /", status: 200},
			{req: "PUT /a", body: "x", header: []string{`If-Match: "x"`}, status: 412, want: []string{"Etag: $e1"}}, {req: "GET /a/../b", status: 400},
			{req: "GET /a", header: []string{"If-None-Match: *"}, status: 304}, {req: "GET /.well-known/infill/ranges/a", status: 200},
		} {
			s.header = append(s.header, "Origin: "+page)
			s.want = append(s.want, own...)
			exposed := w.do(s).Header.Get("Access-Control-Expose-Headers")
			has(exposed, "ETag", "Location", "Content-Range", "Accept-Ranges", "Accept-Patch", "Content-Location", "Preference-Applied",
				"Repr-Digest", "Content-Digest", "Upload-Complete", "Upload-Offset", "Upload-Length", "Upload-Limit", "Upload-Received",
				"Retry-After", "Link", "Date")
		}
		want := "Access-Control-Allow-Origin: " + other
		if allowed != nil {
			want = "Access-Control-Allow-Origin:"
		}
		w.do(step{req: "GET /a", header: []string{"Origin: " + other}, status: 200, want: []string{want, "Vary: Origin"}})
		s := preflight("/a", other)
		s.want = []string{want, "Vary: Origin"}
		w.do(s)
		w.do(step{req: "GET /a", status: 200, want: []string{"Access-Control-Allow-Origin:", "Vary: Origin"}})
	}
	w := newWorld(t, func(h *Handler) { h.AllowedOrigins = []string{} })
	w.do(step{req: "GET /", header: []string{"Origin: " + page}, status: 200, want: []string{"Access-Control-Allow-Origin:"}})
}

// Whatever a client sends comes back escaped.
func TestProblemsEscape(t *testing.T) {
	w := newWorld(t)
	r := w.do(step{req: "PATCH /a", header: []string{mb}, body: message("x", `Content-Range: <script>"`), status: 400})
	if strings.Contains(r.body, "<script>") || strings.Contains(r.body, "\r") {
		t.Errorf("problem is %s", r.body)
	}
	if _, ok := r.Header["Set-Cookie"]; ok || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("fields are %v", r.Header)
	}
}
