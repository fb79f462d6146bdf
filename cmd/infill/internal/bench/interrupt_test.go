package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// TestInterrupt ends Run in the middle of each workload, and of its preparation, and
// checks that nothing is left.
func TestInterrupt(t *testing.T) {
	var during atomic.Pointer[func(r *http.Request)] // called before each request is served
	around := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f := during.Load(); f != nil {
				(*f)(r)
			}
			h.ServeHTTP(w, r)
		})
	}
	tus := newFakeTus()
	tusServer := httptest.NewServer(around(tus))
	defer tusServer.Close()
	infill := serveInfill(t, around)
	interrupt := func(t *testing.T, target Target, name string, after int64) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var requests atomic.Int64
		hook := func(r *http.Request) {
			if requests.Add(1) == after {
				if r.ContentLength > 100_000 {
					// A part of the body has been read, and the rest is on its way.
					io.CopyN(io.Discard, r.Body, 100)
				}
				cancel()
			}
		}
		during.Store(&hook)
		c := small(target)
		c.Workloads, c.Rounds = []string{name}, 1_000_000
		c.Size, c.Segment, c.Range = 1<<20, 256<<10, 64<<10
		c.Duration = time.Hour
		report, err := Run(ctx, c)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if report.Left != 0 || len(report.Workloads) > 1 {
			t.Errorf("%+v", report)
		}
		during.Store(nil)
	}
	for _, name := range WorkloadNames() {
		// The probe makes two requests.
		for _, after := range []int64{1, 3, 5} {
			t.Run(fmt.Sprintf("infill/%s/%d", name, after), func(t *testing.T) {
				interrupt(t, Target{infill, "infill"}, name, after)
				wantEmpty(t, infill)
			})
		}
	}
	for _, name := range []string{"put", "fill", "create"} {
		// And with tus, OPTIONS before these.
		for _, after := range []int64{2, 4, 5, 12} {
			t.Run(fmt.Sprintf("tus/%s/%d", name, after), func(t *testing.T) {
				interrupt(t, Target{tusServer.URL + "/files/", "tus"}, name, after)
				tus.wantEmpty(t)
			})
		}
	}
}
