package resource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

func TestNewProblem(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		typ    string
	}{
		{errors.New("secret"), 500, "about:blank"},
		{store.ErrCorrupt, 500, "about:blank"},
		{fmt.Errorf("open /var/lib/x: %w", store.ErrReadOnly), 503, "read-only"},
		{store.ErrClosed, 503, "shutting-down"},
		{store.ErrFull, 507, "quota-exceeded"},
		{store.ErrNotFound, 404, "not-found"},
		{&store.RangeError{Err: store.ErrRangeConflict}, 409, "range-conflict"},
		{&store.RangeError{Err: store.ErrNotAdjacent}, 409, "non-adjacent-write"},
		{&store.RangeError{Err: store.ErrLengthConflict}, 409, "complete-length-conflict"},
		{&store.RangeError{Err: store.ErrTooLarge}, 400, "length-limit-exceeded"},
		{store.ErrMetadataConflict, 409, "metadata-conflict"},
		{store.ErrReplaced, 409, "superseded"},
		{store.ErrIncomplete, 409, "resource-incomplete"},
		{store.ErrTooManyRanges, 409, "too-many-ranges"},
		{store.ErrDigestMismatch, 400, "digest-mismatched-values"},
		{&byteranges.SyntaxError{}, 400, "malformed-patch"},
		{&byteranges.SyntaxError{Err: byteranges.ErrLimit}, 400, "patch-limit-exceeded"},
		{&byteranges.SyntaxError{Err: byteranges.ErrBodyNotEmpty}, 400, "part-body-not-empty"},
		{byteranges.ErrNoRange, 400, "unknown-range"},
		{ranges.ErrUnit, 422, "unknown-range"},
		{byteranges.ErrLengthMismatch, 400, "range-length-mismatch"},
		{byteranges.ErrOverlap, 422, "overlapping-parts"},
		{byteranges.ErrMediaType, 415, "unsupported-media-type"},
		{fmt.Errorf("inside: %w", io.ErrUnexpectedEOF), 400, "incomplete-body"},
		{fmt.Errorf("inside: %w", &interruption{errors.New("read tcp 10.0.0.1")}), 400, "incomplete-body"},
		{fmt.Errorf("inside: %w", &interruption{os.ErrDeadlineExceeded}), 408, "content-timeout"},
		{context.Canceled, 400, "request-canceled"},
		{&stateError{errPrecondition, nil}, 412, "precondition-failed"},
	} {
		p := newProblem(c.err)
		if p.Status != c.status || !strings.HasSuffix(p.Type, c.typ) || p.Title == "" {
			t.Errorf("%v: %+v, want %d %s", c.err, p, c.status, c.typ)
		}
		if strings.Contains(p.Detail, "/var/") || strings.Contains(p.Detail, "10.0.0.1") || strings.Contains(p.Detail, "secret") {
			t.Errorf("%v: detail is %q", c.err, p.Detail)
		}
	}
	// Each type has one status for each of its titles, and every entry can be reached.
	for _, entry := range problemTypes {
		if p := newProblem(entry.err); p.Status != entry.status || p.Type != entry.uri {
			t.Errorf("%v: %+v, want %+v", entry.err, p, entry.problemType)
		}
		if entry.status == 0 || http.StatusText(entry.status) == "" || entry.title == "" {
			t.Errorf("%+v", entry)
		}
	}
}

