package resource

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/ranges/crc32c"
	"github.com/infill-http/infill/resource/internal/pace"
	"github.com/infill-http/infill/store"
)

func sum256(s string) string {
	b := sha256.Sum256([]byte(s))
	return "sha-256=:" + base64.StdEncoding.EncodeToString(b[:]) + ":"
}

func sum512(s string) string {
	b := sha512.Sum512([]byte(s))
	return "sha-512=:" + base64.StdEncoding.EncodeToString(b[:]) + ":"
}

func TestDigests(t *testing.T) {
	const (
		ofDocument = "sha-256=:gWAvagL5zOR+rkFt9uP78IsKpl4mZN5bFNQwlRhlRNo=:"
		ofPart     = "sha-256=:F/SI92jbj756QIqUaSA8YeA7X+QyFLlaAOfAxS0v2TM=:"
		ofResult   = "sha-256=:xiath+jCyO8QPHKZsxjuLu3sopUQZB2B8ziW5N9dvgs=:"
		ofAB       = "sha-256=:sfwa/A+eY/hIyAsBZhbmoTYSnvqrWwo6NnOlMmTv7w4=:"
		ofMP       = "sha-256=:elCqKBF55OTVXtWTbGPQQ21e7dZn3e3W7kgelHHeaII=:"
		ofNothing  = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
		nine       = "crc32c=:4waSgw==:"                                      // 123456789, the check value of CRC-32C
		ofHello    = "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:" // hello world
	)
	doc := segment("2-5/12", "wxyz")
	const mismatch, invalid, unsupported = "digest-mismatched-values", "digest-invalid-values", "digest-unsupported-algorithms"
	declared := message("HELLO", "Content-Range: bytes 0-4/10", "Repr-Digest: sha-256=:CyG321nNFUkE+sYzb6fSvhurONYyeU8oFUlYQGjNy3Q=:")
	newWorld(t).vectors(t, []vector{
		{"of the part instead of the document", "C12", []step{patch(doc, 400, mismatch).as("Content-Digest: " + ofPart), get("0123456789\r\n", "Etag: $e1")}},
		{"of the result instead of the document", "C12", []step{patch(doc, 400, mismatch).as("Repr-Digest: " + ofResult), get("0123456789\r\n")}},
		{"unencoded, of the result", "C12", []step{patch(doc, 400, mismatch).as("Unencoded-Digest: " + ofResult)}},
		{"unparsable", "C12", []step{patch(doc, 400, "malformed-field").as(`Content-Digest: sha-256="abc"`), patch(doc, 400, "malformed-field").as("Content-Digest: %%"),
			put("x", 400, "malformed-field").as("Repr-Digest: sha-256=:AA"), get("0123456789\r\n", "Etag: $e1")}},
		{"wrong length", "C12", []step{patch(doc, 400, invalid).as("Content-Digest: sha-256=:AAAA:"), put("x", 400, invalid).as("Repr-Digest: sha-512=:AAAA:")}},
		{"one of two is wrong", "C12", []step{patch(doc, 400, mismatch).as("Content-Digest: " + ofDocument + ", " + sum512("x"))}},
		{"last one counts", "C12", []step{patch(doc, 400, mismatch).as("Content-Digest: " + ofDocument + ", " + ofPart),
			patch(doc, 204, "").as("Content-Digest: "+ofPart, "Content-Digest: "+ofDocument)}},
		{"strict", "C12", []step{
			patch(doc, 400, unsupported, "Want-Content-Digest: sha-512=10, sha-256=5").as("Content-Digest: foo=:AA==:", "Prefer: handling=strict"),
			patch(doc, 400, unsupported).as("Content-Digest: md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", "Prefer: handling=strict"),
			patch(doc, 204, "").as("Content-Digest: foo=:AA==:, "+ofDocument, "Prefer: handling=strict")}},
		{"crc32c", "N", []step{put("12345678x", 400, mismatch).as("Content-Digest: " + nine), gone,
			put("123456789", 400, invalid).as("Content-Digest: crc32c=:AA==:"), gone,
			put("123456789", 400, unsupported).as("Content-Digest: "+nine, "Prefer: handling=strict"), gone,
			put("12345678x", 400, mismatch).as("Content-Digest: " + nine + ", " + sum256("12345678x")), gone,
			patch(message("12345678x", "Content-Range: bytes 0-8/9", "Content-Digest: "+nine), 400, mismatch), gone,
			patch(message("123456789", "Content-Range: bytes 0-8/9", "Content-Digest: "+nine), 201, ""),
			put("123456789", 204, "").as("Content-Digest: "+nine, "Repr-Digest: crc32c=:AAAAAA==:"),
			get("123456789", "Repr-Digest: "+nine, "Content-Digest:").as("Want-Repr-Digest: crc32c=10", "Want-Content-Digest: crc32c=10")}},
		{"crc32c is not declared", "N", []step{patch(message("1234", "Content-Range: bytes 0-3/9", "Repr-Digest: crc32c=:AAAAAA==:"), 201, ""),
			patch(message("56789", "Content-Range: bytes 4-8/9", "Repr-Digest: "+nine), 204, "", "Upload-Complete: ?1"),
			patch(message("5", "Content-Range: bytes 4-4/9", "Repr-Digest: crc32c=:AA==:"), 204, "")}},
		{"crc32c wanted of a read", "N", []step{put("", 201, "", "Repr-Digest: crc32c=:AAAAAA==:").as("Want-Repr-Digest: crc32c=1"),
			put("123456789", 204, "", "Repr-Digest: "+nine).as("Want-Repr-Digest: crc32c=1"),
			get("123456789", "Repr-Digest:"), get("123456789", "Repr-Digest:").as("Want-Repr-Digest: crc32c=0"),
			get("123456789", "Repr-Digest: "+nine).as("Want-Repr-Digest: sha-256=1, crc32c=10, md5=10"),
			get("123456789", "Repr-Digest: "+sum256("123456789")).as("Want-Repr-Digest: sha-256=10, crc32c=1"),
			get("123456789", "Repr-Digest: "+sum256("123456789")).as("Want-Repr-Digest: crc32c=5, sha-256=5"),
			get("123456789", "Repr-Digest: "+nine).as("Want-Repr-Digest: crc32c=5, sha-256=4"),
			ranged("bytes=0-4", 206, "12345", "Repr-Digest: "+nine).as("Want-Repr-Digest: crc32c=1"),
			ranged("bytes=99-", 416, "", "Repr-Digest:").as("Want-Repr-Digest: crc32c=1"),
			{req: "HEAD X", header: []string{"Want-Repr-Digest: crc32c=1"}, status: 200, want: []string{"Repr-Digest: " + nine}},
			{req: "HEAD X", status: 200, want: []string{"Repr-Digest:"}, save: "X"},
			{req: "GET X", header: []string{"Want-Repr-Digest: crc32c=1", "If-None-Match: $X"}, status: 304, want: []string{"Repr-Digest:"}}}},
		{"crc32c wanted of an incomplete one", "I8[0,2)", []step{get("AB", "Repr-Digest:").as("Want-Repr-Digest: crc32c=1"),
			{req: "HEAD X", header: []string{"Want-Repr-Digest: crc32c=1"}, status: 200, want: []string{"Repr-Digest:"}}}},
		{"put", "N", []step{put("hello World", 400, mismatch).as("Repr-Digest: " + ofHello), gone,
			put("hello World", 400, mismatch).as("Unencoded-Digest: " + ofHello), gone,
			put("hello world", 201, "").as("Repr-Digest: "+ofHello, "Content-Digest: "+ofHello, "Unencoded-Digest: "+ofHello)}},
		{"put with persist", "N", []step{put("hello World", 400, mismatch).as("Repr-Digest: "+ofHello, persist), gone,
			patch(segment("0-1/8", "AB"), 400, mismatch).as("Content-Digest: "+ofNothing, persist), gone,
			put("hello world", 201, "", "Preference-Applied: transaction=persist").as("Repr-Digest: "+ofHello, persist)}},
		{"declared digests differ", "N", []step{patch(declared, 201, ""),
			patch(message("WORLD", "Content-Range: bytes 5-9/10", "Repr-Digest: "+ofHello), 409, "metadata-conflict")}},

		{"documents", "C12", []step{patch(doc, 204, "").as("Content-Digest: "+ofDocument, "Repr-Digest: "+ofDocument, "Unencoded-Digest: "+ofDocument),
			get("01wxyz6789\r\n")}},
		{"binary document", "C12", []step{patch(v1, 204, "").as(ab, "Content-Digest: "+ofAB)}},
		{"multipart document", "N", []step{patch(mp1, 201, "").as(mp, "Content-Digest: "+ofMP)}},
		{"no padding", "C12", []step{patch(doc, 204, "").as("Content-Digest: " + strings.Replace(ofDocument, "=:g", "=:g", 1)[:len(ofDocument)-2] + ":")}},
		{"parameters and others are ignored", "C12", []step{patch(doc, 204, "").as("Content-Digest: " + ofDocument + ";a=b, foo=:AA==:, bar=1"),
			patch(doc, 204, "").as("Content-Digest: foo=:AA==:"), patch(doc, 204, "").as("Digest: sha-256=AAAA")}},
		{"nothing", "N", []step{put("", 201, "").as("Content-Digest: " + ofNothing)}},
		{"of a coding that is stored", "N", []step{put("zz", 201, "").as("Content-Encoding: gzip", "Unencoded-Digest: "+ofNothing)}},
		{"at completion", "N", []step{patch(declared, 201, "", "Upload-Complete: ?0"), patch(segment("5-9/10", "WORLX"), 400, mismatch, "Upload-Complete: ?0"),
			{req: "HEAD X", status: 200, want: []string{"Upload-Complete: ?0", "Upload-Offset: 10"}},
			patch(segment("9-9/10", "D"), 204, "", "Upload-Complete: ?1"), get("HELLOWORLD")}},

		{"wanted of a write", "C12", []step{patch(doc, 204, "", "Repr-Digest: "+ofResult).as("Want-Repr-Digest: sha-256=1")}},
		{"wanted of an incomplete one", "N", []step{patch(declared, 201, "", "Repr-Digest:").as("Want-Repr-Digest: sha-256=1")}},
		{"wanted of a read", "N", []step{put("HELLOWORLD", 201, ""),
			get("HELLOWORLD", "Repr-Digest: sha-256=:CyG321nNFUkE+sYzb6fSvhurONYyeU8oFUlYQGjNy3Q=:", "Content-Digest:").as("Want-Repr-Digest: sha-256=10, sha-512=3"),
			get("HELLOWORLD", "Repr-Digest: "+sum512("HELLOWORLD")).as("Want-Repr-Digest: sha-256=1, sha-512=3"),
			get("HELLOWORLD", "Repr-Digest:").as("Want-Repr-Digest: sha=10"), get("HELLOWORLD", "Repr-Digest:").as("Want-Repr-Digest: sha-256=0"),
			get("HELLOWORLD", "Repr-Digest:").as("Want-Repr-Digest: %"), get("HELLOWORLD", "Content-Digest: "+sum256("HELLOWORLD")).as("Want-Content-Digest: sha-256=1"),
			ranged("bytes=0-4", 206, "HELLO", "Content-Digest: sha-256=:NzPNl3/46xi5hzV+Is7Zn0YJfzHssjnoeK5jdg6D5NU=:",
				"Repr-Digest: sha-256=:CyG321nNFUkE+sYzb6fSvhurONYyeU8oFUlYQGjNy3Q=:").as("Want-Repr-Digest: sha-256=1", "Want-Content-Digest: sha-256=1"),
			{req: "HEAD X", header: []string{"Want-Repr-Digest: sha-256=1", "Want-Content-Digest: sha-256=1"}, status: 200,
				want: []string{"Repr-Digest: ~.", "Content-Digest:"}}}},
		{"wanted of a prefix", "I8[0,2)", []step{get("AB", "Content-Digest: "+sum256("AB"), "Repr-Digest:").as("Want-Content-Digest: sha-256=1", "Want-Repr-Digest: sha-256=1")}},
	})

	w := newWorld(t)
	w.put("/a", large(), "e1")
	r := w.do(step{req: "GET /a", header: []string{"Range: bytes=0-1,4000-4004", "Want-Content-Digest: sha-512=1"}, status: 206})
	if got := r.Header.Get("Content-Digest"); got != sum512(r.body) {
		t.Errorf("Content-Digest of several ranges is %s, want %s", got, sum512(r.body))
	}
}

