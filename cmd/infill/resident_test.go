package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

var residentFlag = flag.Int64("resident", 512, "how many MiB TestResident uploads, each way")

const (
	residentConnections = 64
	residentPiece       = 8 << 20 // bytes of one upload
	residentMost        = 200     // MiB that the server may have resident
)

// raced reports whether the race detector is built in, with which everything takes several times as much memory.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// peakMemory returns the most memory that a process has had resident, in MiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmHWM in %s", b)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n >> 10
}

// TestResident has the command take uploads over many connections at a time, which replace what each has sent before, and
// looks at the most memory that it has ever had. That does not depend on how much is sent.
func TestResident(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			p := startServe(t)
			var left atomic.Int64
			left.Store(*residentFlag << 20)
			var g errgroup.Group
			for i := range residentConnections {
				u := uploader{client: clientTo(t, p.addr, http2), requests: 1}
				u.client.Timeout = 0
				g.Go(func() error {
					for left.Add(-residentPiece) >= 0 {
						if err := u.upload(fmt.Sprintf("http://infill/up-%d", i), residentPiece); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			most := residentMost
			if raced() {
				most *= 4
			}
			peak := peakMemory(t, p.Process.Pid)
			t.Logf("%d MiB over %d connections: at most %d MiB resident", *residentFlag, residentConnections, peak)
			if peak > most {
				t.Errorf("%d MiB resident, want at most %d", peak, most)
			}
			p.signal(t)
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
