package resource

import "testing"

func put(body string, status int, typ string, want ...string) step {
	return step{req: "PUT X", body: body, status: status, typ: typ, want: want}
}

func TestPut(t *testing.T) {
	newWorld(t).vectors(t, []vector{
		// Content-Range that names no range must not replace the resource.
		{"garbage range", "C10", []step{put("x", 400, "malformed-field", "Accept-Patch: "+acceptPatch).as("Content-Range: garbage"),
			get("0123456789", "Etag: $e1")}},
		{"empty range", "C10", []step{put("x", 400, "malformed-field").as("Content-Range: "), get("0123456789")}},
		{"other unit", "C10", []step{put("x", 400, "malformed-field").as("Content-Range: items 0-0/10"), get("0123456789")}},
		{"length only", "N", []step{put("", 400, "malformed-field").as("Content-Range: bytes */10"), gone}},
		{"two ranges", "N", []step{put("x", 400, "malformed-field").as("Content-Range: bytes 0-0/8", "Content-Range: bytes 0-0/8"), gone}},
		{"range is longer than content", "N", []step{put("abc", 400, "range-length-mismatch").as("Content-Range: bytes 0-3/8", persist), gone}},
		{"range is shorter than content", "N", []step{put("abcde", 400, "range-length-mismatch").as("Content-Range: bytes 0-3/8", persist), gone}},
		{"chunked and short", "N", []step{
			{req: "PUT X", header: []string{"Content-Range: bytes 0-3/8"}, body: "abc", nolen: true, status: 400, typ: "incomplete-body"}, gone}},
		{"chunked and long", "N", []step{
			{req: "PUT X", header: []string{"Content-Range: bytes 0-3/8"}, body: "abcde", nolen: true, status: 400, typ: "range-length-mismatch"}, gone}},
		{"collection", "N", []step{{req: "PUT X/", body: "x", status: 405, typ: "method-not-allowed", want: []string{"Allow: " + methodsCollection}}}},

		{"create and replace", "N", []step{put("hello", 201, "", "Etag: ~.", "Upload-Complete: ?1", "Cache-Control: no-store", "Accept-Patch: "+acceptPatch),
			get("hello"), put("bye", 204, ""), get("bye")}},
		{"the tag is that of HEAD", "N", []step{{req: "PUT X", body: "hello", status: 201, save: "e2"}, {req: "HEAD X", status: 200, want: []string{"Etag: $e2"}}}},
		{"chunked", "N", []step{{req: "PUT X", body: "0123456789", nolen: true, status: 201, want: []string{"Upload-Complete: ?1"}}, get("0123456789")}},
		{"no content", "N", []step{put("", 201, "", "Upload-Complete: ?1"), get("", "Content-Length: 0")}},
		{"twice", "N", []step{put("a", 201, ""), put("a", 204, ""), get("a")}},
		{"metadata", "N", []step{put("a", 201, "").as("Content-Type: text/html", "Content-Language: de", "Content-Disposition: attachment",
			"X-Foo: 1"), get("a", "Content-Type: text/html", "Content-Language: de", "Content-Disposition: attachment", "X-Foo:")}},
		{"metadata of the old one goes", "C10", []step{put("a", 204, ""), get("a", "Content-Type: application/octet-stream")}},
		{"coded", "N", []step{put("zz", 201, "").as("Content-Encoding: X-Gzip, identity"), get("zz", "Content-Encoding: gzip")}},
		{"not coded", "N", []step{put("zz", 201, "").as("Content-Encoding: Identity"), get("zz", "Content-Encoding:")}},
		{"over an incomplete one", "I8[0,2)", []step{put("hello", 204, "", "Upload-Complete: ?1"), get("hello"),
			patch(segment("6-7/8", "GH"), 409, "")}},
		{"persist", "N", []step{put("hello", 201, "", "Preference-Applied: transaction=persist").as(persist), get("hello")}},
		{"persist over another", "C10", []step{put("hello", 204, "", "Preference-Applied:").as(persist), get("hello")}},
		{"atomic", "N", []step{put("hello", 201, "", "Preference-Applied: transaction=atomic").as("Prefer: transaction=atomic")}},
		{"upload fields without meaning", "N", []step{put("hello", 201, "", "Upload-Complete: ?1").as("Upload-Complete: ?1", "Upload-Length: 99"), get("hello")}},

		{"segment", "C10", []step{put("wxyz", 204, "").as("Content-Range: bytes 2-5/10"), get("01wxyz6789", "Content-Type: text/plain")}},
		{"segment of a new one", "N", []step{put("EFGH", 201, "", "Upload-Received: (4 8)").as("Content-Range: bytes 4-7/8", "Content-Type: video/mp4"),
			put("ABCD", 204, "", "Upload-Complete: ?1").as("Content-Range: bytes 0-3/8"), get("ABCDEFGH", "Content-Type: video/mp4")}},
		{"segment, length unknown", "N", []step{put("AB", 201, "", "Upload-Complete: ?0", "Upload-Length:").as("Content-Range: bytes 0-1/*"),
			put("CD", 204, "").as("Content-Range: bytes 2-3/*"), get("ABCD")}},
		{"chunked segment", "N", []step{{req: "PUT X", header: []string{"Content-Range: bytes 0-3/4"}, body: "abcd", nolen: true, status: 201}, get("abcd")}},
		{"segment conflicts", "I8[0,2)", []step{put("XY", 409, "range-conflict").as("Content-Range: bytes 0-1/8"), get("AB"),
			put("AB", 204, "", "Etag: $e1").as("Content-Range: bytes 0-1/8")}},
		{"segment is not adjacent", "C10", []step{put("x", 409, "non-adjacent-write", "Upload-Offset: 10").as("Content-Range: bytes 11-11/*")}},
		{"digest of all in a segment", "N", []step{
			put("HELLO", 201, "").as("Content-Range: bytes 0-4/10", "Repr-Digest: sha-256=:CyG321nNFUkE+sYzb6fSvhurONYyeU8oFUlYQGjNy3Q=:"),
			put("WORLX", 400, "digest-mismatched-values", "Upload-Complete: ?0", "Upload-Received: (0 10)").as("Content-Range: bytes 5-9/10"),
			put("D", 204, "", "Upload-Complete: ?1").as("Content-Range: bytes 9-9/10"),
			get("HELLOWORLD")}},
	})
}

