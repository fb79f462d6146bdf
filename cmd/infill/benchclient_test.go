package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

// These benchmarks compare the commands with curl, which is the bare side unless another one is named, for the same file
// and server. The server is a process of its own. What was uploaded is deleted outside of the time of both.
//
//	go test ./cmd/infill -run '^$' -bench Client -benchtime 5x

// A farNetwork has a round-trip time of 50 ms, and connections whose window lets 2 MiB through in a second.
const (
	farRTT    = 50 * time.Millisecond
	farWindow = 104 << 10
	farSize   = 24 << 20
)

// command runs a command and fails if it does.
func command(name string, args ...string) error {
	_, err := timed(name, args...)
	return err
}

// timed is command, and returns the processor time that it took, in itself and in the system.
func timed(name string, args ...string) (time.Duration, error) {
	cmd := exec.Command(name, args...)
	if name == "infill" {
		self, err := os.Executable()
		if err != nil {
			return 0, err
		}
		cmd.Path, cmd.Err = self, nil
	}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %s", name, err, out.String())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// benchPut uploads a file of n bytes to the server at the address that via returns for that of the real one.
func benchPut(b *testing.B, n int64, via func(addr string) string) {
	file := randomFile(b, 1, n)
	dir := b.TempDir()
	srv := startServe(b, "--data", dir)
	url := "http://" + via(srv.addr) + "/f"
	up := func(metric, name string, args ...string) side {
		return side{metric,
			func(int) error { return command(name, append(args, url)...) },
			func() error { return vacated("http://"+srv.addr+"/f", dir, n) }}
	}
	b.SetBytes(2 * n)
	compare(b, float64(n)/(1<<20), [2]side{
		up("bare-MiB/s", "curl", "-sSf", "-o", os.DevNull, "-T", file),
		up("infill-MiB/s", "infill", "put", "-q", file)})
}

// vacated removes a resource of n bytes from a server whose directory is dir, and waits until the file system has done
// with them, which takes longer than the response. Then it uses their memory once: a virtual machine may have given it
// back to its host, and whoever comes next would wait for each page of it.
func vacated(url, dir string, n int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return err
	}
	want := fs.Bfree + uint64(n/int64(fs.Bsize))*9/10 // others may use the disk too
	if err := send("DELETE", url, 0, 0); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); fs.Bfree < want; <-tick.C {
		if err := unix.Statfs(dir, &fs); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s was deleted, and its space is not free", url)
		}
	}
	unix.Sync()
	memory, err := unix.Mmap(-1, 0, int(2*n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}

// benchGet downloads a file of n bytes, with more flags if there are some, and reports the processor time of both sides
// too: it varies less on a machine that has other work.
func benchGet(b *testing.B, n int64, via func(addr string) string, flags ...string) {
	file := randomFile(b, 1, n)
	srv := startServe(b)
	if err := command("infill", "put", "-q", "--digest", "always", file, "http://"+srv.addr+"/f"); err != nil {
		b.Fatal(err)
	}
	url := "http://" + via(srv.addr) + "/f"
	dir := b.TempDir()
	spent := make(map[string][]float64)
	down := func(name string, args ...string) error {
		cpu, err := timed(name, args...)
		if err != nil {
			return err
		}
		spent[name] = append(spent[name], cpu.Seconds()*float64(1<<30)/float64(n))
		return os.Remove(filepath.Join(dir, name))
	}
	versus(b, n,
		func(int) error { return down("curl", "-sSf", "-o", filepath.Join(dir, "curl"), url) },
		func(int) error {
			return down("infill", slices.Concat([]string{"get", "-q"}, flags, []string{url, filepath.Join(dir, "infill")})...)
		})
	for name, times := range spent {
		b.ReportMetric(bench.Median(times), name+"-cpu-s/GiB")
	}
}

// BenchmarkClientGetCollection downloads 2000 files of 8 KiB, eight at a time; the other side is rclone, which compares no
// digests.
func BenchmarkClientGetCollection(b *testing.B) {
	const count, size = 2000, 8 << 10
	if _, err := exec.LookPath("rclone"); err != nil {
		b.Skip(err)
	}
	tree := filepath.Join(b.TempDir(), "tree")
	for n := range int64(count) {
		name := filepath.Join(tree, fmt.Sprint(n%10), fmt.Sprint(n))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			b.Fatal(err)
		}
		content, err := io.ReadAll(bench.NewContent(uint64(n), size))
		if err == nil {
			err = os.WriteFile(name, content, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	url := "http://" + startServe(b).addr + "/c/"
	if err := command("infill", "put", "-q", tree, strings.TrimSuffix(url, "/")); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	down := func(name string, args ...string) error {
		if err := command(name, args...); err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(dir, name))
	}
	versus(b, count*size,
		func(int) error {
			return down("rclone", "--config", filepath.Join(dir, "none"), "--transfers", "8", "copy", "--http-url", url, ":http:", filepath.Join(dir, "rclone"))
		},
		func(int) error { return down("infill", "get", "-q", url, filepath.Join(dir, "infill")) })
}

func near(addr string) string { return addr }

func far(b *testing.B) func(string) string {
	return func(addr string) string {
		c := startChaos(b, addr)
		c.slow(farRTT, farWindow)
		return c.addr
	}
}

func BenchmarkClientPut(b *testing.B)    { benchPut(b, benchSize, near) }
func BenchmarkClientGet(b *testing.B)    { benchGet(b, benchSize, near) }
func BenchmarkClientGetSHA(b *testing.B) { benchGet(b, benchSize, near, "--verify", "sha-256") }
func BenchmarkClientPutFar(b *testing.B) { benchPut(b, farSize, far(b)) }
func BenchmarkClientGetFar(b *testing.B) { benchGet(b, farSize, far(b)) }
