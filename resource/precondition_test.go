package resource

import (
	"net/http"
	"testing"
	"time"
)

func TestPreconditions(t *testing.T) {
	old := "Sat, 29 Oct 1994 19:43:31 GMT"
	future := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	del := func(status int, header ...string) step { return step{req: "DELETE X", header: header, status: status} }
	newWorld(t).vectors(t, []vector{
		{"malformed", "C10", []step{
			put("x", 400, "malformed-field").as("If-None-Match: foo"), put("x", 400, "malformed-field").as(`If-Match: "a", *`),
			put("x", 400, "malformed-field").as(`If-Match: "a`), put("x", 400, "malformed-field").as(`If-Match: "a" "b"`),
			patch(segment("0-0/10", "x"), 400, "malformed-field").as("If-Match: abc"), del(400, "If-Match: abc"),
			get("0123456789", "Etag: $e1")}},
		{"malformed, safe", "C10", []step{get("0123456789").as("If-None-Match: foo"), {req: "GET X", header: []string{"If-Match: foo"}, status: 412}}},

		{"order", "C10", []step{
			{req: "GET X", header: []string{`If-Match: "zz"`, "If-None-Match: $e1"}, status: 412},
			put("x", 412, "precondition-failed", "Etag: $e1").as("If-Match: $e1", "If-None-Match: $e1")}},
		{"ignored when the request fails anyway", "C10", []step{
			patch("x", 415, "unsupported-media-type").as("Content-Type: text/plain", `If-Match: "zz"`),
			put("x", 400, "malformed-field").as("Content-Range: x", `If-Match: "zz"`)}},
		{"absent", "N", []step{put("x", 412, "precondition-failed").as("If-Match: *"), patch(segment("0-0/1", "x"), 412, "").as("If-Match: *"),
			del(404, "If-Match: *"), {req: "GET X", header: []string{"If-Match: *"}, status: 404}}},
		{"If-Match", "C10", []step{put("x", 412, "").as("If-Match: W/$e1"), put("x", 412, "").as(`If-Match: "zz"`), put("x", 412, "").as("If-Match: "),
			get("0123456789", "Etag: $e1"), put("x", 204, "").as(`If-Match: "a,b", $e1`)}},
		{"If-Match in two lines", "C10", []step{put("x", 204, "").as(`If-Match: "a"`, "If-Match: $e1")}},
		{"If-Match: * of an incomplete one", "I8[0,2)", []step{patch(segment("2-3/8", "CD"), 204, "").as("If-Match: *")}},
		{"If-None-Match", "C10", []step{
			{req: "GET X", header: []string{"If-None-Match: W/$e1"}, status: 304, is: ptr(""), want: []string{"Etag: $e1",
				"Cache-Control: no-cache, no-transform", "Vary: Origin", "Content-Type:", "Last-Modified: ~GMT$"}},
			{req: "HEAD X", header: []string{"If-None-Match: *"}, status: 304},
			put("x", 412, "").as("If-None-Match: $e1"), del(412, "If-None-Match: *"), get("0123456789").as(`If-None-Match: "zz"`)}},
		{"If-None-Match: * of an incomplete one", "I8[0,2)", []step{put("x", 412, "").as("If-None-Match: *"), get("AB")}},
		{"If-None-Match: * and the digest of other bytes", "N", []step{put("hello", 201, ""),
			put("world!", 412, "precondition-failed").as("If-None-Match: *", "Repr-Digest: "+sum256("world!")), get("hello")}},
		{"If-Unmodified-Since", "C10", []step{put("x", 412, "").as("If-Unmodified-Since: " + old),
			put("0123456789", 204, "").as("If-Match: $e1", "If-Unmodified-Since: "+old), put("x", 204, "").as("If-Unmodified-Since: garbage"),
			put("x", 204, "").as("If-Unmodified-Since: " + future)}},
		{"sample of the draft", "C12", []step{patch(segment("2-5/12", "wxyz"), 204, "").as("If-Match: $e1", "If-Unmodified-Since: "+old)}},
		{"If-Modified-Since", "C10", []step{
			{req: "GET X", header: []string{"If-Modified-Since: " + future}, status: 304, is: ptr("")},
			get("0123456789").as("If-Modified-Since: " + old), get("0123456789").as("If-Modified-Since: "+future, `If-None-Match: "zz"`),
			get("0123456789").as("If-Modified-Since: garbage"), put("x", 204, "").as("If-Modified-Since: " + future)}},
		{"OPTIONS", "C10", []step{{req: "OPTIONS X", header: []string{`If-Match: "zz"`}, status: 204}}},
		{"delete", "C10", []step{del(412, `If-Match: "zz"`), del(204, "If-Match: $e1"), gone, del(404)}},

		{"all segments with If-None-Match: *", "N", []step{
			patch(segment("0-1/6", "AB"), 201, "").as("If-None-Match: *"), patch(segment("2-3/6", "CD"), 204, "").as("If-None-Match: *"),
			patch(segment("4-5/6", "EF"), 204, "", "Upload-Complete: ?1").as("If-None-Match: *"),
			patch(segment("4-5/6", "xx"), 412, "precondition-failed").as("If-None-Match: *"), get("ABCDEF")}},
	})
	strict := newWorld(t, func(h *Handler) { h.StrictNoneMatch = true })
	strict.vectors(t, []vector{
		{"strict If-None-Match: *", "N", []step{patch(segment("0-1/6", "AB"), 201, "").as("If-None-Match: *"),
			patch(segment("2-3/6", "CD"), 412, "").as("If-None-Match: *")}},
	})
	noCreate := newWorld(t, func(h *Handler) { h.NoCreateOnPatch = true })
	noCreate.vectors(t, []vector{
		{"patch does not create", "N", []step{patch(segment("0-1/6", "AB"), 404, "not-found").as("If-Match: *"),
			put("AB", 404, "not-found").as("Content-Range: bytes 0-1/6"), put("AB", 201, "")}},
	})
	careful := newWorld(t, func(h *Handler) { h.RequireConditions = true })
	careful.vectors(t, []vector{
		{"conditions are required", "C10", []step{put("x", 428, "precondition-required"), patch(segment("0-0/10", "x"), 428, ""), del(428),
			get("0123456789"), put("x", 204, "").as("If-Match: $e1")}},
		{"of an incomplete one they are not", "I8", []step{patch(segment("0-0/8", "x"), 204, ""), del(204)}},
	})
}

