package resource

import (
	"testing"
)

const persist = "Prefer: transaction=persist"

// The vectors of application/byteranges that tests here use.
var (
	v1  = unhex("08 1b 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0c 62 79 74 65 73 20 32 2d 35 2f 31 32 04 77 78 79 7a")
	v2  = unhex("0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 14 32 3b 63 6f 6d 70 6c 65 74 65 2d 6c 65 6e 67 74 68 3d 31 32 00 02 77 78 02 79 7a 00")
	v3  = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 31 2f 38 02 41 42 08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 36 2d 37 2f 38 02 47 48")
	v4  = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 31 2f 2a 02 41 42 0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 01 32 00 02 43 44 00")
	v7  = unhex("08 1b 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0c 62 79 74 65 73 20 2a 2f 31 30 30 30 00")
	v8  = v7[:len(v7)-1] + "\x01x"
	v10 = unhex("08 1b 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0c 62 79 74 65 73 20 30 2d 39 2f 31 30 04 61 62 63 64")
	v11 = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 33 2f 34 06 61 62 63 64 65 66")
	v12 = unhex("0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 01 30 00 ff ff ff ff ff ff ff ff 61 62")
	v19 = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61 00 00 00")
	v21 = unhex("0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 01 32 00 04 77 78 79 7a")
	v23 = unhex("0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 01 35 00 00")
	v28 = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 33 2f 38 04 41 41 41 41 08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 32 2d 35 2f 38 04 42 42 42 42")
	v29 = v3[:len(v3)-1]
	v30 = unhex("08 1b 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0c 62 79 74 65 73 20 32 2d 35 2f 31 32 ff ff ff ff ff ff ff ff 77 78 79 7a")

	items = unhex("08 1a 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 69 74 65 6d 73 20 30 2d 30 2f 31 01 61")

	mp1 = multipart(segment("0-1/8", "AB"), segment("6-7/8", "GH"))
)

