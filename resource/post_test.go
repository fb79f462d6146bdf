package resource

import (
	"regexp"
	"strings"
	"testing"
)

// allocate does a POST and returns the path that it made.
func (w *world) allocate(s step) string {
	w.t.Helper()
	s.status = 201
	r := w.do(s)
	return r.Header.Get(fieldLocation)
}

func TestPostRejects(t *testing.T) {
	w := newWorld(t)
	w.c10("/file", "e1")
	w.run(
		step{req: "POST /file", status: 405, typ: "method-not-allowed", want: []string{"Allow: " + methodsResource}},
		step{req: "POST /up/", header: []string{"Upload-Length: 5"}, body: "hello!", status: 400, typ: "range-length-mismatch"},
		step{req: "POST /up/", header: []string{"Upload-Length: 5"}, body: "hello!", nolen: true, status: 400, typ: "range-length-mismatch"},
		step{req: "POST /up/", header: []string{"Upload-Length: 9"}, body: "hello!", nolen: true, status: 400, typ: "range-length-mismatch"},
		step{req: "POST /up/", header: []string{mb}, status: 400, typ: "malformed-patch"},
		step{req: "POST /up/", header: []string{mb, "Upload-Length: 9"}, body: segment("0-0/8", "a"), status: 400, typ: "range-length-mismatch"},
		step{req: "POST /up/", header: []string{mb}, body: segment("0-5/8", "a"), status: 400, typ: "incomplete-body"},
		step{req: "POST /up/", header: []string{mb, "Content-Encoding: br"}, body: "x", status: 415, typ: "unsupported-content-coding"},
		step{req: "POST /up/", header: []string{"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}, body: "x", status: 400,
			typ: "digest-mismatched-values"},
		step{req: "POST /up/", header: []string{"Idempotency-Key: a", "Idempotency-Key: b"}, status: 400, typ: "malformed-field"},
		step{req: "POST /up/", header: []string{"If-Match: *"}, status: 412, typ: "precondition-failed"},
	)
	for e, err := range w.store.List(t.Context(), "/", "") {
		if err != nil || e.Name != "/file" {
			t.Errorf("made %v, %v", e.Name, err)
		}
	}

	small := newWorldOn(t, newMemFS(), storeOptions(func(o *storeOpts) { o.MaxLength = 1 << 20 }))
	small.do(step{req: "POST /up/", header: []string{"Upload-Length: 999999999999999"}, status: 400, typ: "length-limit-exceeded"})
}

func TestPost(t *testing.T) {
	w := newWorld(t)
	common := []string{"Etag: ~.", "Accept-Patch: " + acceptPatch, "Accept-Ranges: bytes", "Upload-Limit: min-size=0",
		"Cache-Control: no-store", `Location: ~^/files/[A-Za-z0-9_-]{22}$`}
	incomplete := append([]string{"Upload-Complete: ?0", "Upload-Offset: 0"}, common...)

	a := w.allocate(step{req: "POST /files", header: []string{"Upload-Length: 8", "Content-Type: video/mp4"},
		want: append([]string{"Upload-Length: 8", "Link: ~" + regexp.QuoteMeta(ownPrefix+"/ranges/files/")}, incomplete...)})
	w.run(
		step{req: "GET " + a, status: 200, is: ptr(""), want: []string{"Content-Length: 0", "Upload-Complete: ?0"}},
		step{req: "PUT " + a, header: []string{"Content-Range: bytes 0-7/8"}, body: "ABCDEFGH", status: 204, want: []string{"Upload-Complete: ?1"}},
		step{req: "GET " + a, status: 200, is: ptr("ABCDEFGH"), want: []string{"Content-Type: video/mp4"}},
	)
	for _, length := range []string{"-1", "abc", `"8"`, "8.0", "1000000000000000"} {
		w.allocate(step{req: "POST /files/", header: []string{"Upload-Length: " + length}, want: append([]string{"Upload-Length:"}, incomplete...)})
	}
	w.allocate(step{req: "POST /files/", header: []string{"Upload-Length: 0"}, want: append([]string{"Upload-Complete: ?1"}, common...)})
	b := w.allocate(step{req: "POST /files/", header: []string{`If-None-Match: "x"`, "Range: bytes=0-1", persist}, body: "hello",
		want: append([]string{"Upload-Complete: ?1", "Preference-Applied:"}, common...)})
	w.do(step{req: "GET " + b, status: 200, is: ptr("hello")})
	if a == b {
		t.Error("one name for two resources")
	}
	c := w.allocate(step{req: "POST /files/", body: "hello", nolen: true, want: []string{"Upload-Complete: ?1"}})
	w.do(step{req: "GET " + c, status: 200, is: ptr("hello")})
	d := w.allocate(step{req: "POST /files/", header: []string{mp}, body: mp1, want: append([]string{"Upload-Received: (0 2), (6 8)"}, common...)})
	w.do(step{req: "GET " + d, status: 200, is: ptr("AB")})
	e := w.allocate(step{req: "POST /files/", header: []string{mb, "Upload-Length: 8"}, body: segment("6-7/*", "GH"), want: []string{"Upload-Received: (6 8)"}})
	w.do(step{req: "DELETE " + e, status: 204})

	// Whatever collection it is in, the location leads to the resource.
	f := w.allocate(step{req: "POST //odd%20name/", body: "x"})
	if !strings.HasPrefix(f, "/.//odd%20name/") {
		t.Errorf("location %q", f)
	}
	w.do(step{req: "GET " + strings.TrimPrefix(f, "/."), status: 200, is: ptr("x")})

	g := w.allocate(step{req: "POST /files/", header: []string{"Upload-Length: 10", "Repr-Digest: sha-256=:CyG321nNFUkE+sYzb6fSvhurONYyeU8oFUlYQGjNy3Q=:",
		"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}, want: []string{"Upload-Complete: ?0"}})
	w.run(
		step{req: "PATCH " + g, header: []string{mb}, body: segment("0-9/10", "HELLOWORLX"), status: 400, typ: "digest-mismatched-values",
			want: []string{"Upload-Complete: ?0"}},
		step{req: "PATCH " + g, header: []string{mb}, body: segment("9-9/10", "D"), status: 204, want: []string{"Upload-Complete: ?1"}},
		step{req: "GET " + g, status: 200, is: ptr("HELLOWORLD")},
	)
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	post := func(path, key, body string, want ...string) string {
		return w.allocate(step{req: "POST " + path, header: []string{"Idempotency-Key: " + key}, body: body, want: want})
	}
	first := post("/a/", "k", "hello", "Upload-Complete: ?1")
	if again := post("/a/", "k", "hello", "Upload-Complete: ?1", "Upload-Limit: min-size=0"); again != first {
		t.Errorf("%q, then %q", first, again)
	}
	if other := post("/a/", "K", "hello"); other == first {
		t.Error("another key has the same resource")
	}
	if other := post("/b/", "k", "hello"); strings.TrimPrefix(other, "/b/") == strings.TrimPrefix(first, "/a/") {
		t.Error("another collection has the same name")
	}
	n := 0
	for range w.store.List(t.Context(), "/a/", "") {
		n++
	}
	if n != 2 {
		t.Errorf("%d resources", n)
	}
}