func TestProblemMembers(t *testing.T) {
	w := newWorld(t)
	w.c10("/c", "e1")
	w.fixture("I8[0,2)[6,8)", "/i")
	for _, c := range []struct {
		s       step
		members []string
	}{
		{step{req: "PATCH /c", header: []string{mb}, body: segment("12-12/*", "x"), status: 409, want: []string{"Upload-Offset: 10", "Upload-Length: 10"}},
			[]string{`"expected":10`, `"provided":12`, `"range":[12,13]`, `"upload-offset":10`, `"upload-complete":true`}},
		{step{req: "PATCH /i", header: []string{mb}, body: segment("2-2/9", "x"), status: 409, want: []string{"Upload-Received: (0 2), (6 8)"}},
			[]string{`"expected":8`, `"provided":9`, `"upload-length":8`, `"received":[[0,2],[6,8]]`, `"upload-complete":false`}},
		{step{req: "PATCH /i", header: []string{mb}, body: segment("0-1/8", "AX"), status: 409}, []string{`"range":[0,2]`}},
		{step{req: "PUT /c", header: []string{"Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}, body: "x", status: 400},
			[]string{`"mismatched_digests":[{"algorithm":"sha-256","header":"Content-Digest","provided_digest":":47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}]`}},
		{step{req: "PUT /c", header: []string{"Repr-Digest: sha-512=:AAAA:"}, body: "x", status: 400},
			[]string{`"invalid_digests":[{"algorithm":"sha-512","header":"Repr-Digest","reason":"digest is not 64 bytes long"}]`}},
		{step{req: "PUT /c", header: []string{"Content-Digest: md5=:AA==:", "Prefer: handling=strict"}, body: "x", status: 400},
			[]string{`"unsupported_algorithms":[{"algorithm":"md5","header":"Content-Digest"}]`}},
	} {
		r := w.do(c.s)
		for _, m := range c.members {
			if !strings.Contains(r.body, m) {
				t.Errorf("%s %s: no %s in %s", c.s.req, c.s.body, m, r.body)
			}
		}
	}
}

// What the store refuses leaves the resource as it was, or with what came before.
func TestStoreLimits(t *testing.T) {
	w := newWorldOn(t, newMemFS(), storeOptions(func(o *storeOpts) { o.MaxRanges, o.MaxLength = 3, 1<<20 }))
	for i := range 3 {
		w.do(step{req: "PUT /a", header: []string{fmt.Sprintf("Content-Range: bytes %d-%d/100", 10*i, 10*i)}, body: "x"})
	}
	w.run(
		step{req: "PUT /a", header: []string{"Content-Range: bytes 90-90/100"}, body: "x", status: 409, typ: "too-many-ranges", want: []string{"Upload-Received: (0 1), (10 11), (20 21)"}},
		step{req: "PUT /a", header: []string{"Content-Range: bytes 1-1/100"}, body: "x", status: 204},
		step{req: "PUT /b", header: []string{"Content-Range: bytes 0-0/1048577"}, body: "x", status: 400, typ: "length-limit-exceeded"},
		step{req: "PATCH /b", header: []string{mb}, body: message("", "Content-Range: bytes */1048577"), status: 400, typ: "length-limit-exceeded"},
		step{req: "PUT /b", header: []string{"Content-Range: bytes 1048576-1048576/*"}, body: "x", status: 400, typ: "length-limit-exceeded"},
		step{req: "HEAD /b", status: 404},
	)

}

// A disk that has filled up takes no more, and what was acknowledged stays; with space again, the upload goes on.
func TestFullDisk(t *testing.T) {
	data := strings.Repeat("x", 20<<20)
	for _, length := range []int{-1, len(data)} {
		disk := &smallFS{FS: newMemFS()}
		disk.free.Store(1 << 40)
		w := newWorldOn(t, disk, storeOptions(func(o *storeOpts) { o.MinFree = 1 << 20 }))
		w.c10("/c", "e1")
		w.fixture("I8[0,2)", "/i")
		f := w.start(step{req: "PUT /a", header: []string{persist}}, length)
		f.send(data[:300])
		disk.free.Store(1000)
		f.write(data[300:])
		if length < 0 {
			f.last()
		}
		f.end(step{req: "PUT /a", status: 507, typ: "quota-exceeded"})

		w.run(
			step{req: "PUT /b", body: "x", status: 507, typ: "quota-exceeded"},
			step{req: "POST /b/", header: []string{"Upload-Length: 5"}, status: 507, typ: "quota-exceeded"},
			step{req: "PUT /i", header: []string{"Content-Range: bytes 2-3/8"}, body: "CD", status: 507, want: []string{"Upload-Received: (0 2)"}},
			step{req: "COPY /c", header: []string{"Destination: /d"}, status: 507},
			step{req: "GET /c", status: 200}, step{req: "HEAD /b", status: 404}, step{req: "DELETE /c", status: 204},
		)
		disk.free.Store(1 << 40)
		offset := 0
		if info, err := w.store.Stat(t.Context(), "/a"); err == nil {
			offset = int(info.Offset)
		}
		w.do(step{req: "PUT /a", header: []string{fmt.Sprintf("Content-Range: bytes %d-%d/%d", offset, len(data)-1, len(data))}, body: data[offset:]})
		w.run(step{req: "GET /a", status: 200, is: &data},
			step{req: "PUT /i", header: []string{"Content-Range: bytes 2-7/8"}, body: "CDEFGH", status: 204, want: []string{"Upload-Complete: ?1"}})
	}
}

// smallFS is a file system that says how much space it has left.
type smallFS struct {
	vfs.FS
	free atomic.Uint64
}

func (fs *smallFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: fs.free.Load(), TotalBytes: 1 << 40}, nil
}

// Each failure is one record: what is the client's fault at Debug, what is ours at Error.
func TestLogging(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(h *Handler) {
		h.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	records := func() string {
		s := log.String()
		log.Reset()
		return s
	}
	w.c10("/a", "e1")
	if s := records(); s != "" {
		t.Errorf("a success is logged: %s", s)
	}
	w.do(step{req: "GET /b%0Alevel=ERROR%20", status: 404})
	if s := records(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=DEBUG") || !strings.Contains(s, "status=404") {
		t.Errorf("404 is logged as %q", s)
	}
	w.h.Store = failingStore{w.h.Store}
	w.do(step{req: "GET /a", status: 500})
	if s := records(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "disk on fire") {
		t.Errorf("500 is logged as %q", s)
	}
}

type failingStore struct{ Store }

func (failingStore) Snapshot(context.Context, string) (Snapshot, error) {
	return nil, errors.New("disk on fire")
}
