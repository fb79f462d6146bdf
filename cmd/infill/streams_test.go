package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// streamCount is how many requests are in flight on one HTTP/2 connection.
const streamCount = 256

// streamMemory is what they may cost in all, in bytes, with the client, which is in this process too: for each stream a
// buffer of 256 KiB, the 128 KiB that the client sends, as much that HTTP/2 has received, and some more.
const streamMemory = streamCount*(256<<10+2*128<<10+96<<10) + 16<<20

// A stalledDisk is a file system whose data files can be made to keep everybody waiting who writes or syncs.
type stalledDisk struct {
	vfs.FS
	stalled atomic.Pointer[chan struct{}] // not nil: until that is closed
	waiting atomic.Int64
}

func newStalledDisk() *stalledDisk {
	d := new(stalledDisk)
	d.FS = errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		gate := d.stalled.Load()
		if gate == nil || filepath.Base(filepath.Dir(filepath.Dir(op.Path))) != "data" {
			return nil
		}
		switch op.Kind {
		case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			d.waiting.Add(1)
			<-*gate
		}
		return nil
	}))
	return d
}

// stall makes writers wait until the function that it returns is called.
func (d *stalledDisk) stall() func() {
	gate := make(chan struct{})
	d.stalled.Store(&gate)
	return func() {
		d.stalled.Store(nil)
		close(gate)
	}
}

// uploads sends streamCount requests over one connection. Each has the content that content returns for it.
func (h *host) uploads(content func(i int) io.Reader, n int64, fields ...string) (status []int, wait func()) {
	h.t.Helper()
	c := clientTo(h.t, h.addr, true)
	c.Timeout = 0 // it may be long until all of them are through
	if res, err := c.Get("http://infill/film"); err != nil {
		h.t.Fatal(err) // the connection and its settings are known before the uploads begin
	} else {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	status = make([]int, streamCount)
	var wg sync.WaitGroup
	for i := range streamCount {
		wg.Go(func() {
			req, err := http.NewRequest("PUT", fmt.Sprintf("http://infill/up/%d", i), content(i))
			if err != nil {
				h.t.Error(err)
				return
			}
			req.ContentLength = n
			for _, f := range fields {
				k, v, _ := strings.Cut(f, ": ")
				req.Header.Set(k, v)
			}
			res, err := c.Do(req)
			if err != nil {
				h.t.Errorf("upload %d: %v", i, err)
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			status[i] = res.StatusCode
		})
	}
	return status, wg.Wait
}

// served checks that other clients are served.
func (h *host) served() {
	h.t.Helper()
	for range 10 {
		if res, b := h.do("GET", "/film", ""); res.StatusCode != 200 || b != "0123456789" {
			h.t.Fatalf("GET is %s %q", res.Status, b)
		}
		if res, _ := h.do("HEAD", "/film", ""); res.StatusCode != 200 {
			h.t.Fatalf("HEAD is %s", res.Status)
		}
	}
}

// TestStalledDisk checks that many uploads on one connection take little memory while the disk takes none of them, leave
// others alone, and are all well in the end.
func TestStalledDisk(t *testing.T) {
	disk := newStalledDisk()
	h := startHost(t, disk, "--max-streams", fmt.Sprint(streamCount))
	if res, _ := h.do("PUT", "/film", "0123456789"); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
	h.released()
	const size = 128 << 10
	want := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x', '\n'}, size/4) }

	before := memory()
	release := disk.stall()
	status, wait := h.uploads(func(i int) io.Reader { return bytes.NewReader(want(i)) }, size)
	h.until("the disk keeps somebody waiting", func() bool { return disk.waiting.Load() > 0 })
	h.served()
	if used := memory() - before; used > streamMemory {
		t.Errorf("%d uploads take %d bytes, want at most %d", streamCount, used, streamMemory)
	} else {
		t.Logf("%d uploads take %d bytes, %d wait for the disk", streamCount, used, disk.waiting.Load())
	}
	release()
	wait()
	for i, got := range status {
		if got != http.StatusCreated {
			t.Errorf("upload %d got %d", i, got)
		}
		if i%16 != 0 {
			continue
		}
		if _, b := h.do("GET", fmt.Sprintf("/up/%d", i), ""); b != string(want(i)) {
			t.Errorf("upload %d is not what was sent", i)
		}
	}
}

// TestStalledStreams checks that many uploads on one connection that get no content take neither memory nor others'
// time, end in time, and keep what had come.
func TestStalledStreams(t *testing.T) {
	h := startHost(t, vfs.Default, "--max-streams", fmt.Sprint(streamCount), "--body-idle-timeout=1s", "--durability=none")
	if res, _ := h.do("PUT", "/film", "0123456789"); res.StatusCode != http.StatusCreated {
		t.Fatal(res.Status)
	}
	h.released()
	before := memory()
	begun := make(chan struct{})
	var readers sync.WaitGroup
	readers.Add(streamCount)
	go func() { readers.Wait(); close(begun) }()
	status, wait := h.uploads(func(int) io.Reader {
		return &stallingBody{begin: "hello", asked: readers.Done, end: make(chan struct{})}
	}, 1<<20, "Prefer: transaction=persist")
	<-begun
	h.served()
	if used := memory() - before; used > streamMemory {
		t.Errorf("%d uploads take %d bytes, want at most %d", streamCount, used, streamMemory)
	} else {
		t.Logf("%d uploads take %d bytes", streamCount, used)
	}
	wait()
	for i, got := range status {
		if got != http.StatusRequestTimeout {
			t.Errorf("upload %d got %d", i, got)
		}
		if info, err := h.store.Stat(t.Context(), fmt.Sprintf("/up/%d", i)); err != nil || info.Offset != 5 {
			t.Errorf("upload %d has %v, %v", i, info, err)
		}
	}
}

// A stallingBody has begin, and then nothing until it is closed, as the client does when the server has answered.
type stallingBody struct {
	begin string
	asked func() // called once it was asked for more than begin
	once  sync.Once
	end   chan struct{}
}

func (b *stallingBody) Read(p []byte) (int, error) {
	if b.begin != "" {
		n := copy(p, b.begin)
		b.begin = b.begin[n:]
		return n, nil
	}
	b.asked()
	<-b.end
	return 0, io.ErrClosedPipe
}

func (b *stallingBody) Close() error {
	b.once.Do(func() { close(b.end) })
	return nil
}
