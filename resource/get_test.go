package resource

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	stdmultipart "mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/infill-http/infill/ranges"
)

// ranged is a GET of X with Range.
func ranged(value string, status int, content string, want ...string) step {
	s := step{req: "GET X", header: []string{"Range: " + value}, status: status, want: want}
	if status < 400 {
		s.is = &content
	}
	return s
}

func TestGet(t *testing.T) {
	whole := "0123456789"
	none := "Content-Range:"
	newWorld(t).vectors(t, []vector{
		{"absent", "N", []step{gone, {req: "HEAD X", status: 404}, ranged("bytes=0-0", 404, "", none),
			{req: "GET X", header: []string{"If-Match: *"}, status: 404}}},
		{"complete", "C10", []step{
			get(whole, "Content-Length: 10", "Etag: $e1", "Last-Modified: ~GMT$", "Accept-Ranges: bytes", "Content-Type: text/plain",
				"Cache-Control: no-cache, no-transform", "Vary: Origin", "Accept-Patch: "+acceptPatch, "Allow: "+methodsResource),
			{req: "HEAD X", status: 200, is: ptr(""), want: []string{"Content-Length: 10", "Etag: $e1", "Last-Modified: ~GMT$",
				"Content-Type: text/plain", "Upload-Complete: ?1", "Cache-Control: no-cache, no-transform"}},
			get(whole, "Etag: $e1").as("Accept-Encoding: gzip"),
			get(whole).as("Accept-Encoding: identity;q=0")}},

		{"not for HEAD", "C10", []step{{req: "HEAD X", header: []string{"Range: bytes=0-1"}, status: 200, want: []string{"Content-Length: 10"}}}},
		{"unknown unit", "C10", []step{ranged("items=0-1", 200, whole, none)}},
		{"unit in capitals", "C10", []step{ranged("Bytes=0-1", 206, "01", "Content-Range: bytes 0-1/10")}},
		{"large numbers", "C10", []step{
			ranged("bytes=0-99999999999999999999", 206, whole, "Content-Range: bytes 0-9/10"),
			ranged("bytes=99999999999999999999-", 416, "", "Content-Range: bytes */10"),
			ranged("bytes=-99999999999999999999", 206, whole, "Content-Range: bytes 0-9/10")}},
		{"suffix of 0", "C10", []step{ranged("bytes=-0", 416, "", "Content-Range: bytes */10"), ranged("bytes=0-0,-0", 206, "0")}},
		{"invalid", "C10", []step{ranged("bytes=0-1,2-1", 200, whole), ranged("bytes=", 200, whole), ranged("bytes=,", 200, whole),
			ranged("bytes=+1-2", 200, whole), ranged("bytes=1 - 2", 200, whole), ranged("bytes=a-b", 200, whole)}},
		{"two lines", "C10", []step{ranged("bytes=0-0", 200, whole).as("Range: bytes=1-1")}},
		{"unsatisfiable", "C10", []step{ranged("bytes=20-30", 416, "", "Content-Range: bytes */10"), ranged("bytes=20-30,0-0", 206, "0")}},
		{"after preconditions", "C10", []step{ranged("bytes=0-1", 304, "").as("If-None-Match: $e1"), ranged("bytes=0-1", 412, "").as(`If-Match: "x"`)}},
		{"empty", "N", []step{put("", 201, ""), ranged("bytes=0-", 200, ""), ranged("bytes=-5", 200, "")}},
		{"one range", "C10", []step{ranged("bytes=0-1", 206, "01", "Content-Range: bytes 0-1/10", "Content-Length: 2", "Etag: $e1",
			"Last-Modified: ~GMT$", "Content-Type: text/plain", "Cache-Control: no-cache, no-transform", "Vary: Origin", "Accept-Ranges: bytes")}},
		{"merged", "C10", []step{ranged("bytes=0-4,3-9", 206, whole, "Content-Range: bytes 0-9/10"), ranged("bytes=5-9,2-4,0-1", 206, whole)}},
		{"not merged", "C10", []step{
			{req: "GET X", header: []string{"Range: bytes=8-9,0-1"}, status: 206, want: []string{"Content-Range:", "Content-Type: ~^multipart/byteranges; boundary="}},
			{req: "GET X", header: []string{"Range: bytes=,0-0 ,, 2-2"}, status: 206, want: []string{"Content-Range:", "Content-Type: ~^multipart/byteranges; boundary="}}}},
		{"far too many", "C10", []step{ranged("bytes="+strings.Repeat("0-,", 1000)+"0-", 200, whole), ranged("bytes="+strings.Repeat("0-0,", 10000)+"0-0", 200, whole)}},

		{"If-Range alone", "C10", []step{get(whole).as("If-Range: $e1")}},
		{"If-Range", "C10", []step{
			ranged("bytes=0-1", 206, "01", "Content-Type:", "Last-Modified:", "Etag: $e1").as("If-Range: $e1"),
			ranged("bytes=0-1", 200, whole).as("If-Range: W/$e1"),
			ranged("bytes=0-1", 200, whole).as(`If-Range: "zz"`),
			ranged("bytes=0-1", 200, whole).as("If-Range: garbage"),
			ranged("bytes=99-", 200, whole).as(`If-Range: "zz"`)}},

		{"incomplete", "I8[0,2)[6,8)", []step{
			{req: "HEAD X", status: 200, is: ptr(""), want: []string{"Content-Length: 2", "Upload-Offset: 2", "Upload-Length: 8",
				"Upload-Received: (0 2), (6 8)", "Upload-Complete: ?0", "Cache-Control: no-store", "Etag: $e1",
				`Link: ~^</\.well-known/infill/ranges/v/[^>]*>; rel="[^"]*"; type="application/json"$`}},
			get("AB", "Upload-Complete: ?0", "Upload-Offset: 2", "Cache-Control: no-store", "Content-Length: 2"),
			ranged("bytes=0-", 206, "AB", "Content-Range: bytes 0-1/*", "Cache-Control: no-store", "Upload-Complete: ?0"),
			ranged("bytes=6-7", 416, "", "Content-Range: bytes */2", "Upload-Offset: 2"),
			{req: "HEAD X", header: []string{"Want-Repr-Digest: sha-256=10"}, status: 200, want: []string{"Repr-Digest:"}}}},
		{"of unknown length", "IX[0,2)", []step{{req: "HEAD X", status: 200, want: []string{"Content-Length: 2", "Upload-Length:", "Upload-Offset: 2"}}}},
	})
}

