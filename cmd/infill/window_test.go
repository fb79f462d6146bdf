package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestStallIsNoTimeout checks that a disk which stalls for longer than a client may be idle costs no upload over HTTP/2:
// neither those that wait for the disk, nor one that could send nothing because those had used up the window.
func TestStallIsNoTimeout(t *testing.T) {
	disk := newStalledDisk()
	h := startHost(t, disk, "--body-idle-timeout=1500ms", "--stream-window=64KiB", "--connection-window=128KiB", "--inline-size=0")
	c := clientTo(t, h.addr, true)
	if res, err := c.Get("http://infill/none"); err != nil {
		t.Fatal(err) // the connection and its settings are known before the uploads begin
	} else {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	release := disk.stall()
	const size = 4 << 20
	done := make(chan string)
	for i := range 4 {
		go func() {
			req, err := http.NewRequest("PUT", fmt.Sprintf("http://infill/up/%d", i), bytes.NewReader(make([]byte, size)))
			if err != nil {
				done <- err.Error()
				return
			}
			res, err := c.Do(req)
			if err != nil {
				done <- err.Error()
				return
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			done <- res.Status + " " + string(b)
		}()
	}
	h.until("the disk keeps somebody waiting", func() bool { return disk.waiting.Load() > 0 })

	// Clients of other connections that really are idle tell how much time has passed.
	for range 2 {
		other := dial(t, h.addr)
		if _, err := io.WriteString(other, "PUT /idle HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(other); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 408 ") {
			t.Fatalf("an idle client gets %.100q, %v", b, err)
		}
	}
	release()
	for range 4 {
		if got := <-done; !strings.HasPrefix(got, "201 ") {
			t.Errorf("an upload gets %s", got)
		}
	}
}