// Digests may come in the trailer section, whether or not they were announced.
func TestDigestTrailers(t *testing.T) {
	for _, c := range []struct {
		announced bool
		digest    string
		status    int
		typ       string
	}{
		{true, sum256("hello"), 201, ""},
		{true, sum512("hello"), 201, ""},
		{true, sum256("Hello"), 400, "digest-mismatched-values"},
		{true, "sha-256=:AAAA:", 400, "digest-invalid-values"},
		{true, "%", 400, "malformed-field"},
		{false, sum256("hello"), 201, ""},
		{false, sum256("Hello"), 400, "digest-mismatched-values"},
		{false, sum512("hello"), 400, "unannounced-digest"},
	} {
		for _, prefer := range []string{"", "transaction=persist"} {
			w := newWorld(t)
			for i, client := range []*http.Client{w.http, w.h2(), w.h2()} {
				req, err := http.NewRequest("PUT", w.srv.URL+"/a", nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Prefer", prefer)
				req.Trailer = http.Header{}
				if c.announced {
					req.Trailer.Set("Content-Digest", "")
				} else {
					// net/http sends only what was announced; this makes it announce another field.
					req.Trailer.Set("X-Other", "")
				}
				req.ContentLength = -1
				if i == 2 {
					req.ContentLength = 5
				}
				req.Body = &trailing{strings.NewReader("hello"), func() {
					req.Trailer.Set("Content-Digest", c.digest)
				}}
				if !c.announced && client != w.http {
					continue
				}
				if !c.announced {
					head := "PUT /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nPrefer: " + prefer + "\n"
					r := w.raw(w.dial(), head, "5\r\nhello\r\n0\r\nContent-Digest: "+c.digest+"\r\n\r\n")
					w.compare(step{req: "PUT /a", status: c.status, typ: c.typ}, r)
				} else {
					w := *w
					w.http = client
					w.check(step{req: "PUT /a", status: c.status, typ: c.typ}, req)
					if c.status >= 400 && w.content("/a") != "" {
						t.Errorf("%+v %q: stored", c, prefer)
					}
				}
				w.http.CloseIdleConnections()
				_ = w.store.Delete(t.Context(), "/a", nil)
			}
		}
	}
}

// A digest that was not announced is found right or wrong by what is staged, wherever that is: in the map, in a file, or in
// several places, some of which had the bytes before.
func TestLateDigest(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40<<10) // 640 KiB
	for _, c := range []struct{ on, header, content string }{
		{"N", "", ""},
		{"N", "", "hello"},
		{"N", "", long},
		{"C12", "", long},
		{"N", "Content-Range: bytes 5-655364/655370\n", long},
		{"C12", "Content-Range: bytes 0-3/12\n", "0123"},
		{"C12", "Content-Range: bytes 2-5/12\n", "2x4y"},
		{"I8[0,2)", "Content-Range: bytes 0-7/8\n", "ABCDEFGH"},
	} {
		for _, right := range []bool{false, true} {
			w := newWorld(t)
			w.fixture(c.on, "/a")
			before := w.state("/a")
			sum := sum256(c.content)
			if !right {
				sum = sum256(c.content + "x")
			}
			var chunk string
			if c.content != "" {
				chunk = fmt.Sprintf("%x\r\n%s\r\n", len(c.content), c.content)
			}
			r := w.raw(w.dial(), "PUT /a HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n"+c.header, chunk+"0\r\nContent-Digest: "+sum+"\r\n\r\n")
			switch {
			case right && r.StatusCode/100 != 2, !right && r.StatusCode != 400:
				t.Errorf("%s %q with %d bytes, right %v: %s %s", c.on, c.header, len(c.content), right, r.Status, r.body)
			case !right && w.state("/a") != before:
				t.Errorf("%s %q with %d bytes: state was\n%s\nand is\n%s", c.on, c.header, len(c.content), before, w.state("/a"))
			}
		}
	}
}