// A representation that is too large for one part to be near another.
func large() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "%06d\n\n", i)
	}
	return b.String()
}

func TestGetParts(t *testing.T) {
	w := newWorld(t)
	all := large()
	w.put("/a", all, "e1", "Content-Type: text/csv", "Content-Encoding: gzip")
	w.do(step{req: "PATCH /i", header: []string{mb}, body: segment("0-7999/9000", all), status: 201, save: "e2"})
	for _, c := range []struct {
		path, ranges string
		want         [][2]int
		length       string
	}{
		{"/a", "bytes=0-1,4000-4004", [][2]int{{0, 2}, {4000, 4005}}, "8000"},
		{"/a", "bytes=,0-0 ,, 2000-2000", [][2]int{{0, 1}, {2000, 2001}}, "8000"},
		{"/a", "bytes= 0-999, 4500-5499, -1000", [][2]int{{0, 1000}, {4500, 5500}, {7000, 8000}}, "8000"},
		{"/a", "bytes=5000-5009,0-9,5010-5059", [][2]int{{5000, 5060}, {0, 10}}, "8000"},
		{"/a", "bytes=0-1,4-5", [][2]int{{0, 2}, {4, 6}}, "8000"},
		{"/i", "bytes=0-1,4000-4004", [][2]int{{0, 2}, {4000, 4005}}, "*"},
	} {
		r := w.do(step{req: "GET " + c.path, header: []string{"Range: " + c.ranges}, status: 206, want: []string{"Content-Range:",
			"Content-Encoding: ~^(gzip)?$", `Content-Type: ~^multipart/byteranges; boundary=[A-Za-z0-9]{22,70}$`}})
		if n := fmt.Sprint(len(r.body)); r.Header.Get("Content-Length") != n {
			t.Errorf("%s: Content-Length %s of %s", c.ranges, r.Header.Get("Content-Length"), n)
		}
		_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		parts := stdmultipart.NewReader(strings.NewReader(r.body), params["boundary"])
		for i, want := range c.want {
			p, err := parts.NextRawPart()
			if err != nil {
				t.Fatalf("%s: part %d: %v", c.ranges, i, err)
			}
			b, err := io.ReadAll(p)
			if err != nil || string(b) != all[want[0]:want[1]] {
				t.Errorf("%s: part %d is %q, %v", c.ranges, i, b, err)
			}
			header := textproto.MIMEHeader{"Content-Range": {fmt.Sprintf("bytes %d-%d/%s", want[0], want[1]-1, c.length)}}
			if c.path == "/a" {
				header.Set("Content-Type", "text/csv")
			}
			if fmt.Sprint(header) != fmt.Sprint(p.Header) {
				t.Errorf("%s: part %d has %v, want %v", c.ranges, i, p.Header, header)
			}
		}
		if _, err := parts.NextPart(); err != io.EOF {
			t.Errorf("%s: after the last part: %v", c.ranges, err)
		}
	}
}

