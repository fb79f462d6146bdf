package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

var (
	transferSeed = flag.Uint64("transfer-seed", 0, "seed of the tests of transfers that are interrupted, as an earlier run logged it; 0 for a new one")
	transferRuns = flag.Int("transfers", 1, "how often each test of transfers that are interrupted is run")
)

const (
	transferSize = 24 << 20
	mostSegment  = 1 << 20

	// transferFlags make segments small enough for a short test to have many, and pauses short.
	transferFlags = "--segment 256KiB --min-segment 64KiB --max-segment 1MiB --max-backoff 50ms --attempts 40 --stall-timeout 1s --response-timeout 2s --quiet"
)

// transferRand returns the source of what is random in a test, for each run.
func transferRand(t *testing.T, run int) *rand.Rand {
	seed := *transferSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("run %d, replay with -transfer-seed=%d -transfers=%d", run, seed, *transferRuns)
	return rand.New(rand.NewPCG(seed, uint64(run)))
}

// randomFile makes a file of n bytes.
func randomFile(t testing.TB, seed uint64, n int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	// In large pieces, as files are copied and read: from small ones the system makes a cache that is slower to read.
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{bench.NewContent(seed, n)}, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// infill returns a command with arguments.
func infill(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"infill"}, args...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	return cmd
}

// output returns what cmd printed.
func output(cmd *exec.Cmd) string { return cmd.Stderr.(*bytes.Buffer).String() }

// sameFiles fails the test unless the files have the same bytes.
func sameFiles(t testing.TB, a, b string) {
	t.Helper()
	if out, err := exec.Command("cmp", a, b).CombinedOutput(); err != nil {
		t.Errorf("cmp: %v\n%s", err, out)
	}
}

// expectSent fails the test if more than a tenth of n bytes, and a segment for each broken connection, were moved beyond n.
func expectSent(t *testing.T, moved, n int64, cut int) {
	t.Helper()
	most := n + n/10 + int64(cut)*mostSegment
	t.Logf("%d of %d bytes were moved again, %d connections were broken", moved-n, n, cut)
	if moved > most {
		t.Errorf("%d bytes were moved, want at most %d", moved, most)
	}
}

// A restarter is a server that is killed and started again at the same address.
type restarter struct {
	t    *testing.T
	dir  string
	addr string

	mu sync.Mutex
	p  *process
}

func startRestarter(t *testing.T) *restarter {
	r := &restarter{t: t, dir: t.TempDir()}
	r.p = startServe(t, "--data", r.dir)
	r.addr = r.p.addr
	return r
}

// restart kills the server and starts it anew.
func (r *restarter) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.p.Process.Kill(); err != nil {
		r.t.Error(err)
	}
	_ = r.p.Wait()
	r.p = startServe(r.t, "--data", r.dir, "--listen", r.addr)
}

// interruptions returns faults during the transfer of transferSize bytes: 12 that break a connection or kill the client
// whose process is in the channel, and one that kills the server.
func interruptions(rng *rand.Rand, srv *restarter, client chan *exec.Cmd) []fault {
	kill := func(*pair) {
		select {
		case cmd := <-client:
			_ = cmd.Process.Kill()
		default:
		}
	}
	kinds := []func(*pair){(*pair).drop, (*pair).reset, (*pair).freeze, kill}
	list := []fault{{rng.Int64N(transferSize), func(*pair) { srv.restart() }}}
	for range 12 {
		list = append(list, fault{rng.Int64N(transferSize), kinds[rng.IntN(len(kinds))]})
	}
	return list
}

// TestPutInterrupted uploads while connections are dropped, reset and stalled, the server is killed, and the client is
// killed. The same command, given again and again, ends with the file on the server, and without sending much twice.
//
//	go test ./cmd/infill -run 'Interrupted|Shared' -v -timeout 30m -transfers 100
func TestPutInterrupted(t *testing.T) {
	for run := range *transferRuns {
		rng := transferRand(t, run)
		file := randomFile(t, rng.Uint64(), transferSize)
		srv := startRestarter(t)
		client := make(chan *exec.Cmd, 1)
		faults := interruptions(rng, srv, client)
		proxy := startChaos(t, srv.addr, faults...)
		kills := untilDone(t, client, append([]string{"put"}, append(strings.Fields(transferFlags), file, "http://"+proxy.addr+"/f")...))
		up, _, _ := proxy.totals()
		// A kill of either side breaks all connections.
		expectSent(t, up, transferSize, 12+8*(kills+1))
		got := filepath.Join(t.TempDir(), "got")
		if cmd := infill(t.Context(), t, "get", "http://"+srv.addr+"/f", got); cmd.Run() != nil {
			t.Fatal(output(cmd))
		}
		sameFiles(t, file, got)
	}
}

// untilDone gives a command until it is not killed any more, and returns how often it was. The process is in the channel
// while it can be killed.
func untilDone(t *testing.T, client chan *exec.Cmd, args []string) (kills int) {
	t.Helper()
	for {
		cmd := infill(t.Context(), t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		client <- cmd
		err := cmd.Wait()
		select {
		case <-client:
		default:
		}
		if err == nil {
			return kills
		}
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("%v\n%s", err, output(cmd))
		}
		kills++
	}
}

// TestPutShared lets three clients upload the same file to the same URL at the same time.
func TestPutShared(t *testing.T) {
	for run := range *transferRuns {
		rng := transferRand(t, run)
		file := randomFile(t, rng.Uint64(), 2*transferSize)
		srv := startServe(t)
		proxy := startChaos(t, srv.addr)
		proxy.slow(4*time.Millisecond, 32<<10) // 8 MiB a second for each connection
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				args := append([]string{"put", "--connections", "4"}, append(strings.Fields(transferFlags), file, "http://"+proxy.addr+"/f")...)
				if cmd := infill(t.Context(), t, args...); cmd.Run() != nil {
					t.Error(output(cmd))
				}
			})
		}
		wg.Wait()
		up, _, _ := proxy.totals()
		expectSent(t, up, 2*transferSize, 0)
		got := filepath.Join(t.TempDir(), "got")
		if cmd := infill(t.Context(), t, "get", "http://"+srv.addr+"/f", got); cmd.Run() != nil {
			t.Fatal(output(cmd))
		}
		sameFiles(t, file, got)
	}
}

// TestGetInterrupted downloads while connections, the server and the client are broken and killed.
func TestGetInterrupted(t *testing.T) {
	for run := range *transferRuns {
		rng := transferRand(t, run)
		file := randomFile(t, rng.Uint64(), transferSize)
		srv := startRestarter(t)
		if cmd := infill(t.Context(), t, "put", file, "http://"+srv.addr+"/f"); cmd.Run() != nil {
			t.Fatal(output(cmd))
		}
		client := make(chan *exec.Cmd, 1)
		faults := interruptions(rng, srv, client)
		proxy := startChaos(t, srv.addr, faults...)
		proxy.slow(4*time.Millisecond, 32<<10)
		got := filepath.Join(t.TempDir(), "got")
		kills := untilDone(t, client, append([]string{"get", "--checkpoint", "10ms"}, append(strings.Fields(transferFlags), "http://"+proxy.addr+"/f", got)...))
		_, down, _ := proxy.totals()
		expectSent(t, down, transferSize, 12+8*(2*kills+1))
		sameFiles(t, file, got)
		if names, err := os.ReadDir(filepath.Dir(got)); err != nil || len(names) != 1 {
			t.Errorf("%v, %v", names, err)
		}
	}
}
