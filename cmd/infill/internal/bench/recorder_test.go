package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"syscall"
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name string
		took func(yield func(time.Duration))
		want Latency
	}{
		{"none", func(func(time.Duration)) {}, Latency{}},
		{"one", func(yield func(time.Duration)) { yield(7 * ms) }, Latency{7, 7, 7, 7}},
		{"below a microsecond", func(yield func(time.Duration)) { yield(3) }, Latency{.001, .001, .001, .001}},
		{"above an hour", func(yield func(time.Duration)) { yield(2 * time.Hour) }, Latency{3.6e6, 3.6e6, 3.6e6, 3.6e6}},
		{"1 to 1000", func(yield func(time.Duration)) {
			for i := range 1000 {
				yield(time.Duration(i+1) * ms)
			}
		}, Latency{500, 990, 999, 1000}},
		{"two of a thousand are slow", func(yield func(time.Duration)) {
			for i := range 1000 {
				yield(ms)
				if i < 2 {
					yield(5000 * ms)
				}
			}
		}, Latency{1, 1, 5000, 5000}},
	} {
		r := newRecorder()
		c.took(func(d time.Duration) { r.record(d, 1) })
		got := r.latency()
		// Three digits.
		for i, pair := range [][2]float64{{got.P50, c.want.P50}, {got.P99, c.want.P99}, {got.P999, c.want.P999}, {got.Max, c.want.Max}} {
			if got, want := pair[0], pair[1]; got < want*.999 || got > want*1.001 {
				t.Errorf("%s: figure %d is %v, want %v", c.name, i, got, want)
			}
		}
	}
}

func TestKind(t *testing.T) {
	for want, err := range map[string]error{
		"PUT 503":                  fmt.Errorf("x: %w", &statusError{"PUT", 503, "text"}),
		"wrong length":             fmt.Errorf("x: %w", errLength),
		"interrupted":              fmt.Errorf("x: %w", context.Canceled),
		"connection reset by peer": fmt.Errorf("x: %w", syscall.ECONNRESET),
		"connection closed":        fmt.Errorf("x: %w", io.ErrUnexpectedEOF),
		"other":                    errors.New("x"),
	} {
		if got := kind(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

func TestRecorder(t *testing.T) {
	r := newRecorder()
	first := &statusError{"PUT", 500, ""}
	r.begin()
	for range hopeless {
		if r.hopeless() {
			t.Error("given up too early")
		}
		r.done(t.Context(), time.Now(), 10, first)
	}
	if !r.hopeless() {
		t.Error("not given up")
	}
	if got := r.rate(unitOps, time.Second); got != 0 {
		t.Errorf("rate of errors is %v", got)
	}
	r.begin()
	if r.hopeless() {
		t.Error("given up because of an earlier round")
	}
	r.done(t.Context(), time.Now(), 3<<20, nil)
	r.done(t.Context(), time.Now(), 1<<20, nil)
	r.done(t.Context(), time.Now(), 1<<20, errLength)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r.done(ended, time.Now(), 1<<20, context.Canceled)
	if got := r.rate(unitOps, 2*time.Second); got != 1 {
		t.Errorf("%v ops/s, want 1", got)
	}
	if got := r.rate(unitBytes, 2*time.Second); got != 2 {
		t.Errorf("%v MiB/s, want 2", got)
	}
	if want := map[string]int64{"PUT 500": hopeless, "wrong length": 1}; !maps.Equal(r.errors, want) || r.first != first {
		t.Errorf("errors are %v, the first one %v, want %v", r.errors, r.first, want)
	}
	if r.total != 2 {
		t.Errorf("%d operations in all, want 2", r.total)
	}
}