// An If-Range date counts only where no second change in its second is possible.
func TestIfRangeDate(t *testing.T) {
	w := newWorld(t)
	w.c10("/a", "e1")
	r := w.do(step{req: "HEAD /a", status: 200})
	date, err := http.ParseTime(r.Header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	get := func(date time.Time, status int) {
		t.Helper()
		w.do(step{req: "GET /a", header: []string{"Range: bytes=0-1", "If-Range: " + date.UTC().Format(http.TimeFormat)}, status: status})
	}
	get(date, 206)
	get(date.Add(time.Second), 200)
	get(date.Add(-time.Second), 200)
	w.run(
		step{req: "PATCH /a", header: []string{mb}, body: segment("0-0/10", "x"), status: 204},
		step{req: "PATCH /a", header: []string{mb}, body: segment("0-0/10", "y"), status: 204})
	r = w.do(step{req: "HEAD /a", status: 200})
	if date, err = http.ParseTime(r.Header.Get("Last-Modified")); err != nil {
		t.Fatal(err)
	}
	get(date, 200)
}

func TestIncompleteGet(t *testing.T) {
	for _, c := range []struct {
		mode   IncompleteGet
		status int
		want   []string
	}{
		{"", 200, []string{"Upload-Offset: 2"}},
		{IncompletePrefix, 200, []string{"Upload-Offset: 2"}},
		{IncompleteNotFound, 404, []string{"Upload-Offset:", "Upload-Complete:", "Etag:", "Cache-Control: no-store"}},
		{IncompleteConflict, 409, []string{"Upload-Offset: 2", "Cache-Control: no-store"}},
	} {
		w := newWorld(t, func(h *Handler) { h.IncompleteGet = c.mode })
		w.fixture("I8[0,2)", "/i")
		w.fixture("C10", "/c")
		w.run(
			step{req: "GET /i", status: c.status, want: c.want},
			step{req: "HEAD /i", status: 200, want: []string{"Upload-Offset: 2"}},
			step{req: "GET /c", status: 200})
	}
}

func TestReceivedIsCapped(t *testing.T) {
	w := newWorld(t, func(h *Handler) { h.MaxReceived, h.MaxReceivedBytes = 3, 100 })
	var parts []string
	for i := range 10 {
		parts = append(parts, segment(fmt.Sprintf("%d-%d/100", 10*i, 10*i), "x"))
	}
	w.run(
		step{req: "PATCH /a", header: []string{mp}, body: multipart(parts...), status: 201},
		step{req: "HEAD /a", status: 200, want: []string{"Upload-Received: (0 1), (10 11), (20 21)", "Link: ~; truncated$"}},
	)
}

// Content of a type that a browser might run gets no chance to, and no other is changed.
func TestSafety(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		contentType, policy string
	}{
		{"text/html", "sandbox"}, {"TEXT/HTML; charset=utf-8", "sandbox"}, {"image/svg+xml", "sandbox"}, {"application/xml", "sandbox"},
		{"text/javascript", "sandbox"}, {"application/xhtml+xml", "sandbox"}, {"nonsense", "sandbox"}, {"text/html;;;", "sandbox"},
		{"", ""}, {"text/plain", ""}, {"image/png", ""}, {"video/mp4", ""}, {"application/octet-stream", ""}, {"application/json", ""},
	} {
		path := fmt.Sprintf("/%d", i)
		w.put(path, "<script>", "e1", "Content-Type: "+c.contentType)
		w.do(step{req: "GET " + path, status: 200, want: []string{"Content-Security-Policy: " + c.policy, "Content-Disposition:"}})
		w.do(step{req: "GET " + path, header: []string{"Range: bytes=0-0"}, status: 206, want: []string{"Content-Security-Policy: " + c.policy}})
	}
}

// The time of the file system may lie in the future.
func TestLastModifiedIsNotInTheFuture(t *testing.T) {
	w := newWorld(t)
	w.c10("/a", "e1")
	info, err := w.store.Stat(t.Context(), "/a")
	if err != nil {
		t.Fatal(err)
	}
	future := *info
	future.Modified = time.Now().Add(time.Hour)
	hd := make(http.Header)
	setValidators(hd, &future)
	got, err := http.ParseTime(hd.Get("Last-Modified"))
	if err != nil || got.After(time.Now()) {
		t.Errorf("Last-Modified is %v, %v", got, err)
	}
}

// A response that cannot be sent to its end does not look whole.
func TestGetIsCutOff(t *testing.T) {
	w := newWorld(t)
	all := strings.Repeat("0123456789abcdef", 1<<16)
	w.put("/a", all, "e1")
	w.h.Store = shortStore{w.h.Store}
	for _, client := range []*http.Client{w.http, w.h2()} {
		for _, rng := range []string{"", "bytes=0-700000", "bytes=0-9,500000-700000"} {
			req, err := http.NewRequest("GET", w.srv.URL+"/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Range", rng)
			res, err := client.Do(req)
			if err != nil {
				continue // not even a response
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil {
				t.Errorf("%s %q: %d bytes without an error", res.Proto, rng, len(b))
			}
		}
	}
}

// shortStore is a store whose snapshots lose their bytes from 100,000 on.
type shortStore struct{ Store }

func (s shortStore) Snapshot(ctx context.Context, name string) (Snapshot, error) {
	sn, err := s.Store.Snapshot(ctx, name)
	return shortSnapshot{sn}, err
}

type shortSnapshot struct{ Snapshot }

func (s shortSnapshot) WriteRange(w io.Writer, r ranges.Range) (int64, error) {
	var b bytes.Buffer
	if _, err := s.Snapshot.WriteRange(&b, r); err != nil {
		return 0, err
	}
	const lost = 100_000
	keep := max(0, min(int64(b.Len()), lost-r.Start))
	n, err := w.Write(b.Bytes()[:keep])
	if err == nil && keep < r.Len() {
		err = io.ErrUnexpectedEOF
	}
	return int64(n), err
}
