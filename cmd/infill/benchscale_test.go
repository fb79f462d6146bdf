package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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

	fewResources  = 1000
	manyResources = 100_000

	scaleCount = 8 << 10 // requests of one round
)

// scale compares two sides in requests per second.
func scale(b *testing.B, count int, few, many func(round int) error) {
	compare(b, float64(count), [2]side{{metric: "few/s", round: few}, {metric: "many/s", round: many}})
}

// scaleServer serves a store that build has filled, in a process of its own, so that its garbage is collected for itself.
func scaleServer(b *testing.B, build func(s *store.Store)) (url string) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "data")
	s, err := store.Open(dir, &store.Options{Logger: quiet(), Durability: store.DurabilityNone}) // until it is closed
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

// BenchmarkNamesHead asks for resources in random order, which is the order of their names in the map, over 64 connections.
func BenchmarkNamesHead(b *testing.B) {
	client := smallClient(b)
	round := func(resources int64) func(int) error {
		url := scaleServer(b, func(s *store.Store) { makeResources(b, s, "/", int(resources), 16) })
		return func(round int) error {
			return bySmallClients(scaleCount, func(n int64) error {
				n += int64(round) * scaleCount
				req, err := http.NewRequest("HEAD", fmt.Sprintf("%s/%d", url, 1+n*7919%resources), nil)
				if err != nil {
					return err
				}
				return answer(client, req, http.StatusOK)
			})
		}
	}
	scale(b, scaleCount, round(fewResources), round(manyResources))
}

// BenchmarkNamesList lists a collection in pages of 1000, one after the other.
func BenchmarkNamesList(b *testing.B) {
	const pages = 16
	client := smallClient(b)
	round := func(resources int) func(int) error {
		url := scaleServer(b, func(s *store.Store) { makeResources(b, s, "/", resources, 16) })
		return func(int) error {
			next := ""
			for range pages {
				var page struct{ Next string }
				if err := getJSON(client, url+cmp.Or(next, "/"), &page); err != nil {
					return err
				}
				next = page.Next
			}
			return nil
		}
	}
	scale(b, pages*1000, round(fewResources), round(manyResources))
}

// getJSON asks for a document.
func getJSON(client *http.Client, url string, into any) error {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// BenchmarkComplete writes a resource in segments of 8 MiB, and the last bytes of it in pieces of 4 KiB, of which the last
// makes it complete. It reports how long that one takes, and the others.
func BenchmarkComplete(b *testing.B) {
	const pieces, size = 32, 4 << 10
	for _, segments := range []int64{128, 2048} {
		b.Run(fmt.Sprintf("%dGiB", segments*benchSegment>>30), func(b *testing.B) {
			url := serveInfill(b)
			var others, last []float64
			for b.Loop() {
				length := segments*benchSegment + pieces*size
				put := func(off, n int64) error {
					return send("PUT", url+"/complete", n, off, "Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, length))
				}
				if err := inParallel(segments*benchSegment, func(off int64) error { return put(off, benchSegment) }); err != nil {
					b.Fatal(err)
				}
				for i := range int64(pieces) {
					start := time.Now()
					if err := put(segments*benchSegment+i*size, size); err != nil {
						b.Fatal(err)
					}
					took := float64(time.Since(start).Microseconds()) / 1000
					if i == pieces-1 {
						last = append(last, took)
					} else {
						others = append(others, took)
					}
				}
				if err := send("DELETE", url+"/complete", 0, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(bench.Median(others), "piece-ms")
			b.ReportMetric(bench.Median(last), "complete-ms")
		})
	}
}