// Documents that are not applied, each with what is kept of it when the client prefers to keep what it can: nothing,
// unless persisted says otherwise.
func TestPatchRejects(t *testing.T) {
	for _, c := range []struct {
		name, on, media, doc string
		status               int
		typ                  string
		persisted            string
	}{
		{"no parts mp", "N", mp, "--B--\r\n", 400, "malformed-patch", ""},
		{"no parts ab", "N", ab, "", 400, "malformed-patch", ""},
		{"no parts mb", "N", mb, "", 400, "malformed-patch", ""},
		{"no range", "N", mb, message("ab", "Content-Type: text/plain"), 400, "unknown-range", ""},
		{"unknown unit", "N", ab, items, 422, "unknown-range", ""},
		{"unknown unit of offset", "N", mb, message("a", "Content-Offset: 2;unit=items"), 422, "unknown-range", ""},
		{"no unit", "N", mb, message("", "Content-Range: */1000"), 400, "malformed-patch", ""},
		{"backwards", "N", mb, segment("5-4/10", ""), 400, "malformed-patch", ""},
		{"open end", "N", mb, segment("0-/10", "ab"), 400, "malformed-patch", ""},
		{"beyond int64", "N", mb, segment("0-18446744073709551615/*", "a"), 400, "malformed-patch", ""},
		{"end beyond int64", "N", mb, segment("9223372036854775807-9223372036854775807/*", "a"), 400, "malformed-patch", ""},
		{"two ranges", "N", mb, message("a", "Content-Range: bytes 0-0/1", "Content-Range: bytes 0-0/1"), 400, "malformed-patch", ""},
		{"body with length", "N", ab, v8, 400, "part-body-not-empty", ""},
		{"content-length differs", "N", ab, unhex("08 2b 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 33 2f 34 0e 63 6f 6e 74 65 6e 74 2d 6c 65 6e 67 74 68 01 35 04 61 62 63 64"), 400, "range-length-mismatch", ""},
		{"two types", "N", mp, multipart(message("a", "Content-Range: bytes 0-0/2", "Content-Type: text/plain"), message("b", "Content-Range: bytes 1-1/2", "Content-Type: image/png")), 400, "malformed-patch", "[0,1)"},
		{"quoted-printable", "N", mp, multipart(message("=41=", "Content-Range: bytes 0-3/4", "Content-Transfer-Encoding: quoted-printable")), 400, "malformed-patch", ""},
		{"unterminated fields", "N", mb, "Content-Range: bytes 2-5/12\r\n", 400, "malformed-patch", ""},
		{"lf", "N", mb, "Content-Range: bytes 0-0/1\n\na", 400, "malformed-patch", ""},
		{"no boundary", "N", "Content-Type: multipart/byteranges", mp1, 400, "malformed-patch", ""},
		{"no close-delimiter", "N", mp, "--B\r\nContent-Range: bytes 0-1/8\r\n\r\nAB", 400, "incomplete-body", "[0,2)"},
		{"part of a delimiter", "N", mp, "--B\r\nContent-Range: bytes 0-3/8\r\n\r\nab\r\n-", 400, "incomplete-body", "[0,2)"},
		{"body is short", "N", mb, segment("0-9/10", "abcd"), 400, "incomplete-body", "[0,4)"},
		{"body is long", "N", mb, segment("0-3/10", "abcdef"), 400, "range-length-mismatch", "[0,4)"},
		{"framing is short", "N", ab, v10, 400, "range-length-mismatch", "[0,4)"},
		{"framing is long", "N", ab, v11, 400, "range-length-mismatch", "[0,4)"},
		{"huge chunk", "N", ab, v12, 400, "incomplete-body", "[0,2)"},
		{"huge framing", "IX[0,2)", ab, v30, 400, "range-length-mismatch", "[0,6)"},
		{"padding", "N", ab, v19, 400, "malformed-patch", "[0,1)"},
		{"no terminator", "IX[0,2)", ab, v21, 400, "incomplete-body", "[0,6)"},
		{"second part is short", "N", ab, v29, 400, "incomplete-body", "[0,2) [6,7)"},
		{"overlap", "N", ab, v28, 422, "overlapping-parts", "[0,4)"},
		{"second part is malformed", "N", mp, multipart(segment("0-1/8", "AB"), segment("5-4/8", "")), 400, "malformed-patch", "[0,2)"},
		{"length is not last", "N", mp, multipart(message("", "Content-Range: bytes */5"), segment("0-4/*", "abcde")), 400, "malformed-patch", ""},
		{"lengths differ", "N", mp, multipart(segment("0-0/8", "a"), segment("1-1/9", "b")), 400, "malformed-patch", "[0,1)"},
		{"two parts, island without length", "N", mb, segment("6-7/*", "GH"), 409, "non-adjacent-write", ""},
		{"not adjacent", "C10", mb, segment("11-11/*", "a"), 409, "non-adjacent-write", "[0,10)"},
		{"far away", "C10", mb, segment("99-99/*", "a"), 409, "non-adjacent-write", "[0,10)"},
		{"another length", "I8", mb, segment("0-1/9", "ab"), 409, "complete-length-conflict", ""},
		{"length of a complete resource", "C10", mb, segment("10-10/12", "a"), 409, "complete-length-conflict", "[0,10)"},
		{"another declared length", "I8", mb, message("", "Content-Range: bytes */9"), 409, "complete-length-conflict", ""},
		{"length below a range", "I8[0,2)[6,8)", mb, message("", "Content-Range: bytes */7"), 409, "complete-length-conflict", "[0,2) [6,8)"},
		{"other bytes", "I8[0,2)", mb, segment("0-1/8", "XY"), 409, "range-conflict", "[0,2)"},
		{"over the limit", "N", mb, segment("0-0/9000000000000000000", "a"), 400, "length-limit-exceeded", ""},
		{"offset over the limit", "N", mb, message("a", "Content-Offset: 999999999999999;complete-length=999999999999999"), 400, "length-limit-exceeded", ""},
		{"offset at the end", "N", mb, message("a", "Content-Offset: 999999999999;complete-length=999999999999"), 400, "range-length-mismatch", ""},
		{"another content coding", "I8[0,2)", mb, message("C", "Content-Range: bytes 2-2/8", "Content-Encoding: gzip"), 409, "metadata-conflict", "[0,2)"},
		{"wrong digest of a part", "N", mp, multipart(segment("0-1/8", "AB"), message("C", "Content-Range: bytes 2-2/8", "Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")), 400, "digest-mismatched-values", "[0,2)"},
		{"wrong digest length of a part", "N", mb, message("C", "Content-Range: bytes 0-0/8", "Content-Digest: sha-256=:AAAA:"), 400, "digest-invalid-values", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, keep := range []bool{false, true} {
				w := newWorld(t)
				w.fixture(c.on, "/x")
				before := w.state("/x")
				s := step{req: "PATCH /x", header: []string{c.media}, body: c.doc, status: c.status, typ: c.typ}
				if !keep {
					w.do(s)
					if after := w.state("/x"); after != before {
						t.Errorf("state was\n%s\nand is\n%s", before, after)
					}
					continue
				}
				s.header = append(s.header, persist)
				if c.persisted != "" {
					s.want = append(s.want, "Upload-Offset: ~^[0-9]+$")
				}
				w.do(s)
				info, err := w.store.Stat(t.Context(), "/x")
				switch {
				case err != nil && c.persisted != "":
					t.Errorf("nothing was kept")
				case err == nil && info.Received.String() != c.persisted:
					t.Errorf("kept %v, want %v", info.Received, c.persisted)
				}
			}
		})
	}
}

