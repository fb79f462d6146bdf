package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A rawRequest is a request as it goes over the connection, and what has to come back.
type rawRequest struct {
	head    string // without the empty line; lines end in LF
	content string
	status  int
	want    string // content of the response, unless empty
}

func (r rawRequest) String() string {
	return strings.ReplaceAll(r.head, "\n", "\r\n") + "\r\n\r\n" + r.content
}

// exchange sends list in one packet on a new connection, and checks the responses. It returns the rest of the connection,
// which is at its end if closed is true.
func (h *host) exchange(list []rawRequest, closed bool) {
	h.t.Helper()
	var all strings.Builder
	for _, r := range list {
		all.WriteString(r.String())
	}
	c := dial(h.t, h.addr)
	defer c.Close()
	if _, err := io.WriteString(c, all.String()); err != nil {
		h.t.Fatal(err)
	}
	br := bufio.NewReader(c)
	for i, r := range list {
		if r.status == 0 {
			break // it is not reached
		}
		method, _, _ := strings.Cut(r.head, " ")
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			h.t.Fatalf("response %d, to %q: %v", i, r.head, err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			h.t.Fatalf("response %d, to %q: %v", i, r.head, err)
		}
		if res.StatusCode != r.status || r.want != "" && string(b) != r.want {
			h.t.Fatalf("response %d, to %q: %s %q, want %d %q", i, r.head, res.Status, b, r.status, r.want)
		}
	}
	if closed {
		if b, err := io.ReadAll(br); err != nil || len(b) > 0 {
			h.t.Fatalf("after the responses: %q, %v, want the end of the connection", b, err)
		}
	}
}

// segment is a patch document, and what precedes it.
func segment(path, contentRange, content string, fields ...string) rawRequest {
	doc := "Content-Range: " + contentRange + "\r\n\r\n" + content
	return rawRequest{
		head: fmt.Sprintf("PATCH %s HTTP/1.1\nHost: h\nContent-Type: message/byterange\n%sContent-Length: %d",
			path, strings.Join(append(fields, ""), "\n"), len(doc)),
		content: doc,
	}
}

func (r rawRequest) gets(status int, want ...string) rawRequest {
	r.status, r.want = status, strings.Join(want, "")
	return r
}

