package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is an infill serve that runs.
type process struct {
	*exec.Cmd
	addr string
	log  *bufio.Scanner // standard error by lines
}

// startServe runs infill serve on a new directory.
func startServe(t testing.TB, flags ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"infill", "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--min-free", "0"}, flags...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b, _ := io.ReadAll(stderr)
		t.Fatalf("no line on standard output: %v\n%s", err, b)
	}
	_, addr, ok := strings.Cut(strings.TrimSuffix(line, "/\n"), " on http://")
	if !ok {
		t.Fatalf("printed %q", line)
	}
	return &process{cmd, addr, bufio.NewScanner(stderr)}
}

// signal sends SIGTERM and waits until the process has logged that it shuts down.
func (p *process) signal(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for p.log.Scan() {
		if strings.Contains(p.log.Text(), "shutting down") {
			return
		}
	}
	t.Fatal("no notice of the shutdown in the log")
}

// upload begins a PUT of n bytes and returns when the server waits for them.
func (p *process) upload(t *testing.T, n int) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "PUT /r HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", n)
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := br.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return c, br
}

// TestGrace checks that a slow upload ends well after SIGTERM, and is kept.
func TestGrace(t *testing.T) {
	p := startServe(t)
	c, br := p.upload(t, 10)
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	p.signal(t)
	if _, err := io.WriteString(c, "world"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("got %v, %v, want 201", resp, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// TestGraceEnds checks that an upload that does not end is cut off, which the exit
// status tells.
func TestGraceEnds(t *testing.T) {
	p := startServe(t, "--shutdown-grace", "10ms")
	p.upload(t, 10)
	p.signal(t)
	var last string
	for p.log.Scan() {
		last = p.log.Text()
	}
	if err := p.Wait(); p.ProcessState.ExitCode() != exitFailure {
		t.Errorf("Wait: %v, want exit status %d", err, exitFailure)
	}
	if !strings.Contains(last, "cut off") {
		t.Errorf("the last line of the log is %q", last)
	}
}

// TestSecondSignal checks that a second signal does not wait.
func TestSecondSignal(t *testing.T) {
	p := startServe(t)
	p.upload(t, 10)
	p.signal(t)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := p.Wait()
	if status, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("Wait: %v", err)
	}
}
