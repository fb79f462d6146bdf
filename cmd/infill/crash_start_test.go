package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/infill-http/infill/store"
)

var resourcesFlag = flag.Int("resources", 1000, "how many resources TestStart puts into each store")

// TestStart measures the time from the start of a server to the line that says it serves, after a clean stop and after it
// was killed, for stores that have the same number of resources and very different amounts of data in them. It must not
// depend on the data: nothing is scanned.
//
//	go test ./cmd/infill -run 'TestStart$' -v -timeout 30m -resources 1000000
func TestStart(t *testing.T) {
	small, large := startTimes(t, *resourcesFlag, 16), startTimes(t, *resourcesFlag, 4<<10)
	t.Logf("%d resources of 16 bytes: %v", *resourcesFlag, small)
	t.Logf("%d resources of 4 KiB: %v", *resourcesFlag, large)
	if large.killed > 3*small.killed+time.Second || large.clean > 3*small.clean+time.Second {
		t.Error("a server with hundreds of times the data takes much longer to start")
	}
}

// startTime is how long a server took to start: the longest of some times.
type startTime struct{ clean, killed time.Duration }

func (s startTime) String() string {
	return fmt.Sprintf("%v after a clean stop, %v after a kill", s.clean.Round(time.Millisecond), s.killed.Round(time.Millisecond))
}

// startTimes fills a store with n resources of size bytes and starts servers on it: three that are stopped, and then, when
// one was killed under load, three that are killed. The first of those replays what the kill left in the log.
func startTimes(t *testing.T, n, size int) (times startTime) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := store.Open(dir, &store.Options{Logger: quiet(), Durability: store.DurabilityNone}) // until it is closed
	if err != nil {
		t.Fatal(err)
	}
	makeResources(t, s, "/", n, size)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e, took := timedStart(t, dir, size)
		times.clean = max(times.clean, took)
		if err := e.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		e.end(t, 0)
	}
	killUnderLoad(t, dir, int64(max(n/20, 1000)), size)
	for range 3 {
		e, took := timedStart(t, dir, size)
		times.killed = max(times.killed, took)
		e.kill()
		e.end(t, syscall.SIGKILL)
	}
	return times
}

// timedStart starts a server and returns how long that took.
func timedStart(t *testing.T, dir string, size int) (*epoch, time.Duration) {
	t.Helper()
	begin := time.Now()
	e := startEpoch(t, dir, -1, 0)
	took := time.Since(begin)
	resp, err := e.http.Head(e.url + "/1")
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(size) {
		t.Fatalf("HEAD: %v, %v", resp, err)
	}
	resp.Body.Close()
	return e, took
}

// killUnderLoad starts a server and kills it while 32 clients make resources, when they have made n.
func killUnderLoad(t *testing.T, dir string, n int64, size int) {
	t.Helper()
	e := startEpoch(t, dir, -1, 0)
	content := strings.Repeat("x", size)
	put := func(i int64) error {
		req, err := http.NewRequest("PUT", fmt.Sprintf("%s/more/%d", e.url, i), strings.NewReader(content))
		if err != nil {
			return err
		}
		resp, err := e.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("PUT: %s, %v", resp.Status, err)
		}
		return nil
	}
	var next atomic.Int64
	var writers errgroup.Group
	for range 32 {
		writers.Go(func() error {
			for {
				i := next.Add(1)
				if i == n {
					e.kill()
				}
				if err := put(i); err != nil && !e.killed.Load() {
					return err
				} else if err != nil {
					return nil
				}
			}
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	e.end(t, syscall.SIGKILL)
}
