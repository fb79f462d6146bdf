package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/resource/server"
	"github.com/infill-http/infill/store"
)

// The benchmarks compare infill with the least that net/http can do for the
// same client on the same disk. Both sides take turns in one run; the ratio is
// that of the medians of their throughputs, so one run wants several rounds:
//
//	go test ./cmd/infill -run '^$' -bench . -benchtime 5x

const (
	benchSize    = 1 << 30
	benchSegment = 8 << 20
	benchClients = 8
)

// serve runs a handler as infill does, or plainly, and returns its address.
func serveBench(b *testing.B, h http.Handler, plain bool) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if plain {
		srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
		go func() { done <- srv.Serve(ln) }()
		context.AfterFunc(ctx, func() { srv.Close() })
	} else {
		srv := &server.Server{Listener: ln, Handler: h, Logger: quiet()}
		go func() { done <- srv.Serve(ctx) }()
	}
	b.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		<-done
	})
	return "http://" + ln.Addr().String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serveInfill runs infill on an empty store and returns its address.
func serveInfill(b *testing.B) string {
	s, err := store.Open(filepath.Join(b.TempDir(), "store"), &store.Options{Logger: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return serveBench(b, &resource.Handler{Store: resource.FromStore(s), Logger: quiet()}, false)
}

// bareHandler stores the body of each PUT in a file and makes it durable with
// one fdatasync, and serves files with http.ServeFile.
type bareHandler struct{ dir string }

func (h bareHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(h.dir, filepath.Base(r.URL.Path))
	if r.Method == http.MethodGet {
		http.ServeFile(w, r, path)
		return
	}
	f, err := os.Create(path)
	if err == nil {
		_, err = io.Copy(f, r.Body)
	}
	if err == nil {
		err = unix.Fdatasync(int(f.Fd()))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func serveBare(b *testing.B) string { return serveBench(b, bareHandler{b.TempDir()}, true) }

// send makes one request and fails unless the answer is a success.
func send(method, url string, size, off int64, header ...string) error {
	var body io.Reader
	if size > 0 {
		body = bench.NewContent(uint64(off)/8, size)
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	req.ContentLength = size
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return err
}

// versus compares two sides in bytes per second.
func versus(b *testing.B, size int64, bare, infill func(round int) error) {
	b.SetBytes(2 * size)
	compare(b, float64(size)/(1<<20), [2]side{{metric: "bare-MiB/s", round: bare}, {metric: "infill-MiB/s", round: infill}})
}

func BenchmarkPut(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	versus(b, benchSize,
		func(int) error { return send("PUT", bare+"/put", benchSize, 0) },
		func(int) error { return send("PUT", infill+"/put", benchSize, 0) })
}

// BenchmarkPutPersist lets both sides be infill. The second keeps what arrives
// of a PUT as it comes.
func BenchmarkPutPersist(b *testing.B) {
	infill := serveInfill(b)
	put := func(url string, header ...string) error {
		if err := send("PUT", url, benchSize, 0, header...); err != nil {
			return err
		}
		return send("DELETE", url, 0, 0)
	}
	versus(b, benchSize,
		func(round int) error { return put(fmt.Sprintf("%s/atomic-%d", infill, round)) },
		func(round int) error {
			return put(fmt.Sprintf("%s/persist-%d", infill, round), "Prefer", "transaction=persist")
		})
}

// BenchmarkPatch sends 1 GiB as one patch that creates the resource.
func BenchmarkPatch(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	versus(b, benchSize,
		func(int) error { return send("PUT", bare+"/patch", benchSize, 0) },
		func(round int) error { return patch(infill+"/patch-"+strconv.Itoa(round), benchSize) })
}

// patch sends a message/byterange document and then deletes the resource, in
// the time of the benchmark, so that the disk does not fill up.
func patch(url string, size int64) error {
	head := fmt.Sprintf("Content-Range: bytes 0-%d/%d\r\n\r\n", size-1, size)
	req, err := http.NewRequest("PATCH", url, io.MultiReader(strings.NewReader(head), bench.NewContent(0, size)))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(head)) + size
	req.Header.Set("Content-Type", "message/byterange")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("PATCH: %s", resp.Status)
	}
	return send("DELETE", url, 0, 0)
}

// BenchmarkFill lets eight clients fill one resource; on the other side they
// write each segment to a file of its own.
func BenchmarkFill(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	versus(b, benchSize,
		func(int) error {
			return inParallel(benchSize, func(off int64) error {
				return send("PUT", fmt.Sprintf("%s/segment-%d", bare, off/benchSegment%benchClients), benchSegment, off)
			})
		},
		func(round int) error {
			url := infill + "/fill-" + strconv.Itoa(round)
			if err := fillResource(url, benchSize); err != nil {
				return err
			}
			return send("DELETE", url, 0, 0)
		})
}

func fillResource(url string, size int64) error {
	return inParallel(size, func(off int64) error {
		return send("PUT", url, benchSegment, off,
			"Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+benchSegment-1, size))
	})
}

// inParallel calls f for each segment, as eight clients.
func inParallel(size int64, f func(off int64) error) error {
	var next atomic.Int64
	var g errgroup.Group
	for range benchClients {
		g.Go(func() error {
			for {
				off := next.Add(benchSegment) - benchSegment
				if off >= size {
					return nil
				}
				if err := f(off); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func BenchmarkGet(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	for _, url := range []string{bare, infill} {
		if err := send("PUT", url+"/get", benchSize, 0); err != nil {
			b.Fatal(err)
		}
	}
	get := func(url string) func(int) error {
		return func(int) error {
			resp, err := http.Get(url)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{resp.Body}, make([]byte, 256<<10))
			if err == nil && n != benchSize {
				err = fmt.Errorf("got %d bytes", n)
			}
			return err
		}
	}
	versus(b, benchSize, get(bare+"/get"), get(infill+"/get"))
}

// BenchmarkHeap fills resources of 1 and 4 GiB over eight connections and
// reports the most heap in use, of server and clients together.
func BenchmarkHeap(b *testing.B) {
	for _, size := range []int64{1 << 30, 4 << 30} {
		b.Run(fmt.Sprintf("%dGiB", size>>30), func(b *testing.B) {
			infill := serveInfill(b)
			b.SetBytes(size)
			var peak uint64
			for round := 0; b.Loop(); round++ {
				stop, watched := make(chan struct{}), make(chan uint64)
				go func() { watched <- watchHeap(stop) }()
				err := fillResource(infill+"/heap-"+strconv.Itoa(round), size)
				close(stop)
				peak = max(peak, <-watched)
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(peak)/(1<<20), "peak-heap-MiB")
		})
	}
}

func watchHeap(stop <-chan struct{}) (peak uint64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}
