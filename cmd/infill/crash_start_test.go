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
)

var resourcesFlag = flag.Int("resources", 1000, "how many resources TestStartAfterKill puts into each store")

// TestStartAfterKill measures the time from the start of a server that was killed to the line that says it serves, for
// stores that have the same number of resources and very different amounts of data in them. It must not depend on the
// data: nothing is scanned.
//
//	go test ./cmd/infill -run TestStartAfterKill -v -resources 100000
func TestStartAfterKill(t *testing.T) {
	small, large := startAfterKill(t, *resourcesFlag, 16), startAfterKill(t, *resourcesFlag, 16<<10)
	t.Logf("%d resources: %v to serve after a kill with 16 bytes in each, %v with 16 KiB", *resourcesFlag, small, large)
	if large > 3*small+time.Second {
		t.Errorf("a server with a thousand times the data takes %v to start, and %v without", large, small)
	}
}

// startAfterKill fills a store with n resources of size bytes, in parallel, kills the server while it writes more, and
// returns the longest time of three starts, each ended by another kill. The first replays what the kill left in the log.
func startAfterKill(t *testing.T, n, size int) time.Duration {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	e := startEpoch(t, dir, -1, 0)
	content := strings.Repeat("x", size)
	put := func(i int64) error {
		req, err := http.NewRequest("PUT", fmt.Sprintf("%s/%d", e.url, i), strings.NewReader(content))
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
				if i == int64(n) {
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

	var longest time.Duration
	for range 3 {
		begin := time.Now()
		e := startEpoch(t, dir, -1, 0)
		longest = max(longest, time.Since(begin))
		resp, err := e.http.Head(e.url + "/1")
		if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength != int64(size) {
			t.Fatalf("HEAD: %v, %v", resp, err)
		}
		resp.Body.Close()
		e.kill()
		e.end(t, syscall.SIGKILL)
	}
	return longest.Round(time.Millisecond)
}