// A segment by PUT and the same segment by PATCH have the same result.
func TestPutSegmentIsPatch(t *testing.T) {
	for _, on := range []string{"N", "C10", "I8", "I8[0,2)", "IX[0,2)"} {
		for _, rng := range []string{"0-1/8", "0-1/*", "2-3/8", "2-3/10", "6-7/8", "6-7/*", "10-11/12", "10-11/*", "12-13/*"} {
			for _, header := range [][]string{nil, {"If-None-Match: *"}, {"If-Match: $e1"}, {persist}} {
				w := newWorld(t)
				var got []string
				for _, method := range []string{"PUT", "PATCH"} {
					path := "/" + method
					w.fixture(on, path)
					s := step{req: method + " " + path, header: append([]string{"Content-Range: bytes " + rng}, header...), body: "xy"}
					if method == "PATCH" {
						s = step{req: s.req, header: append([]string{mb}, header...), body: segment(rng, "xy")}
					}
					got = append(got, w.outcome(s, path))
				}
				if got[0] != got[1] {
					t.Errorf("%s %s %v:\nPUT   %s\nPATCH %s", on, rng, header, got[0], got[1])
				}
			}
		}
	}
}

// outcome does s without expectations, and returns what came of it in one line.
func (w *world) outcome(s step, path string) string {
	w.t.Helper()
	c := *w
	quiet := &recorder{TB: w.t}
	c.t = quiet
	r := c.do(s)
	info, err := w.store.Stat(w.t.Context(), path)
	state := "absent"
	if err == nil {
		state = info.Received.String()
	}
	return r.Status + " " + r.Header.Get(fieldUploadComplete) + r.Header.Get(fieldUploadReceived) +
		r.Header.Get(fieldPreferenceApplied) + " " + state
}

// recorder is a test whose expectations do not count.
type recorder struct{ testing.TB }

func (r *recorder) Errorf(string, ...any) {}
