package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// These benchmarks compare infill with itself: the same requests to a resource of few islands and to one of many, and to a
// store of few resources and to one of many. The ratio is that of the medians of the rates, many to few; it is 1 if
// requests do not get slower.

const (
	fewIslands  = 10
	manyIslands = 100_000
	islandSize  = 4 << 10
	islandPitch = 64 << 10 // from the begin of one of many islands to that of the next
	islandsSize = manyIslands * islandPitch

	fewResources = 1000

	scaleCount = 8 << 10 // requests of one round
)

// scale lets two sides take turns, the first one alternating, and reports the medians of their rates in requests per
// second and the ratio.
func scale(b *testing.B, count int, few, many func(round int) error) {
	sides := []func(int) error{few, many}
	var rates [2][]float64
	for round := 0; b.Loop(); round++ {
		for k := range sides {
			k = (k + round) % 2
			start := time.Now()
			if err := sides[k](round); err != nil {
				b.Fatal(err)
			}
			rates[k] = append(rates[k], float64(count)/time.Since(start).Seconds())
		}
	}
	b.ReportMetric(bench.Median(rates[0]), "few/s")
	b.ReportMetric(bench.Median(rates[1]), "many/s")
	b.ReportMetric(bench.Median(rates[1])/bench.Median(rates[0]), "ratio")
}

// scaleServer serves a store that build has filled, in a process of its own, so that its garbage is collected for itself.
func scaleServer(b *testing.B, build func(s *store.Store)) (url string) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "data")
	s, err := store.Open(dir, &store.Options{Logger: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	build(s)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return "http://" + startServe(b, "--data", dir, "--log-level", "warn").addr
}

// makeIslands makes an incomplete resource that has n ranges, equally far from each other. The first begins at 0.
func makeIslands(tb testing.TB, s *store.Store, name string, n int) {
	tb.Helper()
	tx, err := s.Begin(context.Background(), name, store.TxOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback()
	for i := range int64(n) {
		if _, err := tx.WriteFrom(bench.NewContent(uint64(i), islandSize), i*(islandsSize/int64(n)), islandSize, islandsSize); err != nil {
			tb.Fatal(err)
		}
	}
	res, err := tx.Commit(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	if got := res.Info.Received.Len(); got != n {
		tb.Fatalf("made %d islands, not %d", got, n)
	}
}

// makeResources makes n resources of size bytes in a collection.
func makeResources(tb testing.TB, s *store.Store, collection string, n, size int) {
	tb.Helper()
	content := bytes.Repeat([]byte("x"), size)
	err := bySmallClients(int64(n), func(i int64) error {
		tx, err := s.Begin(context.Background(), collection+strconv.FormatInt(i, 10), store.TxOptions{Create: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.WriteFrom(bytes.NewReader(content), 0, int64(size), int64(size)); err != nil {
			return err
		}
		_, err = tx.Commit(context.Background())
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkIslandsPatch makes islands longer, 4 KiB by each request, over 64 connections.
func BenchmarkIslandsPatch(b *testing.B) {
	client := smallClient(b)
	round := func(islands int64) func(int) error {
		url := scaleServer(b, func(s *store.Store) { makeIslands(b, s, "/islands", int(islands)) }) + "/islands"
		return func(round int) error {
			return bySmallClients(scaleCount, func(n int64) error {
				n += int64(round)*scaleCount - 1
				start := n*7919%islands*(islandsSize/islands) + (1+n/islands)*islandSize
				return patchSmall(client, url, ranges.Range{Start: start, End: start + islandSize})
			})
		}
	}
	scale(b, scaleCount, round(fewIslands), round(manyIslands))
}

// patchSmall writes a range with a message/byterange document.
func patchSmall(client *http.Client, url string, r ranges.Range) error {
	body := fmt.Appendf(make([]byte, 0, r.Len()+100), "Content-Range: bytes %d-%d/*\r\n\r\n", r.Start, r.End-1)
	head := len(body)
	body = body[:head+int(r.Len())]
	if _, err := io.ReadFull(bench.NewContent(uint64(r.Start)/8, r.Len()), body[head:]); err != nil {
		return err
	}
	req, err := http.NewRequest("PATCH", url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "message/byterange")
	return answer(client, req, http.StatusNoContent)
}

// answer makes one request, reads the answer, and fails if it has another status.
func answer(client *http.Client, req *http.Request, want int) error {
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, res.Status, text[:min(len(text), 1<<10)])
	}
	return err
}

// BenchmarkIslandsHead asks for the state of a resource over 64 connections.
func BenchmarkIslandsHead(b *testing.B) {
	client := smallClient(b)
	round := func(islands int) func(int) error {
		url := scaleServer(b, func(s *store.Store) { makeIslands(b, s, "/islands", islands) }) + "/islands"
		return func(int) error {
			return bySmallClients(scaleCount, func(int64) error {
				req, err := http.NewRequest("HEAD", url, nil)
				if err != nil {
					return err
				}
				return answer(client, req, http.StatusOK)
			})
		}
	}
	// As many as HEAD tells of.
	scale(b, scaleCount, round(64), round(manyIslands))
}

// BenchmarkIslandsGet reads 4 KiB over 64 connections from a complete resource that was written in one piece, and from one
// whose pieces are in many places.
func BenchmarkIslandsGet(b *testing.B) {
	client := smallClient(b)
	round := func(islands int) func(int) error {
		url := scaleServer(b, func(s *store.Store) { makeExtents(b, s, "/extents", islands) }) + "/extents"
		return func(int) error {
			return bySmallClients(scaleCount, func(n int64) error {
				off := n * 7919 % manyIslands * 2 * islandSize
				req, err := http.NewRequest("GET", url, nil)
				if err != nil {
					return err
				}
				req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+islandSize-1))
				return answer(client, req, http.StatusPartialContent)
			})
		}
	}
	scale(b, scaleCount, round(fewIslands), round(manyIslands))
}

// makeExtents makes a complete resource and overwrites n separate pieces of it.
func makeExtents(tb testing.TB, s *store.Store, name string, n int) {
	tb.Helper()
	const size = 2 * manyIslands * islandSize
	for _, write := range []func(tx *store.Tx) error{
		func(tx *store.Tx) error {
			_, err := tx.WriteFrom(bench.NewContent(0, size), 0, size, size)
			return err
		},
		func(tx *store.Tx) error {
			for i := range int64(n) {
				if _, err := tx.WriteFrom(bench.NewContent(uint64(i), islandSize), i*2*islandSize, islandSize, size); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		tx, err := s.Begin(context.Background(), name, store.TxOptions{})
		if err != nil {
			tb.Fatal(err)
		}
		err = write(tx)
		if err == nil {
			_, err = tx.Commit(context.Background())
		}
		tx.Rollback()
		if err != nil {
			tb.Fatal(err)
		}
	}
}
