package main

import (
	"context"
	"flag"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	killsFlag = flag.Int("kills", 5, "how often TestKill kills the server")
	seedFlag  = flag.Uint64("seed", 0, "seed of TestKill, as an earlier run logged it; 0 for a new one")
)

// An epoch is the life of one server process, from its start to its SIGKILL.
type epoch struct {
	*process
	url    string
	http   *http.Client
	killed atomic.Bool  // set before the signal is sent
	left   atomic.Int64 // reads and writes of the clients until it is sent
	delay  time.Duration
	errors chan string // receives what was written to standard error, at its end
}

// startEpoch runs infill serve on dir. It is killed when the clients have read or written so many times, and then at a
// random moment in delay; a negative number: never.
func startEpoch(t *testing.T, dir string, ios int64, delay time.Duration) *epoch {
	t.Helper()
	e := &epoch{delay: delay, errors: make(chan string, 1)}
	e.left.Store(ios)
	e.process = startServe(t, "--data", dir, "--persist-bytes", "32KiB", "--persist-interval", "5ms", "--log-level", "warn")
	go func() {
		var b strings.Builder
		for e.log.Scan() {
			b.WriteString(e.log.Text() + "\n")
		}
		e.errors <- b.String()
	}()
	e.url = "http://" + e.addr
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countedConn{c, e}, err
	}
	e.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true, MaxIdleConnsPerHost: 64}, Timeout: time.Minute}
	return e
}

// A countedConn counts the reads and writes of a connection.
type countedConn struct {
	net.Conn
	e *epoch
}

func (c countedConn) Read(p []byte) (int, error) {
	c.e.count()
	return c.Conn.Read(p)
}

func (c countedConn) Write(p []byte) (int, error) {
	c.e.count()
	return c.Conn.Write(p)
}

func (e *epoch) count() {
	if e.left.Add(-1) == 0 {
		time.AfterFunc(e.delay, e.kill)
	}
}

func (e *epoch) kill() {
	e.killed.Store(true)
	_ = e.Process.Kill() // an error tells that it is dead, which end looks into
}

// end waits for the end of the process and checks that it was that signal which ended it.
func (e *epoch) end(t *testing.T, want syscall.Signal) {
	t.Helper()
	e.http.CloseIdleConnections()
	log := <-e.errors
	err := e.Wait()
	status, ok := e.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || want != 0 && status.Signal() != want || want == 0 && err != nil {
		t.Errorf("the server ended with %v\n%s", err, log)
	}
	if t.Failed() && log != "" {
		t.Logf("log of the server:\n%s", log)
	}
}

// each calls f for all clients at the same time.
func each(clients []*crashClient, f func(*crashClient)) {
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { f(c) })
	}
	wg.Wait()
}

// TestKill kills a server again and again while clients write to it, and checks each time that it has all that it
// acknowledged, and of what it did not acknowledge all or nothing. The requests depend on the seed only; how they and the
// signal meet in the server does not.
//
//	go test ./cmd/infill -run 'TestKill$' -kills 200
func TestKill(t *testing.T) {
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d -kills=%d", seed, *killsFlag)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := filepath.Join(t.TempDir(), "data")
	var clients []*crashClient
	for id := range 8 {
		clients = append(clients, newCrashClient(t, id+1, seed))
	}
	for kill := range *killsFlag {
		e := startEpoch(t, dir, 1+rng.Int64N(4000), time.Duration(rng.Int64N(int64(3*time.Millisecond))))
		each(clients, func(c *crashClient) {
			c.epoch = e
			c.settle()
		})
		each(clients, func(c *crashClient) { c.run(e) })
		if t.Failed() {
			e.kill()
			e.end(t, syscall.SIGKILL)
			t.Fatalf("before kill %d of seed %d", kill+1, seed)
		}
		e.end(t, syscall.SIGKILL)
	}

	e := startEpoch(t, dir, -1, 0)
	done := map[string]int{}
	each(clients, func(c *crashClient) {
		c.epoch = e
		c.settle()
		for name := range c.base {
			c.perform([]*op{{kind: opDelete, name: name, length: -1}})
		}
	})
	for _, c := range clients {
		for kind, n := range c.done {
			done[kind] += n
		}
	}
	t.Logf("%d kills: %v", *killsFlag, done)
	for _, kind := range append(opNames, effect, noEffect) {
		if done[kind] == 0 && *killsFlag >= 50 {
			t.Errorf("too few kills: there was no request %s", kind)
		}
	}
	waitForNoFiles(t, dir)
	if err := e.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e.end(t, 0)
}

// waitForNoFiles waits until the files of the resources, which are all deleted, are removed. A process that was killed
// must not have left any that the next one does not know.
func waitForNoFiles(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		var left []string
		err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				left = append(left, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("files of no resource: %q", left)
		case <-tick.C:
		}
	}
}
