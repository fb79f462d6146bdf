package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

var soakFlag = flag.Duration("soak", 3*time.Second, "how long TestSoak keeps its server busy")

// A soak is a server in this process, so that its memory and goroutines can be counted.
type soak struct {
	t    *testing.T
	dir  string
	url  string
	http *http.Client
	done map[string]*atomic.Int64 // requests by kind
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	k := &soak{t: t, dir: t.TempDir(), done: make(map[string]*atomic.Int64)}
	var o serveOptions
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.register(flags)
	if err := flags.Parse([]string{"--data", k.dir, "--listen", "127.0.0.1:0", "--min-free", "0", "--incomplete-max-age", "1s",
		"--persist-bytes", "64KiB", "--persist-interval", "5ms", "--scrub-rate", "64MiB", "--scrub-interval", "1s", "--log-level", "warn"}); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var log bytes.Buffer
	go func() {
		err := serve(ctx, &o, w, &log)
		w.CloseWithError(io.ErrUnexpectedEOF)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil || log.Len() > 0 {
			t.Errorf("serve: %v\n%s", err, &log)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, url, _ := strings.Cut(strings.TrimSuffix(line, "/\n"), " on ")
	k.url = url
	k.http = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32}, Timeout: time.Minute}
	for _, kind := range soakKinds {
		k.done[kind] = new(atomic.Int64)
	}
	return k
}

// soakNames is how many names there are: few, so that what has one is overwritten often enough to be folded.
const soakNames = 20

var soakKinds = []string{"create", "fill", "abandon", "overwrite", "patch", "cut off", "copy", "move", "delete", "read", "read in part"}

// request sends a request and reads the response, or only its beginning. Refusals are part of the game; faults of the
// server are not.
func (k *soak) request(method, name string, header http.Header, body io.Reader, part bool) {
	req, err := http.NewRequest(method, k.url+name, body)
	if err != nil {
		k.t.Error(err)
		return
	}
	if header != nil {
		req.Header = header
	}
	res, err := k.http.Do(req)
	if err != nil {
		return // a body that was cut off
	}
	defer res.Body.Close()
	if part {
		io.CopyN(io.Discard, res.Body, 100)
		return
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		k.t.Errorf("%s %s: %v", method, name, err)
	}
	if res.StatusCode >= 500 {
		k.t.Errorf("%s %s: %s", method, name, res.Status)
	}
}

// errCut ends the body of a client that goes away.
var errCut = fmt.Errorf("cut off")

// step sends one request, or a few that belong together.
func (k *soak) step(rng *rand.Rand, content []byte) {
	name := fmt.Sprintf("/%d", rng.IntN(soakNames))
	n := int64(1) << rng.IntN(21)
	body := func(n int64) io.Reader { return bytes.NewReader(content[:n]) }
	segment := func(first, n, length int64) http.Header {
		return http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%d", first, first+n-1, length)}}
	}
	kind := soakKinds[rng.IntN(len(soakKinds))]
	switch kind {
	case "create":
		k.request("PUT", name, nil, body(n), false)
	case "fill":
		k.request("DELETE", name, nil, nil, false)
		for _, i := range rng.Perm(4) {
			k.request("PUT", name, segment(int64(i)*n/4, max(n/4, 1), max(n, 4)), body(max(n/4, 1)), false)
		}
	case "abandon":
		k.request("PUT", fmt.Sprintf("/left/%d", rng.IntN(1e6)), segment(n, n, 4*n), body(n), false)
	case "overwrite":
		for range 16 {
			res, err := k.http.Head(k.url + name)
			if err == nil {
				res.Body.Close()
			}
			if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Upload-Complete") != "?1" || res.ContentLength == 0 {
				break
			}
			first := rng.Int64N(res.ContentLength)
			some := 1 + rng.Int64N(res.ContentLength-first)
			k.request("PUT", name, segment(first, some, res.ContentLength), body(some), false)
		}
	case "patch":
		doc := fmt.Sprintf("--B\r\nContent-Range: bytes 0-9/*\r\n\r\n%s\r\n--B\r\nContent-Range: bytes 20-29/*\r\n\r\n%s\r\n--B--\r\n", content[:10], content[:10])
		k.request("PATCH", name, http.Header{"Content-Type": {"multipart/byteranges; boundary=B"}, "Prefer": {"transaction=persist"}}, strings.NewReader(doc), false)
	case "cut off":
		r, w := io.Pipe()
		go func() {
			io.Copy(w, body(n))
			w.CloseWithError(errCut)
		}()
		k.request("PUT", name, http.Header{"Prefer": {"transaction=persist"}}, r, false)
		r.Close()
	case "copy", "move":
		k.request(strings.ToUpper(kind), name, http.Header{"Destination": {fmt.Sprintf("/%d", rng.IntN(soakNames))}}, nil, false)
	case "delete":
		k.request("DELETE", name, nil, nil, false)
	case "read":
		k.request("GET", name, nil, nil, false)
	case "read in part":
		k.request("GET", name, nil, nil, true)
	}
	k.done[kind].Add(1)
}

