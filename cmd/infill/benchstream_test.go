package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

// roundTrip is what a request over a far connection waits for an answer, at least.
const roundTrip = 50 * time.Millisecond

// farAway returns the address of a proxy to addr through which every octet takes half a roundTrip, whatever the rate.
func farAway(b *testing.B, addr string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			go delay(far, near)
			go delay(near, far)
		}
	}()
	return ln.Addr().String()
}

// delay copies from src to dst until either ends. What is on the way is bounded by what roundTrip and 2 GB/s make.
func delay(dst, src net.Conn) {
	type packet struct {
		due time.Time
		b   []byte
	}
	way := make(chan packet, 800)
	go func() {
		defer dst.Close()
		for p := range way {
			time.Sleep(time.Until(p.due))
			if _, err := dst.Write(p.b); err != nil {
				src.Close()
			}
		}
	}()
	for {
		b := make([]byte, 64<<10)
		n, err := src.Read(b)
		if err != nil {
			close(way)
			return
		}
		way <- packet{time.Now().Add(roundTrip / 2), b[:n]}
	}
}

// http2Client returns a client with one connection that speaks HTTP/2.
func http2Client() *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: tr}
}

// An uploader sends content over HTTP in one way.
type uploader struct {
	client   *http.Client
	requests int  // at a time
	chunked  bool // the length is not told
	digest   bool // the digest of the content is told
}

// upload sends size bytes in all, with PUT.
func (u uploader) upload(url string, size int64) error {
	var g errgroup.Group
	for i := range u.requests {
		g.Go(func() error {
			n := size / int64(u.requests)
			req, err := http.NewRequest("PUT", fmt.Sprintf("%s-%d", url, i), bench.NewContent(uint64(i), n))
			if err != nil {
				return err
			}
			req.ContentLength = n
			if u.chunked {
				req.ContentLength = -1
			}
			if u.digest {
				req.Header.Set("Content-Digest", contentDigest(uint64(i), n))
			}
			resp, err := u.client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode/100 != 2 {
				err = fmt.Errorf("%s: %s", resp.Status, text)
			}
			return err
		})
	}
	return g.Wait()
}

var digests sync.Map // what contentDigest returned

// contentDigest returns the Content-Digest of bench.NewContent(seed, n).
func contentDigest(seed uint64, n int64) string {
	key := [2]uint64{seed, uint64(n)}
	if v, ok := digests.Load(key); ok {
		return v.(string)
	}
	h := sha256.New()
	io.Copy(h, bench.NewContent(seed, n))
	v := "sha-256=:" + base64.StdEncoding.EncodeToString(h.Sum(nil)) + ":"
	digests.Store(key, v)
	return v
}

// benchUploads compares two ways to upload the same.
func benchUploads(b *testing.B, size int64, bareURL string, bare uploader, infillURL string, infill uploader) {
	for _, u := range []uploader{bare, infill} {
		if u.digest {
			contentDigest(0, size/int64(u.requests)) // before the time counts
		}
	}
	versus(b, size,
		func(int) error { return bare.upload(bareURL+"/up", size) },
		func(int) error { return infill.upload(infillURL+"/up", size) })
}

// BenchmarkPutChunked sends content without its length.
func BenchmarkPutChunked(b *testing.B) {
	u := uploader{client: http.DefaultClient, requests: 1, chunked: true}
	benchUploads(b, benchSize, serveBare(b), u, serveInfill(b), u)
}

// BenchmarkPutDigest sends content with its digest, to infill on both sides: the other one does not look at it.
func BenchmarkPutDigest(b *testing.B) {
	u := uploader{client: http.DefaultClient, requests: 1}
	with := u
	with.digest = true
	benchUploads(b, benchSize, serveInfill(b), u, serveInfill(b), with)
}

// BenchmarkHTTP2 sends content over one connection with HTTP/2, in one request and in eight; the other side does it with
// one request in HTTP/1.1, to infill too.
func BenchmarkHTTP2(b *testing.B) {
	for _, requests := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", requests), func(b *testing.B) {
			u := uploader{client: http2Client(), requests: requests}
			defer u.client.CloseIdleConnections()
			benchUploads(b, benchSize, serveInfill(b), uploader{client: http.DefaultClient, requests: 1}, serveInfill(b), u)
		})
	}
}

// BenchmarkHTTP2Far is BenchmarkHTTP2 over a long way, against net/http as it comes, with its windows of 1 MiB.
func BenchmarkHTTP2Far(b *testing.B) {
	const size = 128 << 20
	for _, requests := range []int{1, 8} {
		b.Run(fmt.Sprintf("streams=%d", requests), func(b *testing.B) {
			u := uploader{client: http2Client(), requests: requests}
			defer u.client.CloseIdleConnections()
			far := func(url string) string { return "http://" + farAway(b, strings.TrimPrefix(url, "http://")) }
			benchUploads(b, size, far(serveBare(b)), u, far(serveInfill(b)), u)
		})
	}
}
