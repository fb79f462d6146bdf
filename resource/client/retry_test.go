package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRetry gives each status to the first requests.
func TestRetry(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		status int
		header string // "Name: value"
		again  bool
		is     error
		least  time.Duration // of the pause
	}{
		{status: 400}, {status: 401, is: ErrForbidden}, {status: 403, is: ErrForbidden}, {status: 404, is: ErrNotFound},
		{status: 405, is: ErrUnsupported}, {status: 410, is: ErrNotFound}, {status: 412, is: ErrChanged}, {status: 507, is: ErrNoSpace},
		{status: 301, header: "Location: /elsewhere"}, {status: 303, header: "Location: /elsewhere"},
		{status: 429, header: "Retry-After: 100000"},
		{status: 408, again: true}, {status: 425, again: true}, {status: 500, again: true}, {status: 502, again: true}, {status: 504, again: true},
		{status: 429, header: "Retry-After: 7", again: true, least: 7 * time.Second},
		{status: 503, header: "Retry-After: " + time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), again: true, least: 50 * time.Second},
		{status: 503, header: "Retry-After: soon", again: true},
	} {
		w.upload(w.client(), "/f", []byte("x"), nil)
		var n atomic.Int32
		w.on(func(rw http.ResponseWriter, r *http.Request) bool {
			if n.Add(1) > 2 {
				return false
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				rw.Header().Set(name, value)
			}
			rw.WriteHeader(c.status)
			return true
		})
		cl := w.client()
		var pauses []time.Duration
		cl.sleep = func(_ context.Context, d time.Duration) error {
			pauses = append(pauses, d)
			return nil
		}
		err := cl.Remove(t.Context(), w.url+"/f", nil)
		switch {
		case c.again && (err != nil || n.Load() != 3):
			t.Errorf("%+v: %v after %d requests", c, err, n.Load())
		case !c.again && (err == nil || n.Load() != 1 || c.is != nil && !errors.Is(err, c.is)):
			t.Errorf("%+v: %v after %d requests", c, err, n.Load())
		}
		for i, d := range pauses {
			if most := max(c.least+11*time.Second, DefaultMinBackoff<<i); d < max(c.least, DefaultMinBackoff<<i/2) || d > most {
				t.Errorf("%+v: pause %d is %v", c, i, d)
			}
		}
		w.on(nil)
		w.request("DELETE", "/f", "")
	}
}

// TestAttempts: a client gives up after so many failures, and not while there is progress.
func TestAttempts(t *testing.T) {
	w := newWorld(t)
	data := content(2 << 20)
	var n atomic.Int32
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && n.Add(1) > 5 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	c := w.client()
	c.Connections, c.MaxSegment, c.Retry.Attempts = 1, 64<<10, 4
	_, err := c.Upload(t.Context(), w.url+"/f", bytes.NewReader(data), 2<<20, nil)
	if statusOf(err) != 503 || !strings.Contains(err.Error(), "given up after 4 attempts") || n.Load() != 5+4 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPatch && n.Add(1)%4 != 0 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	w.upload(c, "/f", data, nil)
	w.expect("/f", data)
}

// TestCancel: the end of the context ends a call at once, while it waits for a response and while it pauses.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		cancel()
		<-r.Context().Done()
		return true
	})
	if _, err := w.client().Status(ctx, w.url+"/f"); !errors.Is(err, context.Canceled) {
		t.Errorf("while waiting: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.WriteHeader(503)
		return true
	})
	c := &Client{Retry: Retry{MinBackoff: time.Hour, MaxBackoff: time.Hour, Notify: func(error, time.Duration) { cancel() }}}
	if err := c.Remove(ctx, w.url+"/f", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("in a pause: %v", err)
	}
}

// TestStall: a request without movement is ended.
func TestStall(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int32
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if n.Add(1) > 2 {
			return false
		}
		<-r.Context().Done()
		return true
	})
	c := w.client()
	c.StallTimeout, c.ResponseTimeout = 50*time.Millisecond, 50*time.Millisecond
	var reasons []string
	c.Retry.Notify = func(err error, _ time.Duration) { reasons = append(reasons, fmt.Sprint(errors.Is(err, ErrStalled))) }
	if _, err := c.Status(t.Context(), w.url+"/f"); !errors.Is(err, ErrNotFound) || fmt.Sprint(reasons) != "[true true]" {
		t.Errorf("%v after %v", err, reasons)
	}
}
