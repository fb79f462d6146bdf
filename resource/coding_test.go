package resource

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func gzipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func zstandard(s string, o ...zstd.EOption) string {
	z, err := zstd.NewWriter(nil, o...)
	if err != nil {
		panic(err)
	}
	return string(z.EncodeAll([]byte(s), nil))
}

func TestCodings(t *testing.T) {
	doc := segment("2-5/12", "wxyz")
	zip, zst := gzipped(doc), zstandard(doc)
	bomb := gzipped(segment("0-3/10", strings.Repeat("\x00", 20<<20)))
	w := newWorld(t)
	w.vectors(t, []vector{
		{"unknown", "C12", []step{patch(doc, 415, "unsupported-content-coding", "Accept-Encoding: gzip, zstd", "Accept-Patch:").as("Content-Encoding: br"),
			patch(doc, 415, "unsupported-content-coding").as("Content-Encoding: gzip, zstd"), patch(doc, 415, "").as("Content-Encoding: gzip", "Content-Encoding: gzip"),
			get("0123456789\r\n", "Etag: $e1")}},
		{"media type", "C12", []step{patch(doc, 415, "unsupported-media-type", "Accept-Patch: "+acceptPatch, "Accept-Encoding:").as("Content-Type: text/plain"),
			patch(doc, 415, "unsupported-media-type").as("Content-Type: message/byteranges"), {req: "PATCH X", body: doc, status: 415, typ: "unsupported-media-type"},
			patch(doc, 400, "malformed-field").as(mb, "Content-Type: text/plain")}},
		{"not coded", "C12", []step{patch(doc, 400, "malformed-patch").as("Content-Encoding: gzip"), patch(doc, 400, "malformed-patch").as("Content-Encoding: zstd")}},
		{"cut off", "C12", []step{patch(zip[:len(zip)-3], 400, "incomplete-body").as("Content-Encoding: gzip"),
			patch(zst[:len(zst)-3], 400, "incomplete-body").as("Content-Encoding: zstd"), patch(zip[:5], 400, "incomplete-body").as("Content-Encoding: gzip")}},
		{"checksum", "C12", []step{patch(zip[:len(zip)-8]+"\x00"+zip[len(zip)-7:], 400, "malformed-patch").as("Content-Encoding: gzip")}},
		{"goes on", "C12", []step{patch(zip+"xxxxxxxxxxxxxxxxxxxx", 400, "malformed-patch").as("Content-Encoding: gzip")}},
		{"bomb", "N", []step{patch(bomb, 400, "range-length-mismatch").as("Content-Encoding: gzip"), gone,
			patch(bomb, 400, "range-length-mismatch").as("Content-Encoding: gzip", persist), get("\x00\x00\x00\x00")}},
		{"gzip", "C12", []step{patch(zip, 204, "").as("Content-Encoding: gzip", "Content-Digest: "+sum256(zip)), get("01wxyz6789\r\n")}},
		{"x-gzip", "C12", []step{patch(zip, 204, "").as("Content-Encoding: X-GZIP"), get("01wxyz6789\r\n", "Content-Encoding:")}},
		{"zstd", "C12", []step{patch(zst, 204, "").as("Content-Encoding: zstd", "Content-Digest: "+sum256(zst)), get("01wxyz6789\r\n")}},
		{"identity", "C12", []step{patch(doc, 204, "").as("Content-Encoding: Identity")}},
		{"digest of the decoded", "C12", []step{patch(zip, 400, "digest-mismatched-values").as("Content-Encoding: gzip", "Content-Digest: "+sum256(doc))}},
		{"of a representation", "N", []step{put(zip, 201, "").as("Content-Encoding: gzip"), get(zip, "Content-Encoding: gzip"), ranged("bytes=0-3", 206, zip[:4])}},
	})
}

func TestMaxContent(t *testing.T) {
	w := newWorld(t, func(h *Handler) { h.MaxContent = 100 })
	long := strings.Repeat("x", 101)
	doc := segment("0-100/101", long)
	large := []step{
		put(long, 413, "content-too-large"), {req: "PUT X", body: long, nolen: true, status: 413, typ: "content-too-large"},
		patch(gzipped(doc), 413, "content-too-large").as("Content-Encoding: gzip"), gone,
		{req: "POST /c/", body: long, nolen: true, status: 413, typ: "content-too-large"},
		put(long[1:], 201, ""),
	}
	w.vectors(t, []vector{{"too large", "N", large}})
}
