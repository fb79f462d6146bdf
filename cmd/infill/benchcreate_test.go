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
	createClients = 64
	createCount   = 8 << 10 // resources of one round
	createSize    = 4 << 10
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
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: createClients, DisableCompression: true}}
	b.Cleanup(client.CloseIdleConnections)
	round := func(url string) func(int) error {
		return func(round int) error {
			var next atomic.Int64
			var g errgroup.Group
			for range createClients {
				g.Go(func() error {
					for n := next.Add(1); n <= createCount; n = next.Add(1) {
						if err := create(client, fmt.Sprintf("%s/%d/%d", url, round, n), n); err != nil {
							return err
						}
					}
					return nil
				})
			}
			return g.Wait()
		}
	}
	versus(b, createCount*createSize, round(bare), round(infill))
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
