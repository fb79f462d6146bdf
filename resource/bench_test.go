package resource

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/infill-http/infill/store"
)

// A sink is a response that goes nowhere, at once: what is left is what the
// handler and the store spend on it.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// ReadFrom takes what a connection would send from a file, unread.
func (s *sink) ReadFrom(r io.Reader) (int64, error) { return r.(*io.LimitedReader).N, nil }

// BenchmarkHandler is what a request costs inside of the handler, bodies of
// responses not counted.
func BenchmarkHandler(b *testing.B) {
	const size = 8 << 20
	islands := map[string]int{"HeadOf100Islands": 100, "HeadOf100000Islands": 100_000}
	for _, tt := range []struct {
		name, req, header string
		body              int
		status            int
	}{
		{"Head", "HEAD /complete", "", 0, 200},
		{"HeadOf100000Islands", "HEAD /islands", "", 0, 200},
		{"HeadOf100Islands", "HEAD /islands", "", 0, 200},
		{"NotModified", "GET /complete", "If-None-Match: *", 0, 304},
		{"Range", "GET /complete", "Range: bytes=65536-131071", 0, 206},
		{"RangeOf4KiB", "GET /complete", "Range: bytes=65536-69631", 0, 206},
		{"Ranges", "GET /complete", "Range: bytes=0-65535" + spaced(15, 128<<10), 0, 206},
		{"Overwrite", "PUT /small", "", 4 << 10, 204},
		{"OverwriteRange", "PUT /complete", "Content-Range: bytes 4096-8191/*", 4 << 10, 204},
	} {
		b.Run(tt.name, func(b *testing.B) {
			quiet := slog.New(slog.DiscardHandler)
			s, err := store.Open(filepath.Join(b.TempDir(), "store"), &store.Options{Logger: quiet, Durability: store.DurabilityNone})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
			h := &Handler{Store: FromStore(s), Logger: quiet}
			w := &sink{header: make(http.Header)}
			content := strings.Repeat("0123456789abcdef", size/16)
			request := func(req, header string) *http.Request {
				method, path, _ := strings.Cut(req, " ")
				r := httptest.NewRequest(method, path, nil)
				if name, value, ok := strings.Cut(header, ": "); ok {
					r.Header.Set(name, value)
				}
				return r
			}
			var body strings.Reader
			closer := io.NopCloser(&body)
			serve := func(r *http.Request, content string, status int) {
				if body.Reset(content); content != "" {
					r.Body, r.ContentLength = closer, int64(len(content))
				}
				clear(w.header)
				if h.ServeHTTP(w, r); w.status != status {
					b.Fatalf("%s %s: %d %v", r.Method, r.URL, w.status, w.header)
				}
			}
			serve(request("PUT /complete", ""), content, 201)
			serve(request("PUT /small", ""), content[:4<<10], 201)
			if n, ok := islands[tt.name]; ok {
				makeIslands(b, s, "/islands", n)
			}
			r := request(tt.req, tt.header)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				serve(r, content[n%16:][:tt.body], tt.status)
			}
		})
	}
}

// spaced returns n more ranges of 64 KiB for a Range field, as far apart.
func spaced(n, step int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, ",%d-%d", i*step, i*step+65535)
	}
	return b.String()
}

// makeIslands makes an incomplete resource with n committed ranges.
func makeIslands(b *testing.B, s *store.Store, name string, n int) {
	b.Helper()
	ctx := b.Context()
	tx, err := s.Begin(ctx, name, store.TxOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range int64(n) {
		if _, err := tx.WriteFrom(strings.NewReader("x"), 2*i, 1, int64(2*n)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := tx.Commit(ctx); err != nil {
		b.Fatal(err)
	}
}
