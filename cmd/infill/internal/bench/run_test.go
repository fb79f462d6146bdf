package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/resource/server"
	"github.com/infill-http/infill/store"
)

// small returns a Config whose rounds end soon.
func small(targets ...Target) *Config {
	return &Config{
		Targets:     targets,
		Workloads:   WorkloadNames(),
		Size:        200_000,
		Segment:     30_000,
		Small:       1000,
		Range:       7000,
		Islands:     700, // more than one patch document
		Connections: 3,
		Duration:    20 * time.Millisecond,
		Rounds:      2,
		S3:          Credentials{"key", "secret", "region"},
	}
}

// serveInfill runs infill on an empty store, with a handler of the test around it,
// which may be nil, and returns its URL.
func serveInfill(t *testing.T, around func(http.Handler) http.Handler) string {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	s, err := store.Open(t.TempDir(), &store.Options{Logger: logger, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = &resource.Handler{Store: resource.FromStore(s), Logger: logger}
	if around != nil {
		h = around(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	srv := &server.Server{Listener: listener, Handler: h, Logger: logger}
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String() + "/"
}

// wantEmpty checks that infill has no resources.
func wantEmpty(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	list, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("listing: %s, %v", resp.Status, err)
	}
	if strings.Contains(string(list), "infill-bench-") {
		t.Errorf("something is left:\n%s", list)
	}
}

// A shelf is a server of whole resources: the least that the protocol put needs.
type shelf struct {
	mu    sync.Mutex // guards files
	files map[string]string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Range") != "" {
		http.Error(w, "not known here", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	text, ok := s.files[r.URL.Path]
	switch {
	case r.Method == http.MethodPut:
		s.files[r.URL.Path] = string(body)
		w.WriteHeader(http.StatusCreated)
	case !ok:
		http.NotFound(w, r)
	case r.Method == http.MethodDelete:
		delete(s.files, r.URL.Path)
	}
	s.mu.Unlock()
	if ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}
}

// serveShelf returns the URL of a new shelf.
func serveShelf(t *testing.T) (*shelf, string) {
	s := &shelf{files: make(map[string]string)}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/dav"
}

// run calls Run and fails if there were errors.
func run(t *testing.T, c *Config) *Report {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if report.Errors != 0 || report.Left != 0 {
		var b strings.Builder
		report.WriteText(&b)
		t.Fatalf("%d errors, %d left\n%s", report.Errors, report.Left, b.String())
	}
	return report
}

// wantResults checks that each workload has sound results, or is not possible if and
// only if it is listed.
func wantResults(t *testing.T, c *Config, report *Report, target int, impossible ...string) {
	t.Helper()
	for i, name := range c.Workloads {
		w := report.Workloads[i]
		r := w.Results[target]
		if w.Workload != name || r.Possible == slices.Contains(impossible, name) {
			t.Errorf("%s: possible is %v: %s", w.Workload, r.Possible, r.Reason)
		}
		if !r.Possible {
			if len(r.Rounds) > 1 || r.Ops != 0 || w.Ratio != nil || !strings.Contains(r.Reason, "not possible") {
				t.Errorf("%s is not possible, but: %+v", name, r)
			}
			continue
		}
		l := r.Latency
		if len(r.Rounds) != c.Rounds || r.Rate <= 0 || r.Ops < int64(c.Rounds) || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
			t.Errorf("%s: %+v", name, r)
		}
		if (r.Assembly != nil) != (name == "fill") {
			t.Errorf("%s: assembly is %v", name, r.Assembly)
		}
	}
}

func TestInfill(t *testing.T) {
	for _, isHTTP2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", isHTTP2), func(t *testing.T) {
			var mu sync.Mutex
			protos := make(map[string]bool)
			url := serveInfill(t, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					protos[r.Proto] = true
					mu.Unlock()
					h.ServeHTTP(w, r)
				})
			})
			c := small(Target{url, "infill"})
			c.HTTP2 = isHTTP2
			report := run(t, c)
			wantResults(t, c, report, 0)
			if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[isHTTP2]; !maps.Equal(protos, map[string]bool{want: true}) {
				t.Errorf("requests had %v, want %s", protos, want)
			}
			wantEmpty(t, url)
		})
	}
}

// TestHead0 checks that without islands, head is possible for all.
func TestHead0(t *testing.T) {
	s, url := serveShelf(t)
	c := small(Target{url, "put"})
	c.Workloads, c.Islands = []string{"head"}, 0
	wantResults(t, c, run(t, c), 0)
	if len(s.files) > 0 {
		t.Errorf("%d files are left", len(s.files))
	}
}

