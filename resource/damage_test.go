package resource

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/store"
)

// flip changes one byte of a data file, as a disk might.
func flip(t testing.TB, fs vfs.FS, path string, off int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// awaitDamage asks for a resource until HEAD tells that bytes are damaged.
func (w *world) awaitDamage(path string, received string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, w.srv.URL+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		res, err := w.http.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		res.Body.Close()
		if res.Header.Get("Upload-Received") == received {
			return
		}
	}
}

// TestDamaged damages a complete and an incomplete resource, reads them and
// writes what was lost.
func TestDamaged(t *testing.T) {
	const size = 200_000
	b := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	body := string(b)
	fs := vfs.NewMem()
	w := newWorldOn(t, fs, store.Options{VerifyReads: true})
	w.do(step{req: "PUT /a", body: body, status: 201, save: "A"})
	w.do(step{req: "PUT /b", header: []string{"Content-Range: bytes 0-199999/300000"}, body: body, status: 201, save: "B"})
	flip(t, fs, "store/data/00/0000000000000001", 70_000)
	flip(t, fs, "store/data/00/0000000000000002", 70_000)

	for _, path := range []string{"/a", "/b"} { // whoever is the first to read it gets no bad byte and no whole body
		res, err := w.http.Get(w.srv.URL + path)
		if err != nil {
			continue // it is cut off, and a second try of the client too
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode == 200 && (!bytes.HasPrefix(b, got) || len(got) > 65536 || err == nil && path == "/a") {
			t.Fatalf("%s: read %d bytes and %v", path, len(got), err)
		}
	}
	const received = "(0 65536), (131072 200000)"
	w.awaitDamage("/a", received)
	w.awaitDamage("/b", received)

	w.do(step{req: "HEAD /a", status: 200, want: []string{"ETag: $A", "Content-Length: 200000", "Upload-Complete: ?1",
		"Upload-Offset: 200000", "Upload-Length: 200000", "Upload-Received: " + received, `Link: ~rel=".*/ranges"`}})
	w.do(step{req: "GET /a", status: 500, typ: "damaged", want: []string{"ETag: $A", "Accept-Ranges:"}})
	for _, header := range []string{"Want-Repr-Digest: sha-256=1", "Range: bytes=0-70000", "Range: bytes=-199999", "Range: bytes=0-1,131071-131072"} {
		w.do(step{req: "GET /a", header: []string{header}, status: 500, typ: "damaged"})
	}
	w.do(step{req: "HEAD /a", header: []string{"Want-Repr-Digest: sha-256=1"}, status: 500})
	w.do(step{req: "GET /a", header: []string{"Range: bytes=131072-"}, status: 206, is: ptr(body[131072:])})
	w.do(step{req: "GET /a", header: []string{"If-None-Match: $A"}, status: 304})
	w.do(step{req: "GET /.well-known/infill/ranges/a?missing=1", status: 200, want: []string{"Content-Type: application/json"}})
	w.do(step{req: "COPY /a", header: []string{"Destination: /c"}, status: 201})
	w.do(step{req: "GET /c", status: 500, typ: "damaged"})
	w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 65536-131071/200000"}, body: body[65536:131072], status: 204,
		want: []string{"Upload-Received:"}})
	w.do(step{req: "GET /a", header: []string{"Want-Repr-Digest: sha-256=1"}, status: 200, is: &body})
	w.do(step{req: "PUT /c", body: body, status: 204})
	w.do(step{req: "GET /c", status: 200, is: &body})

	w.do(step{req: "HEAD /b", status: 200, want: []string{"Upload-Complete: ?0", "Upload-Offset: 65536", "Content-Length: 65536"}})
	w.do(step{req: "GET /b", status: 200, is: ptr(body[:65536])})
	w.do(step{req: "PUT /b", header: []string{"Content-Range: bytes 65536-131071/300000", "If-Match: $B"}, body: body[65536:131072], status: 412})
	w.do(step{req: "PUT /b", header: []string{"Content-Range: bytes 0-199999/300000"}, body: body, status: 204,
		want: []string{"Upload-Received: (0 200000)"}})
	w.do(step{req: "GET /b", status: 200, is: &body})
}

// TestDamagedRepeat sends requests again whose responses were lost, after the bytes that they wrote were damaged. What was
// made cannot be told from them any more, so the preconditions decide. Without any, the request heals.
func TestDamagedRepeat(t *testing.T) {
	body := strings.Repeat("0123456789", 10_000)
	fs := vfs.NewMem()
	w := newWorldOn(t, fs, store.Options{VerifyReads: true})
	create := step{req: "PUT /a", header: []string{"If-None-Match: *"}, body: body, status: 201, save: "A"}
	w.do(create)
	segment := step{req: "PUT /a", header: []string{"If-Match: $A", "Content-Range: bytes 5-9/*"}, body: "abcde", status: 204}
	flip(t, fs, "store/data/00/0000000000000001", 7000)
	create.status, create.typ, create.save = 412, "precondition-failed", ""
	w.do(create)
	w.awaitDamage("/a", "(65536 100000)")
	w.do(create)
	w.do(segment)
	flip(t, fs, "store/data/00/0000000000000002", 2)
	segment.status, segment.typ = 412, "precondition-failed"
	w.do(segment)
	w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 0-99999/100000"}, body: body, status: 204})
	w.do(step{req: "GET /a", status: 200, is: &body})
}
