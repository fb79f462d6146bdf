package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

// randomTree makes a directory with files of transferSize bytes together: one large one, some of a megabyte or two, and
// many small ones, in directories that are in each other.
func randomTree(t *testing.T, rng *rand.Rand) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "tree")
	left := int64(transferSize)
	for i := 0; left > 0; i++ {
		size := rng.Int64N(64 << 10)
		switch {
		case i == 20:
			size = 10 << 20
		case i%10 == 0:
			size += 2 << 20
		}
		size = min(size, left)
		left -= size
		dir := top
		for range rng.IntN(4) {
			dir = filepath.Join(dir, fmt.Sprint("d", rng.IntN(3)))
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprint("f ", i)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(f, bench.NewContent(rng.Uint64(), size))
		if cerr := f.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
	}
	return top
}

// sameTrees fails the test unless the directories have the same files with the same bytes, and no others.
func sameTrees(t *testing.T, a, b string) {
	t.Helper()
	if out, err := exec.Command("diff", "-r", a, b).CombinedOutput(); err != nil {
		t.Errorf("diff: %v\n%s", err, out)
	}
}

// TestGetCollectionInterrupted downloads a collection while connections, the server and the client are broken and killed.
func TestGetCollectionInterrupted(t *testing.T) {
	for run := range *transferRuns {
		rng := transferRand(t, run)
		tree := randomTree(t, rng)
		srv := startRestarter(t)
		if cmd := infill(t.Context(), t, "put", "-q", tree, "http://"+srv.addr+"/c"); cmd.Run() != nil {
			t.Fatal(output(cmd))
		}
		client := make(chan *exec.Cmd, 1)
		proxy := startChaos(t, srv.addr, interruptions(rng, srv, client)...)
		got := filepath.Join(t.TempDir(), "got")
		args := append([]string{"get", "--checkpoint", "10ms"}, append(strings.Fields(transferFlags), "http://"+proxy.addr+"/c/", got)...)
		kills := untilDone(t, client, args)
		_, down, cut := proxy.totals()
		expectSent(t, down, transferSize, cut+8*2*kills)
		sameTrees(t, tree, got)
		if r := getCollection(t, srv.addr, got); r.Moved != 0 || r.Size != transferSize || r.Failed != 0 {
			t.Errorf("all is there, and then %+v", r)
		}
	}
}

// getCollection downloads the collection /c/ to a directory once more, and returns the result.
func getCollection(t *testing.T, addr, dir string) (r collectionResult) {
	t.Helper()
	cmd := infill(t.Context(), t, "get", "--json", "--quiet", "http://"+addr+"/c/", dir)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, output(cmd))
	}
	lines := strings.Split(strings.TrimSpace(output(cmd)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGetCollectionSignal: after SIGINT, the same command goes on, and what it says is all there is.
func TestGetCollectionSignal(t *testing.T) {
	rng := transferRand(t, 0)
	tree := randomTree(t, rng)
	srv := startServe(t)
	if cmd := infill(t.Context(), t, "put", "-q", tree, "http://"+srv.addr+"/c"); cmd.Run() != nil {
		t.Fatal(output(cmd))
	}
	started := make(chan *exec.Cmd, 1)
	proxy := startChaos(t, srv.addr, fault{transferSize / 2, func(*pair) { _ = (<-started).Process.Signal(os.Interrupt) }})
	got := filepath.Join(t.TempDir(), "got")
	cmd := infill(t.Context(), t, append(append([]string{"get"}, strings.Fields(transferFlags)...), "http://"+proxy.addr+"/c/", got)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started <- cmd
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || output(cmd) != "infill: interrupted; the same command goes on\n" {
		t.Errorf("exit status %d\n%s", code, output(cmd))
	}
	r := getCollection(t, proxy.addr, got)
	if r.Moved == 0 || r.Moved == transferSize || r.Size != transferSize {
		t.Errorf("%+v", r)
	}
	sameTrees(t, tree, got)
	_, down, _ := proxy.totals()
	expectSent(t, down, transferSize, 8)
}
