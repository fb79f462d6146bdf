package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

const (
	smallClients = 64
	createCount  = 8 << 10 // resources of one round
	createSize   = 4 << 10
	rangeCount   = 16 << 10 // requests of one round
	rangeSize    = 64 << 10
)

// mapHandler puts the body of each PUT into pebble, with two records as small
// as can be, in one batch with a sync.
type mapHandler struct {
	db   *pebble.DB
	next atomic.Uint64
}

func (h *mapHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	id := binary.BigEndian.AppendUint64(nil, h.next.Add(1))
	b := h.db.NewBatch()
	b.Set([]byte("n"+r.URL.Path), id, nil)
	b.Set(append([]byte("r"), id...), binary.AppendUvarint(nil, uint64(len(body))), nil)
	b.Set(append([]byte("b"), id...), body, nil)
	if err == nil {
		err = b.Commit(pebble.Sync)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// BenchmarkCreate makes resources of 4 KiB over 64 connections; the other side
// puts their bodies and two records into pebble.
func BenchmarkCreate(b *testing.B) {
	db, err := pebble.Open(filepath.Join(b.TempDir(), "map"), &pebble.Options{MemTableSize: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	bare, infill := serveBench(b, &mapHandler{db: db}, true), serveInfill(b)
	client := smallClient(b)
	round := func(url string) func(int) error {
		return func(round int) error {
			return bySmallClients(createCount, func(n int64) error {
				return create(client, fmt.Sprintf("%s/%d/%d", url, round, n), n)
			})
		}
	}
	versus(b, createCount*createSize, round(bare), round(infill))
}

// BenchmarkRanges reads ranges of 64 KiB of a resource of 1 GiB over 64
// connections; the other side is http.ServeFile.
func BenchmarkRanges(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	client := smallClient(b)
	for _, url := range []string{bare, infill} {
		if err := send("PUT", url+"/ranges", benchSize, 0); err != nil {
			b.Fatal(err)
		}
	}
	round := func(url string) func(int) error {
		return func(int) error {
			return bySmallClients(rangeCount, func(n int64) error {
				off := n * 7919 % (benchSize / rangeSize) * rangeSize
				return readRange(client, url+"/ranges", off)
			})
		}
	}
	versus(b, rangeCount*rangeSize, round(bare), round(infill))
}

// smallClient returns a client with a connection for each of the goroutines.
func smallClient(b *testing.B) *http.Client {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: smallClients, DisableCompression: true}}
	b.Cleanup(client.CloseIdleConnections)
	return client
}

// bySmallClients calls f with 1 to count, as many clients.
func bySmallClients(count int64, f func(n int64) error) error {
	var next atomic.Int64
	var g errgroup.Group
	for range smallClients {
		g.Go(func() error {
			for n := next.Add(1); n <= count; n = next.Add(1) {
				if err := f(n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func readRange(client *http.Client, url string, off int64) error {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+rangeSize-1))
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (n != rangeSize || res.StatusCode != http.StatusPartialContent) {
		err = fmt.Errorf("GET %s: %s, %d bytes", url, res.Status, n)
	}
	return err
}

func create(client *http.Client, url string, n int64) error {
	req, err := http.NewRequest("PUT", url, bench.NewContent(uint64(n), createSize))
	if err != nil {
		return err
	}
	req.ContentLength = createSize
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("PUT %s: %s: %s", url, res.Status, text)
	}
	return err
}
