package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestRefusal sends each bad message after a good one on a real connection: the
// good one is answered first, the bad one gets 400, and the connection ends.
func TestRefusal(t *testing.T) {
	r := start(t, echo, nil)
	check := func(name, bad string) {
		t.Run(name, func(t *testing.T) {
			c := r.dial(t)
			if _, err := io.WriteString(c, head("PUT", "Content-Length: 3")+"one"+bad+head("GET")); err != nil {
				t.Fatal(err)
			}
			status, content := responses(t, c)
			if len(status) != 2 || status[0] != 200 || content[0] != "one" || status[1] != 400 {
				t.Errorf("got %d %q, want 200 and 400", status, content)
			}
		})
	}
	for _, tt := range refusedHeads {
		check(tt.name, tt.message)
	}
	for _, tt := range refusedBodies {
		check(tt.name, head("PUT", chunked)+tt.content)
	}
}

// TestPipelined checks that good requests are answered in order on one connection,
// with an empty line after a POST (RFC 9112, Section 2.2).
func TestPipelined(t *testing.T) {
	r := start(t, echo, nil)
	c := r.dial(t)
	var stream, want strings.Builder
	for i, tt := range accepted {
		if strings.Contains(tt.message, "HTTP/1.0") {
			continue // ends the connection
		}
		stream.WriteString(tt.message)
		fmt.Fprintf(&stream, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx\r\n", i)
		want.WriteString(tt.content + "x")
	}
	go func() {
		io.WriteString(c, stream.String())
		c.CloseWrite()
	}()
	status, content := responses(t, c)
	if got := strings.Join(content, ""); got != want.String() {
		t.Errorf("after %d responses: got %.100q, want %.100q", len(status), got, want.String())
	}
}

// TestHTTP2 checks that connections with the HTTP/2 preface pass the guard,
// whatever octets they carry.
func TestHTTP2(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		echo(w, r)
	}, nil)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte(i), '\n', 0}, 100_000)
			resp, err := client.Post("http://"+r.addr+"/", "", bytes.NewReader(want))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, want) || resp.Header.Get("X-Proto") != "HTTP/2.0" {
				t.Errorf("%s %s: %d octets, %v", resp.Header.Get("X-Proto"), resp.Status, len(got), err)
			}
		})
	}
	wg.Wait()
}

// TestBrokenPreface checks that a connection that only begins like HTTP/2 is refused.
func TestBrokenPreface(t *testing.T) {
	r := start(t, echo, nil)
	for _, stream := range []string{preface[:18] + "XM\r\n\r\n", preface[:14] + "\r\nHost: h\r\n\r\n"} {
		c := r.dial(t)
		if _, err := io.WriteString(c, stream); err != nil {
			t.Fatal(err)
		}
		if status, _ := responses(t, c); len(status) != 1 || status[0] != 400 {
			t.Errorf("%q: got %d, want 400", stream, status)
		}
	}
}

// countingListener counts the octets that its connections get by ReadFrom of a file.
type countingListener struct {
	net.Listener
	sent *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*net.TCPConn), l.sent}, nil
}

type countingConn struct {
	*net.TCPConn
	sent *atomic.Int64
}

func (c *countingConn) ReadFrom(r io.Reader) (int64, error) {
	if lr, ok := r.(*io.LimitedReader); ok {
		if _, ok := lr.R.(*os.File); !ok {
			return 0, errors.New("not a limited file")
		}
	}
	n, err := c.TCPConn.ReadFrom(r)
	c.sent.Add(n)
	return n, err
}

// TestSendfile checks that a file given to the ResponseWriter reaches the
// connection below as a file.
func TestSendfile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", fmt.Sprint(len(want)))
		if _, err := io.CopyN(w, f, int64(len(want))); err != nil {
			t.Error(err)
		}
	}, func(s *Server) { s.Listener = countingListener{s.Listener, &sent} })
	resp, err := http.Get("http://" + r.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d octets, %v", len(got), err)
	}
	r.stop()
	if err := <-r.done; err != nil { // or the last octets may not have been counted yet
		t.Fatal(err)
	}
	if n := sent.Load(); n < int64(len(want))-1024 {
		t.Errorf("%d of %d octets were sent from the file", n, len(want))
	}
}

// TestReadFromWithout checks a connection that has no ReadFrom of its own.
func TestReadFromWithout(t *testing.T) {
	a, b := net.Pipe()
	c := &conn{Conn: a, listener: NewListener(nil, true, discard)}
	go func() {
		n, err := c.ReadFrom(strings.NewReader("hello"))
		if n != 5 || err != nil {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		c.Close()
	}()
	if got, err := io.ReadAll(b); string(got) != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
}

// TestLinger checks that a client that writes its whole request before it reads
// gets to see why the request was refused at its head.
func TestLinger(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusPreconditionFailed)
	}, nil)
	const size = 32 << 20
	for _, message := range []string{
		head("PUT", fmt.Sprintf("Content-Length: %d", size)),
		head("PUT", fmt.Sprintf("Content-Length: %d", size), chunked),
	} {
		c := r.dial(t)
		if _, err := io.WriteString(c, message); err != nil {
			t.Fatal(err)
		}
		if n, err := io.CopyN(c, zeros{}, size); err != nil {
			t.Fatalf("wrote %d octets: %v", n, err)
		}
		status, _ := responses(t, c)
		if len(status) != 1 || status[0]/100 != 4 {
			t.Errorf("got %d", status)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
