package resource

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
	"github.com/infill-http/infill/store"
)

// A client that stops sending gets to know it, after a time that really passes.
func TestStall(t *testing.T) {
	w := newWorld(t, func(h *Handler) { h.BodyIdleTimeout = 10 * time.Millisecond })
	doc := segment("2-5/12", "wxyz")
	for i, c := range []struct {
		n       int // Content-Length, or -1 for chunks
		content string
		want    string
	}{
		{len(doc), doc[:33], "01wx456789\r\n"},
		{-1, fmt.Sprintf("%x\r\n%s", len(doc), doc[:33]), "01wx456789\r\n"},
		{-1, fmt.Sprintf("%x\r\n%s\r\n0\r\n", len(doc), doc), "01wxyz6789\r\n"}, // before the end of the trailer section
	} {
		path := fmt.Sprintf("/%d", i)
		w.c12(path, "e1")
		s := step{req: "PATCH " + path, header: []string{mb, persist}, status: 408, typ: "content-timeout", want: []string{"Connection: close"}}
		f := w.start(s, c.n, c.content) // at once, or it would be a race with the timeout
		f.end(s)
		if _, err := f.c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%q: connection stays open: %v", c.content, err)
		}
		if got := w.content(path); got != c.want {
			t.Errorf("%q: %q, want %q", c.content, got, c.want)
		}
	}
}

// A chunk that takes long to come is taken as it comes.
func TestLongChunk(t *testing.T) {
	w := newWorldWith(t, newMemFS(), store.Options{}, func(w *world) { w.srv.Listener = w.meter.listener(w.srv.Listener) })
	s := step{req: "PUT /a", header: []string{persist}, status: 400, typ: "incomplete-body"}
	f := w.start(s, -1)
	f.raw("100000\r\n" + strings.Repeat("x", chunkPiece+1))
	w.meter.took(f.c, f.size)
	if n := w.meter.read(f.id); n != chunkPiece {
		t.Errorf("%d octets were taken, want %d", n, chunkPiece)
	}
	f.cut().end(s)
	w.do(step{req: "HEAD /a", status: 200, want: []string{fmt.Sprintf("Upload-Offset: %d", chunkPiece+1)}})
}

// A persisting request of whose content nothing counts makes no resource, and does not describe the one that there is.
func TestNothingKept(t *testing.T) {
	w := newWorld(t)
	for i, s := range []step{
		{req: "PUT"},
		{req: "PUT", header: []string{"Content-Range: bytes 0-7/8", "Content-Type: text/html"}},
		{req: "PATCH", header: []string{mp}},
		{req: "PATCH", header: []string{ab}},
	} {
		for _, on := range []string{"N", "I8[0,2)"} {
			path := fmt.Sprintf("/cut/%d/%s", i, on)
			w.fixture(on, path)
			before := w.state(path)
			s := step{req: s.req + " " + path, header: append(s.header, persist), status: 400, typ: "incomplete-body"}
			w.start(s, 8).cut().end(s)
			if after := w.state(path); after != before {
				t.Errorf("%s: state was\n%s\nand is\n%s", s.req, before, after)
			}
		}
	}

	// The same for parts that turn out to be wrong, or are cut off before their first byte.
	wrong := "Content-Digest: " + sum256("other")
	for i, doc := range []string{
		multipart(message("CD", "Content-Range: bytes 2-3/8", "Content-Type: text/html", wrong)),
		multipart(message("CD", "Content-Range: bytes 2-3/8", wrong), segment("4-5/8", "EF")),
		strings.TrimSuffix(multipart(message("", "Content-Range: bytes 2-3/8", "Content-Type: text/html")), "\r\n--B--\r\n"),
	} {
		for _, on := range []string{"N", "I8[0,2)"} {
			path := fmt.Sprintf("/wrong/%d/%s", i, on)
			w.fixture(on, path)
			before := w.state(path)
			w.do(step{req: "PATCH " + path, header: []string{mp, persist}, body: doc, status: 400})
			if after := w.state(path); after != before {
				t.Errorf("%q: state was\n%s\nand is\n%s", doc, before, after)
			}
		}
	}

	// A part that is right is kept, and so is one without bytes.
	w.do(step{req: "PATCH /first", header: []string{mp, persist}, status: 400, want: []string{"Upload-Received: (0 2)", "Upload-Length: 8"},
		body: multipart(message("AB", "Content-Range: bytes 0-1/8", "Content-Digest: "+sum256("AB")), message("CD", "Content-Range: bytes 2-3/8", wrong))})
	w.do(step{req: "PATCH /empty", header: []string{mp, persist}, status: 400, want: []string{"Upload-Received:", "Upload-Length: 8"},
		body: multipart(message("", "Content-Offset: 0;complete-length=8"), message("CD", "Content-Range: bytes 2-3/8", wrong))})
}

