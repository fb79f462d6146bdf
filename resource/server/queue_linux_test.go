package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestUnacknowledged checks that what a client has not taken is known, and that it is nothing once it took all.
func TestUnacknowledged(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetWriteBuffer(512 << 10); err != nil {
		t.Fatal(err)
	}
	const n = 512 << 10 // more than the client takes unread, less than the buffer
	if _, err := c.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if got := unacknowledged(c); got <= 0 || got > n {
		t.Errorf("%d octets are not acknowledged, want 1 to %d", got, n)
	}
	if _, err := io.CopyN(io.Discard, client, n); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF { // after all acknowledgements
		t.Fatal(err)
	}
	if got := unacknowledged(c); got != 0 {
		t.Errorf("%d octets are not acknowledged after the client read all", got)
	}
}

// TestUnread checks that a connection that is closed with requests that nobody has read is closed without a reset.
func TestUnread(t *testing.T) {
	r := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		echo(w, r)
	}, nil)
	const n = 128 << 10
	for range 10 {
		c := r.dial(t)
		request := head("PUT", fmt.Sprintf("Content-Length: %d", n)) + strings.Repeat("x", n)
		if _, err := io.WriteString(c, request+strings.Repeat(head("GET"), 1000)); err != nil {
			t.Fatal(err)
		}
		if status, _ := responses(t, c); len(status) != 1 || status[0] != 200 {
			t.Errorf("got %d", status)
		}
	}
}