// A CRC-32C of content, or of the body of a part, is put together from those of what is staged, and what is around it. It is
// right or wrong wherever the bytes are staged, and however the document lies in the buffers that it is read through.
func TestStagedCRC(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40<<10) // 640 KiB
	crc := func(s string) string {
		return "crc32c=" + byteSequence(binary.BigEndian.AppendUint32(nil, crc32c.Checksum([]byte(s))))
	}
	in := func(off, length int, body string) string {
		return fmt.Sprintf("Content-Range: bytes %d-%d/%d", off, off+len(body)-1, length)
	}
	type form struct {
		method string
		header []string
		body   string
	}
	for _, c := range []struct {
		on, content string
		off, length int
	}{
		{"N", "x", 0, 1},
		{"N", long, 0, len(long)},
		{"N", long, 5, len(long) + 10},
		{"C12", "0123", 0, 12},
		{"C12", "2x4y", 2, 12},
		{"I8[0,2)", "ABCDEFGH", 0, 8},
		{"I8[0,2)[6,8)", "BCDEFGH", 1, 8},
	} {
		rng := in(c.off, c.length, c.content)
		doc := message(c.content, rng)
		forms := map[string]form{
			"PUT of a segment":   {"PUT", []string{rng}, c.content},
			"message":            {"PATCH", []string{mb}, doc},
			"long fields":        {"PATCH", []string{mb}, message(c.content, "X: "+strings.Repeat("x", 5000), rng)},
			"fields of a buffer": {"PATCH", []string{mb}, message(c.content, "X: "+strings.Repeat("x", 4096-len(rng)-9), rng)},
			"coded":              {"PATCH", []string{mb, "Content-Encoding: gzip"}, gzipped(doc)},
			"multipart":          {"PATCH", []string{mp}, multipart(doc)},
			"digest of a part":   {"PATCH", []string{mb}, message(c.content, rng, "Content-Digest: "+crc(c.content))},
			"digests of a part":  {"PATCH", []string{mp}, multipart(message(c.content, rng, "Content-Digest: "+crc(c.content)+", "+sum256(c.content)))},
		}
		if c.on == "N" && c.off == 0 {
			forms["PUT"] = form{"PUT", nil, c.content}
			forms["no length"] = form{"PATCH", []string{mb}, message(c.content, "Content-Offset: 0")}
		}
		for name, f := range forms {
			bad := map[string]string{"of other content": crc(f.body + "x"), "of none": crc(""), "of the body alone": crc(c.content)}
			if f.body == c.content {
				delete(bad, "of the body alone")
			}
			for _, prefer := range [][]string{nil, {"Prefer: transaction=persist"}} {
				w := newWorldOn(t, vfs.NewMem(), store.Options{InlineSize: 4 << 10})
				w.fixture(c.on, "/a")
				s := step{req: f.method + " /a", body: f.body, header: slices.Concat(f.header, prefer)}
				before := w.state("/a")
				for what, sum := range bad {
					wrong := s.as("Content-Digest: " + sum)
					wrong.status, wrong.typ = 400, "digest-mismatched-values"
					w.do(wrong)
					if got := w.state("/a"); got != before {
						t.Fatalf("%s %s on %s with a digest %s: state was\n%s\nand is\n%s", name, prefer, c.on, what, before, got)
					}
				}
				w.do(s.as("Content-Digest: " + crc(f.body)))
			}
		}
	}

	// The digest of a part is of that part alone.
	for sum, status := range map[string]int{crc("cd"): 201, crc("abcd"): 400, crc("ab"): 400} {
		w := newWorld(t)
		doc := multipart(segment("0-1/4", "ab"), message("cd", "Content-Range: bytes 2-3/4", "Content-Digest: "+sum))
		w.do(step{req: "PATCH /a", header: []string{mp}, body: doc, status: status})
	}
}

