package resource

import (
	"bytes"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/infill-http/infill/store"
)

// A badDisk fails operations on data files while it is told to.
type badDisk struct {
	mu   sync.Mutex
	kind errorfs.OpKind
	err  error // nil: all is well
}

func (d *badDisk) set(kind errorfs.OpKind, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kind, d.err = kind, err
}

func (d *badDisk) MaybeError(op errorfs.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil || op.Kind != d.kind || !strings.HasPrefix(op.Path, "store/data") {
		return nil
	}
	return &fs.PathError{Op: "operate", Path: op.Path, Err: d.err}
}

func (d *badDisk) String() string { return "bad disk" }

// TestBadDisk has the disk fail under requests. Each write that fails is
// answered with the problem that it is and with what is committed, and has
// changed nothing; reads go on; and where the failure passes, so do writes.
func TestBadDisk(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   errorfs.OpKind
		err    error
		status int
		typ    string
		title  string
		passes bool
	}{
		{"no space to write", errorfs.OpFileWriteAt, syscall.ENOSPC, 507, "quota-exceeded", "No space left", true},
		{"no space to sync", errorfs.OpFileSyncData, syscall.ENOSPC, 507, "quota-exceeded", "No space left", true},
		{"quota to create", errorfs.OpCreate, syscall.EDQUOT, 507, "quota-exceeded", "No space left", true},
		{"too many files", errorfs.OpOpen, syscall.EMFILE, 500, "", "Internal Server Error", true},
		{"write", errorfs.OpFileWriteAt, syscall.EIO, 503, "read-only", "Server takes no writes", false},
		{"sync", errorfs.OpFileSyncData, syscall.EIO, 503, "read-only", "Server takes no writes", false},
		{"sync of a directory", errorfs.OpFileSync, syscall.EIO, 503, "read-only", "Server takes no writes", false},
		{"create", errorfs.OpCreate, syscall.EROFS, 503, "read-only", "Server takes no writes", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			disk := new(badDisk)
			w := newWorldOn(t, errorfs.Wrap(newMemFS(), disk), store.Options{}, func(h *Handler) {
				h.Logger = slog.New(slog.NewTextHandler(&log, nil))
			})
			w.c10("/c", "e1")
			w.fixture("I8[0,2)", "/i")
			first := step{req: "PUT /new", body: "0123", status: tt.status, typ: tt.typ, want: []string{"Upload-Offset:"}}
			disk.set(tt.kind, tt.err)
			r := w.do(first)
			if !strings.Contains(r.body, `"title":"`+tt.title+`"`) {
				t.Errorf("problem %s", r.body)
			}
			if tt.status == http.StatusServiceUnavailable && r.Header.Get(fieldRetryAfter) == "" {
				t.Error("no Retry-After")
			}
			if strings.Contains(r.body, "store/data") {
				t.Errorf("the problem tells of files: %s", r.body)
			}
			if !strings.Contains(log.String(), tt.err.Error()) {
				t.Errorf("the log does not say why: %s", log.String())
			}
			disk.set(0, nil)
			w.run(
				step{req: "HEAD /new", status: 404},
				step{req: "HEAD /i", status: 200, want: []string{"Upload-Received: (0 2)", "Upload-Complete: ?0"}},
				step{req: "GET /c", status: 200, is: ptr("0123456789")},
			)
			fill := step{req: "PUT /i", header: []string{"Content-Range: bytes 2-3/8"}, body: "CD"}
			if tt.passes {
				first.status, first.typ, first.want = 201, "", nil
				fill.status, fill.want = 204, []string{"Upload-Received: (0 4)"}
				w.run(first, fill, step{req: "DELETE /c", status: 204})
				return
			}
			fill.status, fill.typ, fill.want = 503, "read-only", []string{"Upload-Received: (0 2)", "Upload-Offset: 2"}
			w.run(first, fill,
				step{req: "POST /b/", header: []string{"Upload-Length: 5"}, status: 503, typ: "read-only"},
				step{req: "COPY /c", header: []string{"Destination: /d"}, status: 503, typ: "read-only"},
				step{req: "MOVE /c", header: []string{"Destination: /d"}, status: 503, typ: "read-only"},
				step{req: "DELETE /c", status: 503, typ: "read-only"},
				step{req: "GET /c", status: 200, is: ptr("0123456789")},
			)
		})
	}
}

// TestUnreadable: content that cannot be read to its end does not look whole.
func TestUnreadable(t *testing.T) {
	disk := new(badDisk)
	w := newWorldOn(t, errorfs.Wrap(newMemFS(), disk), store.Options{MaxOpenFiles: -1})
	w.c10("/c", "e1")
	for _, f := range []struct {
		kind errorfs.OpKind
		err  error
	}{{errorfs.OpFileReadAt, syscall.EIO}, {errorfs.OpOpen, syscall.EMFILE}, {errorfs.OpOpen, syscall.EIO}} {
		disk.set(f.kind, f.err)
		res, err := w.http.Get(w.srv.URL + "/c")
		if err == nil {
			var b []byte
			b, err = io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil && res.StatusCode < 500 {
				t.Errorf("%v: status %d, content %q", f.err, res.StatusCode, b)
			}
		}
		w.do(step{req: "GET /c", header: []string{"Want-Content-Digest: sha-256=1"}, status: 500})
		w.do(step{req: "HEAD /c", status: 200})
		disk.set(0, nil)
		w.do(step{req: "GET /c", status: 200, is: ptr("0123456789")})
		w.do(step{req: "PUT /c", header: []string{"Content-Range: bytes 0-0/*"}, body: "0", status: 204})
	}
}