func TestPatch(t *testing.T) {
	zeros := func(n int) string { return string(make([]byte, n)) }
	sizes := func(n string) string { return message("", "Content-Range: bytes */"+n) }
	newWorld(t).vectors(t, []vector{
		{"message", "C12", []step{patch(segment("2-5/12", "wxyz"), 204, "", "Upload-Complete: ?1", "Cache-Control: no-store",
			"Etag: ~."), get("01wxyz6789\r\n")}},
		{"message, no length", "C12", []step{patch(segment("2-5/*", "wxyz"), 204, ""), get("01wxyz6789\r\n")}},
		{"unit in capitals", "C12", []step{patch(message("wxyz", "Content-Range: BYTES 2-5/12"), 204, ""), get("01wxyz6789\r\n")}},
		{"leading zeros", "C12", []step{patch(segment("0000-0003/0012", "wxyz"), 204, ""), get("wxyz456789\r\n")}},
		{"media type in capitals", "C12", []step{patch(segment("2-5/12", "wxyz"), 204, "").as("Content-Type: Message/ByteRange; charset=x")}},
		{"known framing", "C12", []step{patch(v1, 204, "").as(ab), get("01wxyz6789\r\n")}},
		{"unknown framing", "C12", []step{patch(v2, 204, "").as(ab), get("01wxyz6789\r\n")}},
		{"mixed framing", "N", []step{patch(v4, 201, "", "Upload-Complete: ?0", "Upload-Offset: 4").as(ab), get("ABCD")}},
		{"islands", "N", []step{
			patch(v3, 201, "", "Upload-Received: (0 2), (6 8)", "Upload-Offset: 2", "Upload-Length: 8", "Upload-Complete: ?0",
				"Cache-Control: no-store").as(ab),
			get("AB", "Upload-Complete: ?0", "Content-Length: 2"),
			patch(segment("2-5/8", "CDEF"), 204, "", "Upload-Complete: ?1", "Upload-Offset:"), get("ABCDEFGH", "Upload-Complete:")}},
		{"island alone", "N", []step{patch(segment("6-7/8", "GH"), 201, "", "Upload-Received: (6 8)", "Upload-Offset: 0"), get("")}},
		{"multipart", "N", []step{patch(mp1, 201, "", "Upload-Received: (0 2), (6 8)").as(mp)}},
		{"multipart, any order", "N", []step{patch(multipart(segment("6-7/8", "GH"), segment("0-1/8", "AB")), 201, "",
			"Upload-Received: (0 2), (6 8)").as(mp)}},
		{"other order without length", "N", []step{patch(multipart(segment("2-3/*", "CD"), segment("0-1/*", "AB")), 201, "",
			"Upload-Received: (0 4)").as(mp)}},
		{"quoted boundary, preamble, epilogue", "C12", []step{patch("\r\n\r\nhello\r\n--g:1  \r\n"+segment("2-5/12", "wxyz")+
			"\r\n--g:1--\r\njunk", 204, "").as(`Content-Type: multipart/byteranges; boundary="g:1"`), get("01wxyz6789\r\n")}},
		{"body with CRLF", "N", []step{patch(multipart(segment("0-3/4", "ab\r\n")), 201, "", "Upload-Complete: ?1").as(mp), get("ab\r\n")}},
		{"append", "C10", []step{patch(segment("10-10/*", "a"), 204, ""), get("0123456789a")}},
		{"append with length", "C10", []step{patch(segment("10-11/12", "ab"), 204, ""), get("0123456789ab")}},
		{"append by offset", "C10", []step{patch(message("ab", "Content-Offset: 10"), 204, ""), get("0123456789ab")}},
		{"overlap and append", "C10", []step{patch(segment("9-11/*", "xyz"), 204, ""), get("012345678xyz")}},
		{"overwrite with length", "C10", []step{patch(segment("0-0/10", "x"), 204, ""), get("x123456789")}},
		{"nothing at an offset", "C10", []step{patch(v23, 204, "", "Etag: $e1").as(ab), get("0123456789", "Etag: $e1")}},
		{"same bytes", "C10", []step{patch(segment("0-1/10", "01"), 204, "", "Etag: $e1")}},
		{"same bytes of an incomplete one", "I8[0,2)", []step{patch(segment("0-1/8", "AB"), 204, "", "Etag: $e1", "Upload-Complete: ?0")}},
		{"other bytes of a complete one", "C10", []step{patch(segment("0-1/10", "XY"), 204, "", "Etag: ~^[^$]"), get("XY23456789")}},
		{"other bytes with If-Match", "I8[0,2)", []step{patch(segment("0-1/8", "XY"), 204, "").as("If-Match: $e1"), get("XY")}},
		{"other bytes with If-Match: *", "I8[0,2)", []step{patch(segment("0-1/8", "XY"), 409, "range-conflict").as("If-Match: *"), get("AB")}},

		{"extend", "C10", []step{patch(sizes("20"), 204, ""), get("0123456789" + zeros(10))}},
		{"truncate and extend", "C10", []step{patch(sizes("4"), 204, ""), get("0123"), patch(sizes("10"), 204, ""), get("0123" + zeros(6))}},
		{"declare a length", "N", []step{patch(v7, 201, "", "Upload-Length: 1000", "Upload-Complete: ?0", "Upload-Received:").as(ab), get("")}},
		{"declare it again", "I8", []step{patch(sizes("8"), 204, "", "Etag: $e1")}},
		{"empty resource", "N", []step{patch(sizes("0"), 201, "", "Upload-Complete: ?1"), get("", "Content-Length: 0")}},
		{"data and length", "N", []step{patch(multipart(segment("0-4/*", "abcde"), sizes("5")), 201, "", "Upload-Complete: ?1").as(mp), get("abcde")}},
		{"end of unknown length", "N", []step{
			patch(message("0123456789", "Content-Offset: 0"), 201, "", "Upload-Complete: ?0", "Upload-Length:"),
			patch(sizes("10"), 204, "", "Upload-Complete: ?1"), get("0123456789")}},
		{"length beyond the data", "N", []step{
			patch(message("0123456789", "Content-Offset: 0"), 201, ""),
			patch(sizes("12"), 204, "", "Upload-Complete: ?0", "Upload-Length: 12")}},

		{"type of the resource", "N", []step{
			patch(message("ab", "Content-Range: bytes 0-1/4", "Content-Type: video/mp4", "Content-Language: de"), 201, ""),
			patch(segment("2-3/4", "cd"), 204, ""), get("abcd", "Content-Type: video/mp4", "Content-Language: de")}},
		{"type stays", "C10", []step{patch(segment("0-0/10", "x"), 204, ""), get("x123456789", "Content-Type: text/plain")}},
		{"type of the document", "C10", []step{patch(segment("0-0/10", "x"), 204, "").as("Content-Language: fr"),
			get("x123456789", "Content-Type: text/plain", "Content-Language:")}},
		{"only the type", "C10", []step{
			patch(message("", "Content-Offset: 0", "Content-Type: text/csv"), 204, "", "Etag: ~[^$]"),
			get("0123456789", "Content-Type: text/csv")}},
		{"content coding of the resource", "N", []step{
			patch(message("abcdefghij", "Content-Range: bytes 0-9/10", "Content-Encoding: x-gzip"), 201, ""),
			get("abcdefghij", "Content-Encoding: gzip")}},
		{"fields without meaning", "C10", []step{patch(message("x", "Content-Range: bytes 0-0/10", `If-Match: "nope"`,
			"Transfer-Encoding: chunked", "Host: evil", "X-Forwarded-User: admin", "Content-Location: /etc/passwd",
			"Upload-Length: 3", "Expect: 100-continue", "Prefer: transaction=persist"), 204, "", "Preference-Applied:"),
			get("x123456789")}},
		{"a request as data", "N", []step{patch(segment("0-26/27", "GET /admin HTTP/1.1\r\nA: b\r\n"), 201, ""),
			get("GET /admin HTTP/1.1\r\nA: b\r\n")}},
		{"range of the message", "C12", []step{patch(segment("2-5/12", "wxyz"), 204, "").as(mb, "Content-Range: bytes 0-0/1"),
			get("01wxyz6789\r\n")}},
		{"digest of a part", "C12", []step{patch(message("wxyz", "Content-Range: bytes 2-5/12",
			"Content-Digest: sha-256=:F/SI92jbj756QIqUaSA8YeA7X+QyFLlaAOfAxS0v2TM=:"), 204, ""), get("01wxyz6789\r\n")}},
		{"digests of parts, kept as they come", "N", []step{
			patch(multipart(segment("0-1/12", "01"), message("wxyz", "Content-Range: bytes 2-5/12",
				"Content-Digest: sha-256=:F/SI92jbj756QIqUaSA8YeA7X+QyFLlaAOfAxS0v2TM=:"), segment("6-7/12", "67")), 201, "",
				"Upload-Received: (0 8)", "Preference-Applied: transaction=persist").as(mp, persist)}},
		{"digests of parts, for one state", "C12", []step{
			patch(multipart(segment("0-1/12", "ab"), message("wxyz", "Content-Range: bytes 2-5/12",
				"Content-Digest: sha-256=:F/SI92jbj756QIqUaSA8YeA7X+QyFLlaAOfAxS0v2TM=:"), segment("6-7/12", "gh")), 204, "").as(mp, persist, "If-Match: $e1"),
			get("abwxyzgh89\r\n")}},
		{"one part of many", "N", []step{patch(multipart(segment("0-0/1", "a")), 201, "").as(mp), get("a")}},
		{"as status", "I8[0,2)", []step{{req: "PATCH X", header: []string{mb, "Prefer: return=representation"},
			body: segment("2-2/8", "C"), status: 200, want: []string{"Content-Type: application/json", "Preference-Applied: return=representation"}}}},
	})
}

// What is wrong before the content of a part is refused before it comes, and with one answer for both kinds of transaction
// if nothing can be kept.
func TestPatchIsRefusedEarly(t *testing.T) {
	w := newWorld(t)
	w.c10("/c", "e1")
	for _, c := range []struct {
		path, media, head string
		status            int
		typ               string
	}{
		{"/a", ab, v30[:len(v30)-4], 400, "range-length-mismatch"},
		{"/a", mb, segment("0-99/*", "")[:20] + "\r\n\r\n", 400, "malformed-patch"},
		{"/c", mb, segment("50-99/*", ""), 409, "non-adjacent-write"},
		{"/c", mb, segment("0-1000000000000000000/*", ""), 400, "length-limit-exceeded"},
		{"/c", mb, message("", "Content-Range: items 0-99/*"), 422, "unknown-range"},
	} {
		s := step{req: "PATCH " + c.path, header: []string{c.media}, status: c.status, typ: c.typ, want: []string{"Connection: close"}}
		w.start(s, 1<<20).send(c.head).end(s)
	}
	w.run(step{req: "HEAD /a", status: 404}, step{req: "HEAD /c", status: 200, want: []string{"Etag: $e1"}})
}
