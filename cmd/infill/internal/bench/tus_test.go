package bench

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var tusd = flag.String("tusd", "", "path of a tusd that TestTusd runs")

// A fakeTus is a server of tus 1.0.0, written from its specification, that refuses
// what a client should not send.
type fakeTus struct {
	extensions string

	mu      sync.Mutex // guards what follows
	uploads map[string]*tusUpload
	next    int
	finals  int // uploads that were concatenated
}

type tusUpload struct {
	offset, length int64
	partial        bool
}

func newFakeTus() *fakeTus {
	return &fakeTus{
		extensions: "creation,creation-with-upload,termination,concatenation",
		uploads:    make(map[string]*tusUpload),
	}
}

func (f *fakeTus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A body is read to its end before it counts, so that one that was cut off
	// leaves what was there.
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Tus-Resumable", tusVersion)
	if r.Method == http.MethodOptions {
		w.Header().Set("Tus-Extension", f.extensions)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := f.serve(w, r, n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (f *fakeTus) serve(w http.ResponseWriter, r *http.Request, n int64) error {
	if r.Header.Get("Tus-Resumable") != tusVersion {
		return fmt.Errorf("no version")
	}
	if r.URL.Path == "/files/" {
		if r.Method != http.MethodPost {
			return fmt.Errorf("%s of the endpoint", r.Method)
		}
		return f.create(w, r, n)
	}
	u, ok := f.uploads[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return nil
	}
	switch r.Method {
	case http.MethodPatch:
		if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
			return fmt.Errorf("type of content is %q", r.Header.Get("Content-Type"))
		}
		if off := r.Header.Get("Upload-Offset"); off != strconv.FormatInt(u.offset, 10) || u.offset+n > u.length {
			return fmt.Errorf("%d bytes at %s, want them at %d of %d", n, off, u.offset, u.length)
		}
		u.offset += n
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
	case http.MethodHead:
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.offset, 10))
		w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodDelete:
		delete(f.uploads, r.URL.Path)
	default:
		return fmt.Errorf("%s of an upload", r.Method)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (f *fakeTus) create(w http.ResponseWriter, r *http.Request, n int64) error {
	u := new(tusUpload)
	concat, final := strings.CutPrefix(r.Header.Get("Upload-Concat"), "final;")
	if final {
		if r.Header.Get("Upload-Length") != "" {
			return fmt.Errorf("a final upload with a length")
		}
		short := false
		for url := range strings.SplitSeq(concat, " ") {
			_, path, ok := strings.Cut(url, r.Host)
			part := f.uploads[path]
			if !ok || part == nil || !part.partial || part.offset != part.length {
				return fmt.Errorf("%s is not a partial upload that is complete", url)
			}
			// The lanes that are shorter are those with the cut segment: only
			// the last one.
			if short {
				return fmt.Errorf("%s comes after the last one", url)
			}
			short = part.length%1000 != 0
			u.length += part.length
		}
		u.offset = u.length
		f.finals++
	} else {
		length, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
		if err != nil || n > length {
			return fmt.Errorf("%d bytes of %w", n, err)
		}
		u.length, u.offset, u.partial = length, n, concat == "partial"
		if n > 0 {
			if !strings.Contains(f.extensions, "creation-with-upload") || r.Header.Get("Content-Type") != "application/offset+octet-stream" {
				return fmt.Errorf("content of type %q", r.Header.Get("Content-Type"))
			}
			w.Header().Set("Upload-Offset", strconv.FormatInt(n, 10))
		}
	}
	f.next++
	path := fmt.Sprintf("/files/%d", f.next)
	f.uploads[path] = u
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (f *fakeTus) wantEmpty(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.uploads) > 0 {
		t.Errorf("%d uploads are left", len(f.uploads))
	}
}

// tusWorkloads are those that tus defines all requests for.
var tusWorkloads = []string{"put", "patch", "fill", "create", "overwrite", "islands"}

func TestTus(t *testing.T) {
	for _, extensions := range []string{"creation,creation-with-upload,termination,concatenation", "creation, termination", "termination"} {
		f := newFakeTus()
		f.extensions = extensions
		srv := httptest.NewServer(f)
		defer srv.Close()
		c := small(Target{srv.URL + "/files/", "tus"})
		c.Workloads = tusWorkloads
		c.Size, c.Segment = 200_001, 30_000
		impossible := []string{"patch", "overwrite", "islands"}
		switch extensions {
		case "termination":
			if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Tus-Extension") {
				t.Errorf("without creation: %v", err)
			}
			continue
		case "creation, termination":
			impossible = append(impossible, "fill")
		default:
			defer func() {
				if f.finals != c.Rounds {
					t.Errorf("%d concatenations in %d rounds", f.finals, c.Rounds)
				}
			}()
		}
		wantResults(t, c, run(t, c), 0, impossible...)
		f.wantEmpty(t)
	}
}

// TestTusd uses the server of the tus project itself.
func TestTusd(t *testing.T) {
	if *tusd == "" {
		t.Skip("needs -tusd=PATH")
	}
	cmd := exec.CommandContext(t.Context(), *tusd, "-host", "127.0.0.1", "-port", "0", "-upload-dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	url := ""
	for url == "" && lines.Scan() {
		_, url, _ = strings.Cut(lines.Text(), "You can now upload files to: ")
	}
	go io.Copy(io.Discard, out)
	c := small(Target{url, "tus"})
	c.Workloads = append(tusWorkloads, "read")
	wantResults(t, c, run(t, c), 0, "patch", "overwrite", "islands")
}