func TestTwoTargets(t *testing.T) {
	s, shelfURL := serveShelf(t)
	url := serveInfill(t, nil)
	c := small(Target{url, "infill"}, Target{shelfURL, "put"})
	var turns []string
	c.Progress = func(p Progress) {
		if p.Workload == "put" {
			turns = append(turns, fmt.Sprintf("%c%d/%d", 'A'+p.Target, p.Round, p.Rounds))
		}
	}
	c.Rounds = 3
	report := run(t, c)
	wantResults(t, c, report, 0)
	wantResults(t, c, report, 1, "patch", "fill", "overwrite", "head", "islands")
	if want := []string{"A1/3", "B1/3", "B2/3", "A2/3", "A3/3", "B3/3"}; !slices.Equal(turns, want) {
		t.Errorf("turns were %v, want %v", turns, want)
	}
	for _, w := range report.Workloads {
		if (w.Ratio != nil) != w.Results[1].Possible {
			t.Errorf("%s: ratio is %v", w.Workload, w.Ratio)
		}
		if w.Ratio != nil && (w.Ratio.Least <= 0 || w.Ratio.Least > w.Ratio.Most) {
			t.Errorf("%s: ratio is %+v", w.Workload, w.Ratio)
		}
	}
	wantEmpty(t, url)
	if len(s.files) > 0 {
		t.Errorf("%d files are left", len(s.files))
	}
}

// TestErrors checks that errors are counted, one by one, and that the rest goes on.
func TestErrors(t *testing.T) {
	var puts, failed atomic.Int64
	url := serveInfill(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && puts.Add(1)%10 == 0 {
				failed.Add(1)
				http.Error(w, "no luck", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	c := small(Target{url, "infill"})
	c.Workloads = []string{"create", "put"}
	c.Duration = 50 * time.Millisecond
	c.Rounds = 12
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if report.Errors == 0 || report.Errors != failed.Load() {
		t.Errorf("%d errors, want %d", report.Errors, failed.Load())
	}
	for _, w := range report.Workloads {
		r := w.Results[0]
		if len(r.Errors) != 1 || r.Errors["PUT 503"] == 0 || !strings.Contains(r.First, "no luck") || r.Rate == 0 {
			t.Errorf("%s: %+v", w.Workload, r)
		}
	}
	// One request of the probe; each of the others succeeded or failed.
	create, put := report.Workloads[0].Results[0], report.Workloads[1].Results[0]
	if got := 1 + create.Ops + put.Ops + report.Errors; got != puts.Load() {
		t.Errorf("%d of %d requests were counted", got, puts.Load())
	}
	var zeros int64
	for _, rate := range put.Rounds {
		if rate == 0 {
			zeros++
		}
	}
	if zeros != put.Errors["PUT 503"] {
		t.Errorf("%d rounds of put have no rate, want %d", zeros, put.Errors["PUT 503"])
	}
	wantEmpty(t, url)
}

// TestHopeless checks that a round that has nothing but errors ends.
func TestHopeless(t *testing.T) {
	var heads atomic.Int64
	url := serveInfill(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				heads.Add(1)
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	c := small(Target{url, "infill"})
	c.Workloads, c.Duration, c.Rounds = []string{"head"}, time.Hour, 1
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	most := int64(hopeless + c.Connections)
	if n := heads.Load(); n < hopeless || n > most || report.Errors != n {
		t.Errorf("%d errors after %d requests, want %d to %d", report.Errors, n, hopeless, most)
	}
	if r := report.Workloads[0].Results[0]; r.Rate != 0 || r.Rounds[0] != 0 {
		t.Errorf("there is a rate: %+v", r)
	}
}

// TestProbe checks that a target that cannot be used is told before there is any load.
func TestProbe(t *testing.T) {
	for method, want := range map[string]string{"PUT": "cannot make a resource", "DELETE": "cannot delete a resource"} {
		url := serveInfill(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == method {
					http.Error(w, "read only", http.StatusForbidden)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		report, err := Run(t.Context(), small(Target{url, "infill"}))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "read only") || len(report.Workloads) > 0 {
			t.Errorf("without %s: %v", method, err)
		}
	}
}

// serveRefusing runs infill, which answers the n-th DELETE with a status. It counts them.
func serveRefusing(t *testing.T, n int64, status int) (url string, deletes *atomic.Int64) {
	deletes = new(atomic.Int64)
	url = serveInfill(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && deletes.Add(1) == n {
				w.WriteHeader(status)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	return url, deletes
}

// TestLeft checks that what cannot be deleted is an error, and told.
func TestLeft(t *testing.T) {
	url, _ := serveRefusing(t, 2, http.StatusForbidden)
	c := small(Target{url, "infill"})
	c.Workloads = []string{"put"}
	report, err := Run(t.Context(), c)
	if err != nil || report.Left != 1 || report.Errors != 1 || report.Workloads[0].Results[0].Errors["DELETE 403"] != 1 {
		t.Errorf("%v, %+v", err, report)
	}
}

// TestBusy checks that what is locked by an upload that was cut off is tried to be
// deleted again.
func TestBusy(t *testing.T) {
	url, deletes := serveRefusing(t, 1, http.StatusLocked)
	c := small(Target{url, "infill"})
	c.Workloads, c.Rounds = []string{"put"}, 1
	run(t, c)
	if n := deletes.Load(); n != 3 {
		t.Errorf("%d times DELETE, want 3", n)
	}
	wantEmpty(t, url)
}
