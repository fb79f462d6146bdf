package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A relay forwards connections to a server until its clients vanish: then it forwards nothing any more and closes
// nothing, like a network that drops all packets.
type relay struct {
	net.Listener
	to string

	mu    sync.Mutex // guards what follows
	gone  bool
	conns []net.Conn
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, c, s)
			r.mu.Unlock()
			for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
				wg.Go(func() {
					buf := make([]byte, 32<<10)
					for {
						n, err := way[0].Read(buf)
						if err == nil {
							_, err = way[1].Write(buf[:n])
						}
						if err == nil {
							continue
						}
						r.mu.Lock()
						gone := r.gone
						r.mu.Unlock()
						if !gone {
							way[0].Close()
							way[1].Close()
						}
						return
					}
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		for _, c := range r.conns {
			c.Close()
		}
		wg.Wait()
	})
	return r
}

// vanish ends forwarding.
func (r *relay) vanish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	for _, c := range r.conns {
		c.SetDeadline(time.Now())
	}
}

// TestVanished checks that clients who vanish without a word, in the middle of an upload, in the middle of a download, and
// between requests, leave nothing behind: what came of the upload is committed, the rest can be filled by others, and
// connections, snapshots and files are let go while the connections of the clients are open on their side.
func TestVanished(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 1<<20)
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			h := startHost(t, vfs.Default, "--body-idle-timeout=300ms", "--response-idle-timeout=300ms", "--idle-timeout=400ms",
				"--ping-interval=300ms", "--persist-bytes=1KiB", "--persist-interval=1ms", "--durability=none")
			if res, _ := h.do("PUT", "/film", content); res.StatusCode != http.StatusCreated {
				t.Fatal(res.Status)
			}
			h.released()
			r := startRelay(t, h.addr)
			addr := r.Addr().String()

			body, upload := io.Pipe()
			go func() {
				req, err := http.NewRequest("PUT", "http://infill/up", body)
				if err != nil {
					t.Error(err)
					return
				}
				req.ContentLength = 1 << 20
				req.Header.Set("Prefer", "transaction=persist")
				if res, err := clientTo(t, addr, http2).Do(req); err == nil {
					res.Body.Close()
				}
			}()
			if _, err := upload.Write(make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
			h.until("some of the upload is committed", func() bool {
				info, err := h.store.Stat(t.Context(), "/up")
				return err == nil && info.Offset > 0
			})
			res, err := clientTo(t, addr, http2).Get("http://infill/film")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.ReadFull(res.Body, make([]byte, 1<<10)); err != nil {
				t.Fatal(err)
			}
			idle, err := clientTo(t, addr, http2).Head("http://infill/film")
			if err != nil {
				t.Fatal(err)
			}
			idle.Body.Close()

			r.vanish()
			h.released()

			state, _ := h.do("HEAD", "/up", "")
			offset, err := strconv.Atoi(state.Header.Get("Upload-Offset"))
			if err != nil || offset < 1 || offset > 64<<10 {
				t.Fatalf("Upload-Offset is %q", state.Header.Get("Upload-Offset"))
			}
			rest := bytes.Repeat([]byte{1}, 1<<20-offset)
			if res, b := h.do("PUT", "/up", string(rest), fmt.Sprintf("Content-Range: bytes %d-%d/%d", offset, 1<<20-1, 1<<20)); res.StatusCode != 204 {
				t.Fatal(res.Status, b)
			}
			want := append(make([]byte, offset), rest...)
			if _, got := h.do("GET", "/up", ""); got != string(want) {
				t.Errorf("%d bytes of the upload are not those that were sent", len(got))
			}
			upload.Close()
		})
	}
}