// TestPipelining checks that requests that come in one packet have their effects and get their answers in order, and that
// one that fails takes its own content with it, and no more.
func TestPipelining(t *testing.T) {
	h := startHost(t, vfs.Default, "--durability=none")
	get := rawRequest{head: "GET /a HTTP/1.1\nHost: h"}
	head := rawRequest{head: "HEAD /a HTTP/1.1\nHost: h"}
	put := rawRequest{head: "PUT /a HTTP/1.1\nHost: h\nContent-Length: 10", content: "0123456789"}
	chunks := rawRequest{head: "PUT /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: "4;x=y\r\nABCD\r\n2\r\nEF\r\n0\r\nX: y\r\n\r\n"}
	remove := rawRequest{head: "DELETE /a HTTP/1.1\nHost: h"}
	h.exchange([]rawRequest{
		get.gets(404), put.gets(201), head.gets(200), get.gets(200, "0123456789"),
		segment("/a", "bytes 2-5/10", "wxyz").gets(204), get.gets(200, "01wxyz6789"),
		chunks.gets(204), get.gets(200, "ABCDEF"), remove.gets(204), head.gets(404),
		segment("/a", "bytes 4-7/8", "EFGH").gets(201), segment("/a", "bytes 0-3/8", "ABCD").gets(204), get.gets(200, "ABCDEFGH"),
	}, false)

	// Errors before, in and after the content, whose octets look like requests.
	const inside = "DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n"
	refused := rawRequest{
		head:    fmt.Sprintf("PATCH /a HTTP/1.1\nHost: h\nContent-Type: text/plain\nContent-Length: %d", len(inside)),
		content: inside,
	}
	h.exchange([]rawRequest{
		refused.gets(415), get.gets(200, "ABCDEFGH"),
		segment("/a", "bytes 0-3/8", inside).gets(400), get.gets(200, "ABCDEFGH"),
		segment("/a", "bytes 0-3/8", "wxyz", `If-Match: "other"`).gets(412), get.gets(200, "ABCDEFGH"),
		segment("/a", "bytes 7-3/8", inside).gets(400), get.gets(200, "ABCDEFGH"),
	}, false)

	// With more content than is read for it, the connection ends: what is left is no request.
	long := strings.Repeat(inside, 8000)
	h.exchange([]rawRequest{
		get.gets(200), {head: fmt.Sprintf("PUT /a HTTP/1.1\nHost: h\nIf-Match: \"other\"\nContent-Length: %d", len(long)), content: long, status: 412},
		remove,
	}, true)
	h.exchange([]rawRequest{get.gets(200, "ABCDEFGH")}, false)
}

// TestSmuggling checks that what could be two requests, depending on who reads it, is none: the connection ends, and
// neither has an effect. (The grammar has tests of its own.) What is content for all readers is content, whatever it looks
// like.
func TestSmuggling(t *testing.T) {
	h := startHost(t, vfs.Default, "--durability=none")
	const inside = "DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n"
	put := rawRequest{head: "PUT /a HTTP/1.1\nHost: h\nContent-Length: 2", content: "ok"}
	h.exchange([]rawRequest{put.gets(201)}, false)
	for _, bad := range []rawRequest{
		{head: fmt.Sprintf("PUT /b HTTP/1.1\nHost: h\nContent-Length: %d\nTransfer-Encoding: chunked", 5+len(inside)), content: "0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nContent-Length: 4", content: "5c\r\n" + inside},
		{head: fmt.Sprintf("PUT /b HTTP/1.1\nHost: h\nContent-Length: 0\nContent-Length: %d", len(inside)), content: inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nContent-Length: 0\nContent-Length: 0", content: inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nContent-Length: 0, 0", content: inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTransfer-Encoding: identity", content: "0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding : chunked", content: "0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nX: y\n Transfer-Encoding: chunked", content: "0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: "0\n\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: "0x0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: "2\r\nokx\r\n0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: "2;\n" + "ok\r\n0\r\n\r\n" + inside},
		{head: "PUT /b HTTP/1.0\nHost: h\nTransfer-Encoding: chunked", content: "0\r\n\r\n" + inside},
	} {
		h.exchange([]rawRequest{{head: "GET /a HTTP/1.1\nHost: h", status: 200, want: "ok"}, bad.gets(400), {head: inside}}, true)
		for path, want := range map[string]int{"/a": 200, "/b": 404} {
			if res, _ := h.do("HEAD", path, ""); res.StatusCode != want {
				t.Fatalf("after %q, HEAD %s is %s, want %d", bad, path, res.Status, want)
			}
		}
	}

	part := "GET /admin HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + inside
	h.exchange([]rawRequest{
		segment("/c", fmt.Sprintf("bytes 0-%d/%d", len(part)-1, len(part)), part).gets(201),
		{head: "GET /c HTTP/1.1\nHost: h", status: 200, want: part},
		{head: "PUT /d HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", content: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(part), part), status: 201},
		{head: "GET /d HTTP/1.1\nHost: h", status: 200, want: part},
		{head: "GET /a HTTP/1.1\nHost: h", status: 200, want: "ok"},
	}, false)

	// A document that is a request itself, before its fields: it has no Content-Range then.
	doc := "GET /admin HTTP/1.1\r\nContent-Range: bytes 0-1/2\r\n\r\nxy"
	h.exchange([]rawRequest{
		{head: fmt.Sprintf("PATCH /e HTTP/1.1\nHost: h\nContent-Type: message/byterange\nContent-Length: %d", len(doc)), content: doc, status: 400},
		{head: "GET /e HTTP/1.1\nHost: h", status: 404},
	}, false)
}