// run keeps the server busy for a while.
func (k *soak) run(seed uint64, d time.Duration) {
	content := make([]byte, 1<<20)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for w := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w+1)))
			for time.Now().Before(end) && !k.t.Failed() {
				k.step(rng, content)
			}
		})
	}
	wg.Wait()
}

// list returns the names in a collection.
func (k *soak) list(collection string) []string {
	req, err := http.NewRequest("GET", k.url+collection+"?limit=10000", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := k.http.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	var list struct {
		Entries []struct{ Name string }
	}
	b, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		k.t.Fatalf("%v: %.200s", err, b)
	}
	var names []string
	for _, e := range list.Entries {
		names = append(names, collection+e.Name)
	}
	return names
}

// clear deletes all resources but those that are left to expire, and returns how many there are of those.
func (k *soak) clear() int {
	for _, name := range k.list("/") {
		if !strings.HasSuffix(name, "/") {
			k.request("DELETE", name, nil, nil, false)
		}
	}
	return len(k.list("/left/"))
}

// A footprint is what a server holds.
type footprint struct {
	resources, files, descriptors, goroutines int
	heap, bytes, mapBytes                     int64
}

func (f footprint) String() string {
	return fmt.Sprintf("%d resources, %d files of %d bytes, map of %d KiB, %d descriptors, %d goroutines, %d KiB of heap",
		f.resources, f.files, f.bytes, f.mapBytes>>10, f.descriptors, f.goroutines, f.heap>>10)
}

// measure deletes everything and looks at what is left.
func (k *soak) measure() footprint {
	f := footprint{resources: k.clear()}
	k.http.CloseIdleConnections()
	err := filepath.WalkDir(k.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // it was removed meanwhile
		}
		blocks := info.Sys().(*syscall.Stat_t).Blocks * 512
		if strings.Contains(path, "/data/") {
			f.files++
			f.bytes += blocks
		} else {
			f.mapBytes += blocks
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		k.t.Skip("needs /proc: ", err)
	}
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && !strings.HasPrefix(target, filepath.Join(k.dir, "map")) { // pebble keeps some open
			f.descriptors++
		}
	}
	f.goroutines = runtime.NumGoroutine()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f.heap = int64(m.HeapAlloc)
	return f
}

// atRest measures until nothing is left of what was, as the expirer and the janitor get to it, or for too long.
func (k *soak) atRest(limit footprint) footprint {
	for deadline := time.Now().Add(30 * time.Second); ; {
		f := k.measure()
		if f.resources <= limit.resources && f.files <= limit.files && f.descriptors <= limit.descriptors && f.goroutines <= limit.goroutines &&
			f.heap <= limit.heap && f.bytes <= limit.bytes && f.mapBytes <= limit.mapBytes {
			return f
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("left: %v\nat most: %v", f, limit)
		}
	}
}

// TestSoak keeps a server busy with all that makes and leaves files, and expects that in the end it holds what it held in
// the beginning.
func TestSoak(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	k := startSoak(t)
	k.run(seed, *soakFlag/10)
	nothing := footprint{descriptors: 1 << 20, goroutines: 1 << 20, heap: 1 << 40, mapBytes: 1 << 40}
	before := k.atRest(nothing)
	t.Log("before: ", before)
	k.run(seed+1, *soakFlag)
	limit := before
	limit.heap += 16 << 20     // caches
	limit.mapBytes += 64 << 20 // logs of the map, as many as it keeps
	t.Log("after: ", k.atRest(limit))
	for kind, n := range k.done {
		if n.Load() == 0 {
			t.Errorf("no %s", kind)
		}
		t.Logf("%s: %d", kind, n.Load())
	}
}
