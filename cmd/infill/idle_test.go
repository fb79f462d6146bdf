package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var idleFlag = flag.Int("idle", 2000, "how many idle connections TestIdleConnections opens")

// idlers is a command for TestIdleConnections: idlers ADDR N opens N connections, sends one request on every second of
// them, prints "open", and when the server has closed all of them, "closed". It is a process of its own so that the test
// needs descriptors for one end of the connections only.
func idlers() {
	n, err := strconv.Atoi(os.Args[2])
	var conns []net.Conn
	for i := 0; i < n && err == nil; i++ {
		var c net.Conn
		if c, err = net.Dial("tcp", os.Args[1]); err != nil {
			break
		}
		conns = append(conns, c)
		if i%2 == 0 {
			continue
		}
		if _, err = io.WriteString(c, "HEAD /film HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			break
		}
		var res *http.Response
		if res, err = http.ReadResponse(bufio.NewReaderSize(c, 1<<10), &http.Request{Method: "HEAD"}); err == nil && res.StatusCode != 200 {
			err = fmt.Errorf("connection %d: %s", i, res.Status)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "idlers:", err)
		os.Exit(1)
	}
	fmt.Println("open")
	for _, c := range conns {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			fmt.Fprintln(os.Stderr, "idlers: the server sent something")
			os.Exit(1)
		}
	}
	fmt.Println("closed")
}

// perConnection is what an idle connection may cost, in bytes: two buffers of net/http with 4 KiB each, two stacks, and
// some structures. Measured are about 16 KiB.
const perConnection = 40 << 10

// TestIdleConnections checks that many connections on which nothing happens cost little, keep nobody else from being
// served, and are closed in time, those with a request before and those without.
func TestIdleConnections(t *testing.T) {
	n := *idleFlag
	if most := maxDescriptors() - 500; most > 0 && n > most {
		t.Logf("%d connections, because the process may not have more descriptors", most)
		n = most
	}
	h := startHost(t, vfs.Default, "--read-header-timeout=3s", "--idle-timeout=3s", "--max-connections", strconv.Itoa(n+10))
	if res, _ := h.do("PUT", "/film", "0123456789"); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
	h.released()
	files := descriptors(t)
	before := memory()

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args, cmd.Stderr = []string{"idlers", h.addr, strconv.Itoa(n)}, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("idlers printed %q, %v", lines.Text(), lines.Err())
	}
	opened := time.Since(begin)
	open := descriptors(t) - files
	each := (memory() - before) / int64(max(1, open))
	t.Logf("%d connections, open after %v: %d descriptors, %d bytes each", n, opened, open, each)
	if open < n/2 {
		t.Logf("too slow to see all of them open")
	} else if each > perConnection {
		t.Errorf("an idle connection costs %d bytes, want at most %d", each, perConnection)
	}
	for i := range 20 {
		if res, b := h.do("GET", "/film", ""); res.StatusCode != 200 || b != "0123456789" {
			t.Fatalf("GET is %s %q", res.Status, b)
		}
		if res, _ := h.do("PUT", fmt.Sprintf("/%d", i), "x"); res.StatusCode != http.StatusCreated {
			t.Fatalf("PUT is %s", res.Status)
		}
	}
	if !lines.Scan() || lines.Text() != "closed" {
		t.Fatalf("idlers printed %q, %v", lines.Text(), lines.Err())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	h.released()
	h.until("descriptors are as many as before", func() bool { return descriptors(t) <= files+20 }) // 20: what the map has opened since
}

// descriptors returns how many the process has.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	return len(list)
}