func TestInterruptedPut(t *testing.T) {
	w := newWorld(t)
	data := strings.Repeat("x", 600)
	put := func(path string, header ...string) step {
		return step{req: "PUT " + path, header: header, status: 400, typ: "incomplete-body"}
	}
	state := []string{"Content-Length: 200", "Upload-Offset: 200", "Upload-Length: 600", "Upload-Complete: ?0", "Upload-Received: (0 200)"}

	w.start(put("/a", persist), 600).send(data[:200]).cut().end(put("/a"))
	w.do(step{req: "HEAD /a", status: 200, want: state})
	w.run(step{req: "PUT /a", header: []string{"Content-Range: bytes 200-599/600"}, body: data[200:], status: 204, want: []string{"Upload-Complete: ?1"}},
		step{req: "GET /a", status: 200, is: &data})

	// What arrived is kept although the length is not the one that all of it would make.
	w.c10("/k", "e1")
	w.start(put("/k", persist, "Content-Range: bytes 10-19/20"), 10).send("abcde").cut().end(put("/k"))
	grown := "0123456789abcde"
	w.do(step{req: "GET /k", status: 200, is: &grown})

	w.start(put("/b"), 600).send(data[:200]).cut().end(put("/b"))
	w.do(step{req: "HEAD /b", status: 404})

	// Over another resource, nothing of it stays.
	w.c10("/c", "e1")
	w.fixture("I8[0,2)", "/i")
	for _, path := range []string{"/c", "/i"} {
		before := w.state(path)
		r := w.start(put(path, persist), 600).send(data[:200]).cut().end(put(path))
		if after := w.state(path); after != before || r.Header.Get("Preference-Applied") != "" {
			t.Errorf("%s was\n%s\nand is\n%s: %v", path, before, after, r.Header)
		}
	}

	// A chunked one declares no length before its end, which is its last chunk.
	for _, end := range []string{"", "0\r\n"} {
		for _, keep := range []bool{false, true} {
			s := put("/d")
			if keep {
				s.header = []string{persist}
			}
			f := w.start(s, -1)
			f.write("0123456789")
			f.raw(end)
			f.cut().end(s)
			if !keep {
				w.do(step{req: "HEAD /d", status: 404})
				continue
			}
			w.run(step{req: "HEAD /d", status: 200, want: []string{"Upload-Offset: 10", "Upload-Length:", "Upload-Complete: ?0"}},
				step{req: "DELETE /d", status: 204})
		}
	}

	// With a digest nothing counts before the end, and then what came.
	digest := "Content-Digest: " + sum256(data)
	f := w.start(put("/e", persist, digest), 600).send(data[:200])
	w.do(step{req: "HEAD /e", status: 404})
	f.cut().end(put("/e"))
	w.do(step{req: "HEAD /e", status: 200, want: state})

	// A segment that is cut off.
	w.start(put("/f", persist, "Content-Range: bytes 100-599/600"), 500).send(data[:150]).cut().end(put("/f"))
	w.do(step{req: "HEAD /f", status: 200, want: []string{"Upload-Received: (100 250)", "Upload-Length: 600"}})

	// With a key, an allocation that was cut off can be found again.
	post := step{req: "POST /g/", header: []string{persist, "Idempotency-Key: k"}, status: 400, typ: "incomplete-body"}
	w.start(post, 600).send(data[:200]).cut().end(post)
	l := w.allocate(step{req: "POST /g/", header: []string{"Idempotency-Key: k"}, body: data, want: state[1:]})
	w.do(step{req: "HEAD " + l, status: 200, want: state})
}

// What arrives is committed while the rest is under way.
func TestPersistIsContinuous(t *testing.T) {
	w := newWorldOn(t, newMemFS(), storeOptions(func(o *storeOpts) { o.PersistBytes, o.PersistInterval = 1000, time.Hour }))
	data := strings.Repeat("x", 100_000)
	s := step{req: "PUT /a", header: []string{persist, "Incremental: ?1"}, status: 201, want: []string{"Preference-Applied: transaction=persist", "Upload-Complete: ?1"}}
	f := w.start(s, len(data)).send(data[:50_000])
	for {
		info, err := w.store.Stat(t.Context(), "/a")
		if err == nil && info.Offset >= 40_000 {
			break
		}
	}
	w.do(step{req: "HEAD /a", status: 200, want: []string{"Upload-Length: 100000", "Upload-Complete: ?0"}})
	w.do(step{req: "PUT /a", header: []string{"If-None-Match: *"}, body: "x", status: 412})
	f.send(data[50_000:]).end(s)
	w.do(step{req: "GET /a", status: 200, is: &data})

	// With a digest, nothing is committed before the end.
	s = step{req: "PUT /b", header: []string{persist, "Content-Digest: " + sum256("other")}, status: 400, typ: "digest-mismatched-values"}
	f = w.start(s, len(data)).send(data[:len(data)-1])
	w.do(step{req: "HEAD /b", status: 404})
	f.send(data[len(data)-1:]).end(s)
	w.do(step{req: "HEAD /b", status: 404})
}