func TestRepeatedRequest(t *testing.T) {
	newWorld(t).vectors(t, []vector{
		{"patch", "C10", []step{
			{req: "PATCH X", header: []string{mb, "If-Match: $e1"}, body: segment("2-5/10", "wxyz"), status: 204, save: "e2"},
			patch(segment("2-5/10", "wxyz"), 204, "", "Etag: $e2").as("If-Match: $e1"),
			patch(segment("2-5/10", "XXXX"), 412, "precondition-failed").as("If-Match: $e1"),
			patch(segment("2-4/10", "wxy"), 412, "").as("If-Match: $e1"),
			patch(segment("3-6/10", "xyz6"), 412, "").as("If-Match: $e1"),
			patch(message("wxyz", "Content-Range: bytes 2-5/10", "Content-Type: image/png"), 412, "").as("If-Match: $e1"),
			patch(segment("2-5/10", "wxyz"), 412, "").as(`If-Match: "zz"`),
			put("wxyz", 204, "", "Etag: $e2").as("If-Match: $e1", "Content-Range: bytes 2-5/10"),
			patch(segment("2-5/10", "wxyz"), 400, "digest-mismatched-values").as("If-Match: $e1",
				"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
			get("01wxyz6789", "Etag: $e2")}},
		{"but not after another one", "C10", []step{
			patch(segment("2-5/10", "wxyz"), 204, "").as("If-Match: $e1"), patch(segment("0-0/10", "x"), 204, ""),
			patch(segment("2-5/10", "wxyz"), 412, "").as("If-Match: $e1")}},
		{"creation", "N", []step{
			{req: "PUT X", header: []string{"If-None-Match: *"}, body: "hello", status: 201, save: "e2"},
			put("hello", 204, "", "Etag: $e2").as("If-None-Match: *"),
			put("Hello", 412, "").as("If-None-Match: *"), put("hell", 412, "").as("If-None-Match: *"), put("hello!", 412, "").as("If-None-Match: *"),
			put("hello", 412, "").as("If-None-Match: *", "Content-Type: text/plain"), get("hello", "Etag: $e2")}},
	})
}

func TestDates(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got := parseDate([]string{s}); !got.Equal(want) {
			t.Errorf("%q is %v", s, got)
		}
	}
	for _, lines := range [][]string{nil, {"garbage"}, {"Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"}} {
		if got := parseDate(lines); !got.IsZero() {
			t.Errorf("%q is %v", lines, got)
		}
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"*", "", `"a"`, `W/"a"`, `"a,b", "c"`, `,"a",,W/"b" ,`, `"a`, `a`, `"a" "b"`, `"a", *`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, ok := parseTags(s)
		if !ok {
			return
		}
		var again string
		for i, tag := range list.tags {
			if i > 0 {
				again += ", "
			}
			again += tag
		}
		if list.any {
			again = "*"
		}
		l2, ok := parseTags(again)
		if !ok || l2.any != list.any || len(l2.tags) != len(list.tags) {
			t.Errorf("%q is %v, and %q is %v", s, list, again, l2)
		}
	})
}
