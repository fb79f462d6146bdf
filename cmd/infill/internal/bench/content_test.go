package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"testing/iotest"
)

func TestContent(t *testing.T) {
	for _, c := range []struct {
		head string
		n    int64
	}{
		{"", 0}, {"", 1}, {"head", 0}, {"head", 1}, {"", 1 << 20}, {"head", 3<<20 + 5},
	} {
		make := func() *content {
			body := newContent(99_999_999_999, c.n)
			body.head = []byte(c.head)
			return body
		}
		want, err := io.ReadAll(make())
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(want)) != int64(len(c.head))+c.n || !bytes.HasPrefix(want, []byte(c.head)) {
			t.Errorf("%q and %d bytes: got %d bytes", c.head, c.n, len(want))
		}
		if err := iotest.TestReader(make(), want); err != nil {
			t.Errorf("%q and %d bytes: %v", c.head, c.n, err)
		}
		for _, limit := range []int64{0, 1, 4, 5, 1 << 20, c.n, int64(len(want)), 1 << 40} {
			var got bytes.Buffer
			n, err := make().sendTo(&got, limit)
			if most := min(limit, int64(len(want))); err != nil || n != most || !bytes.Equal(got.Bytes(), want[:most]) {
				t.Errorf("%q and %d bytes: sendTo with limit %d sent %d, %v", c.head, c.n, limit, n, err)
			}
		}
	}
}

// failingWriter takes a number of bytes.
type failingWriter struct{ left int }

var errFull = errors.New("full")

func (w *failingWriter) Write(p []byte) (int, error) {
	n := min(w.left, len(p))
	w.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestSendToFails(t *testing.T) {
	c := newContent(1, 1<<20)
	n, err := c.sendTo(&failingWriter{1000}, 1<<20)
	if n != 1000 || err != errFull || c.size() != 1<<20-1000 {
		t.Errorf("sent %d, %v, and %d are left", n, err, c.size())
	}
}

// TestReadFrom checks that a limit is kept, and what is left of both.
func TestReadFrom(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	body := newContent(1, 100)
	want, err := io.ReadAll(newContent(1, 30))
	if err != nil {
		t.Fatal(err)
	}
	limited := &io.LimitedReader{R: body, N: 30}
	if n, err := (conn{near}).ReadFrom(limited); n != 30 || err != nil || limited.N != 0 || body.size() != 70 {
		t.Errorf("sent %d, %v; limit is %d, %d are left", n, err, limited.N, body.size())
	}
	if n, err := (conn{near}).ReadFrom(bytes.NewReader(want)); n != 30 || err != nil {
		t.Errorf("sent %d, %v", n, err)
	}
	near.Close()
	if !bytes.Equal(<-got, slices.Concat(want, want)) {
		t.Error("other bytes arrived")
	}
}

// TestContentArrives checks what a server gets, of bodies that take both ways: through
// the buffer of net/http, and past it.
func TestContentArrives(t *testing.T) {
	got := make(chan []byte, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || int64(len(b)) != r.ContentLength {
			t.Errorf("%s: read %d of %d bytes: %v", r.Proto, len(b), r.ContentLength, err)
		}
		got <- append([]byte(r.Proto+" "), b...)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	for proto, isHTTP2 := range map[string]bool{"HTTP/1.1 ": false, "HTTP/2.0 ": true} {
		tgt, err := newTarget(Target{srv.URL, "put"}, &Config{Connections: 1, HTTP2: isHTTP2}, "x-")
		if err != nil {
			t.Fatal(err)
		}
		defer tgt.close()
		for _, n := range []int64{0, 1, connBuffer - 1, connBuffer, connBuffer + 1, 3<<20 + 1} {
			body := newContent(uint64(n), n)
			body.head = []byte("head")
			again := *body
			want, err := io.ReadAll(&again)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tgt.clients[0].do(t.Context(), 200, "PUT", srv.URL+"/x", body); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(<-got, slices.Concat([]byte(proto), want)) {
				t.Errorf("%s: %d bytes did not arrive as they are", proto, n)
			}
		}
	}
}

// TestGet checks that a response of another status or length than was asked for is an
// error, whatever the connection says.
func TestGet(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status, length, sent int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d/%d", &status, &length, &sent); err != nil {
			t.Error(err)
		}
		if length >= 0 {
			w.Header().Set("Content-Length", strconv.Itoa(length))
		}
		w.WriteHeader(status)
		w.Write(make([]byte, sent))
		if length < 0 {
			w.(http.Flusher).Flush()
		}
		if sent == 77 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	tgt, err := newTarget(Target{srv.URL, "put"}, &Config{Connections: 1}, "x-")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status, length, sent int
		n, size              int64
		want                 string // kind of error
	}{
		{200, 100, 100, 100, 1000, "GET 200"},
		{206, 100, 100, 100, 100, "GET 206"},
		{404, 0, 0, 100, 100, "GET 404"},
		{206, 99, 99, 100, 1000, "wrong length"},
		{206, 101, 101, 100, 1000, "wrong length"},
		{206, -1, 99, 100, 1000, "wrong length"},
		{206, 100, 77, 100, 1000, "connection closed"},
		{206, -1, 77, 77, 1000, "connection closed"},
		{206, 100, 100, 100, 1000, ""},
		{206, -1, 100, 100, 1000, ""},
		{200, 3 * readBuffer, 3 * readBuffer, 3 * readBuffer, 3 * readBuffer, ""},
	} {
		url := fmt.Sprintf("%s/%d/%d/%d", srv.URL, c.status, c.length, c.sent)
		err := tgt.clients[0].get(t.Context(), url, 0, c.n, c.size)
		got := ""
		if err != nil {
			got = kind(err)
		}
		if got != c.want {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}