func TestExpectContinue(t *testing.T) {
	w := newWorld(t, func(h *Handler) { h.MaxContent = 1000 })
	w.c10("/a", "e1")
	for _, s := range []step{
		{req: "PUT /a", header: []string{`If-Match: "zz"`}, status: 412},
		{req: "PATCH /a", header: []string{"Content-Type: text/plain"}, status: 415},
		{req: "PATCH /a", header: []string{mb, "Content-Encoding: br"}, status: 415},
		{req: "PUT /a", header: []string{"If-Match: zz"}, status: 400},
		{req: "PUT /a", header: []string{"Content-Range: x"}, status: 400},
		{req: "POST /a", status: 405},
	} {
		s.header = append(s.header, "Expect: 100-continue")
		s.want = []string{"Connection: close"}
		f := w.start(s, 100)
		f.end(s) // the first response there is
	}
	s := step{req: "PUT /a", header: []string{"Expect: 100-continue"}, status: 413}
	w.start(s, 1001).end(s)

	s = step{req: "PUT /a", header: []string{"Expect: 100-continue", persist}, status: 204}
	f := w.start(s, 5)
	got := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := io.ReadFull(f.c, got); err != nil || string(got) != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("%q, %v", got, err)
	}
	f.send("hello").end(s)

	// A client of HTTP/1.0 gets only the final response.
	c := w.dial()
	fmt.Fprintf(c, "PUT /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\nPrefer: transaction=persist\r\n\r\nhello")
	b, err := io.ReadAll(c)
	if err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.0 204")) || bytes.Contains(b, []byte(" 100 ")) {
		t.Errorf("%q, %v", b, err)
	}
}

// A client that sends without waiting gets to read why it should not have.
func TestEarlyResponses(t *testing.T) {
	w := newWorld(t)
	w.c10("/a", "e1")
	s := step{req: "PUT /a", header: []string{`If-Match: "zz"`}, status: 412, typ: "precondition-failed"}
	size := 16 << 20
	for range 3 {
		f := w.start(s, size)
		f.write(strings.Repeat("x", size)) // all of it before it reads
		f.end(step{req: s.req, status: 412, want: []string{"Connection: close"}})

		big := s
		big.nolen = true
		big.body = strings.Repeat("x", size)
		w.do(big)
	}

	// Little content does not cost the connection, and what comes after it is the next request.
	c := w.dial()
	r := bufio.NewReader(c)
	for range 3 {
		fmt.Fprintf(c, "PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n\r\nDELETE /a HTTP/1.1\r\nHost: x\r\nX: yz\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != 415 || res.Close {
			t.Fatal(res, err)
		}
		io.Copy(io.Discard, res.Body)
	}
	w.do(step{req: "GET /a", status: 200, want: []string{"Etag: $e1"}})
}

// Content that never comes delays nothing, and ends the connection: what comes later is no request.
func TestContentNeverComes(t *testing.T) {
	t.Parallel() // it takes as long as the server has patience
	w := newWorld(t)
	c := w.dial()
	fmt.Fprintf(c, "PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 36\r\n\r\nabc")
	if err := c.SetReadDeadline(time.Now().Add(10 * drainIdle)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 415 {
		t.Fatal(res, err)
	}
	io.Copy(io.Discard, res.Body)
	if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("connection stays open: %v", err)
	}
}

func TestBodyFinish(t *testing.T) {
	for _, c := range []struct {
		content string
		read    int
		want    error
	}{{"", 0, nil}, {"abc", 3, nil}, {"abc", 2, errTrailing}} {
		r, err := http.NewRequest("PUT", "/", io.MultiReader(strings.NewReader(c.content)))
		if err != nil {
			t.Fatal(err)
		}
		b := newBody(nil, r, pace.Limit{}, 0)
		if _, err := io.ReadFull(b, make([]byte, c.read)); err != nil {
			t.Fatal(err)
		}
		if err := b.finish(); !errors.Is(err, c.want) || err == nil && !b.complete() {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
