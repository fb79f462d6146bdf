package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// A plain response has no fields of this protocol that the byte-range draft does not have.
type plain struct {
	http.ResponseWriter
	ranged bool // keeps what ranges need
}

func (p plain) WriteHeader(status int) {
	for name := range p.Header() {
		if strings.HasPrefix(name, "Upload-") || name == fieldLink || name == fieldReprDigest ||
			!p.ranged && (name == fieldETag || name == fieldAcceptRanges) {
			p.Header().Del(name)
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

// TestPrefixOnly uploads to a server that tells no more than the byte-range draft demands.
func TestPrefixOnly(t *testing.T) {
	w := newWorld(t)
	data := content(3 << 20)
	patches := 0
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch {
			w.mu.Lock()
			patches++
			cut := patches%4 == 3 && r.ContentLength > 50_000
			w.mu.Unlock()
			if cut {
				r.Body = io.NopCloser(io.LimitReader(r.Body, 40_000))
				w.handler.ServeHTTP(discard{http.Header{}}, r)
				panic(http.ErrAbortHandler)
			}
		}
		w.handler.ServeHTTP(plain{rw, true}, r)
		return true
	})
	w.upload(w.client(), "/f", data, nil)
	w.expect("/f", data)
	if patches < 10 {
		t.Errorf("%d requests, want many", patches)
	}

	// What another process has begun is gone on with if its end is that of the source.
	w.request("PATCH", "/g", "Content-Offset: 0;complete-length=3145728\r\n\r\n"+string(data[:1_000_000]), "Content-Type", "message/byterange")
	w.patched.Store(0)
	w.upload(w.client(), "/g", data, nil)
	w.expect("/g", data)
	if n := w.patched.Load(); n > 2_300_000 {
		t.Errorf("%d bytes were sent, want 2145728", n)
	}
	w.request("PATCH", "/h", "Content-Offset: 0;complete-length=3145728\r\n\r\nsomething else", "Content-Type", "message/byterange")
	if _, err := w.client().Upload(t.Context(), w.url+"/h", bytes.NewReader(data), 3<<20, nil); !errors.Is(err, ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}

	st, err := w.client().UploadStream(t.Context(), w.url+"/s", bytes.NewReader(data), &StreamOptions{Window: 300_000})
	if err != nil {
		t.Fatal(err)
	}
	w.expect("/s", data)
	if st.Segmented {
		t.Error("the server tells too much")
	}
}

// A shelf is a server that knows PUT, GET, HEAD and DELETE of whole resources, like one with DAV.
type shelf struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.files[r.URL.Path]
	switch {
	case r.Method == http.MethodPut:
		if r.Header.Get("If-None-Match") == "*" && ok {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.files[r.URL.Path] = b
		w.WriteHeader(http.StatusCreated)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Write(old)
	}
}

func TestPutOnly(t *testing.T) {
	s := &shelf{files: map[string][]byte{}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	c := new(Client)
	for _, n := range []int{10, 3 << 20} {
		data := content(n)
		for _, replace := range []bool{false, true} {
			st, err := c.Upload(t.Context(), srv.URL+"/f", bytes.NewReader(data), int64(n), &UploadOptions{Replace: replace, Whole: WholeAlways})
			if err != nil || !st.Complete {
				t.Fatal(st, err)
			}
		}
		if !bytes.Equal(s.files["/f"], data) {
			t.Error("other bytes")
		}
		path := filepath.Join(t.TempDir(), "f")
		if _, err := c.Download(t.Context(), srv.URL+"/f", path, nil); err != nil {
			t.Fatal(err)
		}
		expectFile(t, path, data)
		if _, err := c.Upload(t.Context(), srv.URL+"/f", strings.NewReader("other"), 5, nil); !errors.Is(err, ErrExists) {
			t.Errorf("%v, want ErrExists", err)
		}
		delete(s.files, "/f")
	}
	if _, err := c.UploadStream(t.Context(), srv.URL+"/s", strings.NewReader("stream"), nil); err != nil || string(s.files["/s"]) != "stream" {
		t.Errorf("%q, %v", s.files["/s"], err)
	}
	for _, err := range []error{
		c.Move(t.Context(), srv.URL+"/s", srv.URL+"/t", nil),
		func() error { _, err := c.Create(t.Context(), srv.URL+"/", nil); return err }(),
		func() (err error) {
			for _, err = range c.List(t.Context(), srv.URL+"/s") {
			}
			return err
		}(),
	} {
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v, want ErrUnsupported", err)
		}
	}
}

// TestPutRedirected: what was read of a stream cannot be sent again, so a redirect in the middle of it is an error, and
// the resource never has the rest of the stream alone.
func TestPutRedirected(t *testing.T) {
	s := &shelf{files: map[string][]byte{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/f" {
			io.ReadFull(r.Body, make([]byte, 100_000))
			http.Redirect(w, r, "/g", http.StatusTemporaryRedirect)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer srv.Close()
	_, err := new(Client).UploadStream(t.Context(), srv.URL+"/f", bytes.NewReader(content(1<<20)), nil)
	if statusOf(err) != http.StatusTemporaryRedirect || len(s.files) > 0 {
		t.Errorf("%v; %d files", err, len(s.files))
	}
}

// TestPutShort: a server that says 2xx to the PUT of a stream and keeps another number of bytes is not believed.
func TestPutShort(t *testing.T) {
	s := &shelf{files: map[string][]byte{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			r.Body = io.NopCloser(io.LimitReader(r.Body, 1000))
		}
		s.ServeHTTP(w, r)
	}))
	defer srv.Close()
	if _, err := new(Client).UploadStream(t.Context(), srv.URL+"/f", bytes.NewReader(content(2000)), nil); !errors.Is(err, ErrServer) {
		t.Errorf("%v, want ErrServer", err)
	}
	broken := io.MultiReader(bytes.NewReader(content(100)), iotest.ErrReader(errors.New("pipe broke")))
	if _, err := new(Client).UploadStream(t.Context(), srv.URL+"/h", broken, nil); !errors.Is(err, ErrSource) {
		t.Errorf("%v, want ErrSource", err)
	}
}
