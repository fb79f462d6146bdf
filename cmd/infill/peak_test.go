package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

var movedFlag = flag.Int64("moved", 256<<20, "bytes of the file that TestClientMemory moves")

// peak runs a command, the arguments, and writes the most memory that it had, in bytes, to standard error. It is a process
// of its own, because what the system tells counts the memory that the process which starts a command has at that moment.
func peak() {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cmd := &exec.Cmd{Path: self, Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10)
}

// TestClientMemory: the memory of a client does not grow with what it moves.
//
//	go test ./cmd/infill -run TestClientMemory -v -moved 4294967296
func TestClientMemory(t *testing.T) {
	const most = 64 << 20
	file := randomFile(t, 1, *movedFlag)
	srv := startServe(t)
	url := "http://" + srv.addr + "/f"
	dir := t.TempDir()
	for _, args := range [][]string{
		{"put", "--digest", "always", file, url},
		{"get", url, filepath.Join(dir, "got")},
		{"get", url, "-"},
		{"put", "-", url + "-stream"},
		{"put", "--segment-digest", "sha-256", file, url + "-sha"},
	} {
		stdin, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		cmd := infill(t.Context(), t, append([]string{"infill", args[0], "-q"}, args[1:]...)...)
		cmd.Args[0] = "peak"
		cmd.Stdin, cmd.Stdout = stdin, nil
		err = cmd.Run()
		stdin.Close()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, output(cmd))
		}
		n, err := strconv.ParseInt(strings.TrimSpace(output(cmd)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d MiB", strings.Join(args[:2], " "), n>>20)
		if n > most && !slowTests {
			t.Errorf("%q: %d MiB at most, want %d", args, n>>20, most>>20)
		}
	}
}
