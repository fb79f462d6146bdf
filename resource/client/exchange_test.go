package client

import (
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// quietLog is the log of servers whose faults are expected.
var quietLog = log.New(io.Discard, "", 0)

// TestEncodings: with whatever HTTP client, no content is asked for in another coding than it is stored in.
func TestEncodings(t *testing.T) {
	text := strings.Repeat("text ", 100_000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"plain"`)
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			io.WriteString(w, text)
			return
		}
		w.Header().Set("ETag", `"gzip"`)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	}))
	defer srv.Close()
	for _, c := range []*Client{{}, {HTTP: http.DefaultClient}} {
		c.Retry.Attempts = 1
		var b bytes.Buffer
		st, err := c.Read(t.Context(), srv.URL, &b, nil)
		if err != nil || st.ETag != `"plain"` || b.String() != text {
			t.Errorf("%+v, %v, %d bytes", st, err, b.Len())
		}
	}
}

// TestHost: a Host among the fields is the one that the server is told.
func TestHost(t *testing.T) {
	w := newWorld(t)
	host := ""
	w.on(func(_ http.ResponseWriter, r *http.Request) bool {
		host = r.Host
		return false
	})
	c := w.client()
	c.Header = http.Header{"Host": {"files.example"}}
	if _, err := c.Status(t.Context(), w.url+"/f"); host != "files.example" {
		t.Errorf("host %q, %v", host, err)
	}
}

// TestSlowSource: how long a source takes to have some bytes is no matter of the connection.
func TestSlowSource(t *testing.T) {
	w := &watchdog{bark: func() { t.Error("the connection stalled") }}
	w.reset(time.Hour)
	body := &watchedBody{w: w, idle: time.Hour, end: time.Hour, left: -1, source: &sourceReader{r: readerFunc(func(p []byte) (int, error) {
		if w.timer.Stop() {
			t.Error("the time of the source counts")
		}
		return 1, nil
	})}}
	if _, err := body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if !w.timer.Stop() {
		t.Error("the time of the connection does not count")
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