// A readingStore stages nothing, and only reads.
type readingStore struct{ Store }

func (s readingStore) Begin(ctx context.Context, name string, o store.TxOptions) (Tx, error) {
	tx, err := s.Store.Begin(ctx, name, o)
	return readingTx{tx}, err
}

type readingTx struct{ Tx }

func (readingTx) WriteFrom(r io.Reader, _, _, _ int64) (int64, error) { return io.Copy(io.Discard, r) }

// Content with a digest is not held in memory, whoever computes it.
func TestDigestMemory(t *testing.T) {
	const size = 64 << 20
	for _, field := range []string{"", "Content-Digest: crc32c=:AAAAAA==:\r\n"} {
		w := newWorld(t, func(h *Handler) { h.Store = readingStore{h.Store} })
		head := fmt.Sprintf("%sContent-Range: bytes 0-%d/*\r\n\r\n", field, size-1)
		req, err := http.NewRequest("PATCH", w.srv.URL+"/a", io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, size)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(head)) + size
		req.Header.Set("Content-Type", "message/byterange")
		req.Header.Set("Content-Digest", "crc32c=:AAAAAA==:")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w.check(step{req: "PATCH /a", status: 400}, req)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > size/4 {
			t.Errorf("%q: %d bytes of memory for %d of content", field, n, size)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// trailing calls f at the end of the content.
type trailing struct {
	io.Reader
	f func()
}

func (r *trailing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.f()
	}
	return n, err
}

func (r *trailing) Close() error { return nil }

// Nothing is hashed that nobody asked for, and never with more than two algorithms.
func TestHashingIsBounded(t *testing.T) {
	many := "md5=:AA==:, sha=:AA==:, a=:AA==:, b=:AA==:, " + sum256("x") + ", " + sum512("x") + ", c=:AA==:, d=:AA==:"
	for _, c := range []struct {
		header map[string]string
		length int64
		want   int
		trails int // with those for a trailer that nobody announced
	}{{nil, 5, 0, 0}, {map[string]string{"Content-Digest": many, "Repr-Digest": many}, 5, 2, 2}, {nil, -1, 0, 1}} {
		r, err := http.NewRequest("PUT", "/", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = c.length
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		b := newBody(nil, r, pace.Limit{}, 0)
		if _, err := b.watch([]string{fieldContentDigest, fieldReprDigest}, false); err != nil {
			t.Fatal(err)
		}
		if len(b.hash.sums) != c.want {
			t.Errorf("%v: %d hashes, want %d", c.header, len(b.hash.sums), c.want)
		}
		if b.watchTrailers(); len(b.hash.sums) != c.trails {
			t.Errorf("%v: %d hashes, want %d", c.header, len(b.hash.sums), c.trails)
		}
	}
}

func FuzzDigests(f *testing.F) {
	for _, s := range []string{"", "sha-256=:AAAA:", sum256("a") + ", " + sum512("b"), `sha-256="a:b"`, "crc32c=:4waSgw==:", "a=:AA:;q=:AA:", "sha-256=:A:", "a=:,:", "=:"} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, strict bool) {
		ds, err := parseDigests(fieldContentDigest, []string{s}, strict)
		if err != nil {
			return
		}
		var again []string
		for _, d := range ds {
			again = append(again, d.String())
		}
		ds2, err := parseDigests(fieldContentDigest, again, false)
		if err != nil || len(ds2) != len(ds) {
			t.Fatalf("%q is %v, then %v, %v", s, ds, ds2, err)
		}
		for i := range ds {
			if ds[i].alg != ds2[i].alg || string(ds[i].sum) != string(ds2[i].sum) || len(ds[i].sum) != hashes[ds[i].alg]().Size() {
				t.Errorf("%q is %v, then %v", s, ds, ds2)
			}
		}
	})
}
