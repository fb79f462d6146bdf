package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// A part reads a file that it shares with others.
type part struct {
	f     *os.File
	as    *os.File // what FileAt returns
	off   int64
	reads int // bytes that Read returned
}

func (p *part) Read(b []byte) (int, error) {
	n, err := p.f.ReadAt(b, p.off)
	p.off += int64(n)
	p.reads += n
	return n, err
}

func (p *part) FileAt() (*os.File, int64) { return p.as, p.off }

func (p *part) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	p.off = off
	return off, nil
}

// contentFile returns a file of n bytes that differ, and those.
func contentFile(t *testing.T, n int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, n)
	for i := range content {
		content[i] = byte(i*7 + i>>8)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, content
}

// canSend says that shared files are sent without a copy.
const canSend = runtime.GOOS == "linux"

// TestSharedFile sends ranges of one open file through many connections at once, with limits on time and without. They
// arrive as they are; where the system can, they are not copied.
func TestSharedFile(t *testing.T) {
	const size = 3 << 20
	f, content := contentFile(t, size)
	dir, err := os.Open(t.TempDir()) // sendfile refuses it
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, tt := range []struct {
		name   string
		as     *os.File
		idle   time.Duration
		copied bool
	}{
		{"with limits", f, time.Minute, !canSend},
		{"without limits", f, -1, !canSend},
		{"no file", nil, time.Minute, true},
		{"refused", dir, time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, func(w http.ResponseWriter, r *http.Request) {
				var off, n int64
				if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d", &off, &n); err != nil {
					t.Error(err)
				}
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Header().Set("Content-Length", fmt.Sprint(n+4))
				p := &part{f: f, as: tt.as, off: off}
				if k, err := io.CopyN(w, p, n); k != n || err != nil || p.off != off+n {
					t.Errorf("sent %d of %d bytes, at %d, %v", k, n, p.off, err)
				}
				if copied := n > 100_000 && int64(p.reads) >= n; n > 100_000 && copied != tt.copied {
					t.Errorf("%d of %d bytes were copied", p.reads, n)
				}
				if _, err := io.WriteString(w, "tail"); err != nil {
					t.Error(err)
				}
			}, func(s *Server) {
				s.WriteIdleTimeout = tt.idle
				if tt.idle < 0 {
					s.MinWriteRate = -1
				}
			})
			var g errgroup.Group
			for k := range int64(6) {
				g.Go(func() error {
					for i := range int64(8) {
						off := (k*8 + i) * 12_345
						n := (size - off) / (1 + i*i)
						res, err := http.Get(fmt.Sprintf("http://%s/%d/%d", r.addr, off, n))
						if err != nil {
							return err
						}
						got, err := io.ReadAll(res.Body)
						res.Body.Close()
						if want := append(content[off:off+n:off+n], "tail"...); err != nil || !bytes.Equal(got, want) {
							return fmt.Errorf("%d bytes at %d: got %d, %w", n, off, len(got), err)
						}
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Error(err)
			}
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

// TestSharedFileFaults: a file that ends too early is told to who sends it, and a client that is gone too.
func TestSharedFileFaults(t *testing.T) {
	const size = 1 << 20
	f, _ := contentFile(t, size)
	type end struct {
		n   int64
		err error
	}
	ended := make(chan end, 1)
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(64*size))
		w.Header().Set("Content-Type", "application/octet-stream")
		p := &part{f: f, as: f, off: 100}
		var e end
		for e.err == nil && e.n < 32*size {
			var n int64
			n, e.err = io.CopyN(w, p, 2*size)
			e.n += n
			if r.URL.Path == "/gone" && e.err == io.EOF {
				p.off, e.err = 0, nil
			}
		}
		ended <- e
		panic(http.ErrAbortHandler)
	}, nil)

	res, err := http.Get("http://" + r.addr + "/short")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	if e := <-ended; e.n != size-100 || e.err != io.EOF || len(got) != size-100 || err != io.ErrUnexpectedEOF {
		t.Errorf("short file: %d bytes were sent, %v; %d arrived, %v", e.n, e.err, len(got), err)
	}
	res.Body.Close()

	c := r.dial(t)
	fmt.Fprintf(c, "GET /gone HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.SetLinger(0)
	c.Close()
	if e := <-ended; e.err == nil || errors.Is(e.err, io.EOF) {
		t.Errorf("client that is gone: %d bytes were sent, %v", e.n, e.err)
	}
}
