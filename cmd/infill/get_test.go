package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/infill-http/infill/store"
)

// TestGetShared lets many clients read ranges of the same resource, one or several at a time, while others are deleted
// and overwritten. All get what is there, and few files are open.
func TestGetShared(t *testing.T) {
	const size = 1 << 20
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	h := startHost(t, store.DiskFS, "--max-open-files=2", "--durability=none", "--inline-size=0")
	want := make([]byte, size)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range want {
		want[i] = byte(rng.Uint32())
	}
	h.do("PUT", "/a", string(want))
	var g errgroup.Group
	for k := range uint64(6) {
		c := clientTo(t, h.addr, k == 0)
		g.Go(func() error {
			rng := rand.New(rand.NewPCG(seed, k+1))
			for range 40 {
				if err := getRanges(c, "http://"+h.addr+"/a", want, 1+rng.IntN(4), rng); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for i := range 20 {
		name := fmt.Sprintf("/other-%d", i%5)
		h.do("PUT", name, string(want[i:][:100_000]))
		if _, got := h.do("GET", name, ""); got != string(want[i:][:100_000]) {
			t.Errorf("got %d bytes of %s", len(got), name)
		}
		if i%2 == 1 {
			h.do("DELETE", name, "")
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	h.until("two data files are open at most", func() bool {
		var n int
		var rest string
		if _, err := fmt.Sscanf(h.held(), "%d goroutines, %d %s", new(int), &n, &rest); err != nil {
			t.Fatal(err)
		}
		return n <= 2
	})
}

// getRanges asks for n ranges and compares what comes with want.
func getRanges(c *http.Client, url string, want []byte, n int, rng *rand.Rand) error {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return err
	}
	value := "bytes="
	var parts [][]byte
	step := len(want) / n
	for i := range n {
		from := i*step + rng.IntN(step/2)
		to := from + 1 + rng.IntN(step/2-1)
		value += fmt.Sprintf("%d-%d,", from, to-1)
		parts = append(parts, want[from:to])
	}
	req.Header.Set("Range", value[:len(value)-1])
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var body io.Reader = res.Body
	var m *multipart.Reader
	if n > 1 {
		_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		m = multipart.NewReader(res.Body, params["boundary"])
	}
	for _, part := range parts {
		if m != nil {
			if body, err = m.NextPart(); err != nil {
				return err
			}
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, part) {
			return fmt.Errorf("%s: got %d bytes, want %d, %w", value, len(got), len(part), err)
		}
	}
	return nil
}

// TestGetOfShortFile: a response whose bytes are not all there does not look whole, whether the file was open before.
func TestGetOfShortFile(t *testing.T) {
	const size, left = 200_000, 100_000
	for _, kept := range []string{"0", "8"} {
		h := startHost(t, store.DiskFS, "--max-open-files", kept, "--durability=none")
		h.do("PUT", "/a", string(make([]byte, size)))
		h.do("GET", "/a", "")
		err := filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				err = os.Truncate(path, left)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"bytes=0-", "bytes=10-199999", "bytes=0-9,20-30,50000-150000"} {
			req, err := http.NewRequest("GET", "http://"+h.addr+"/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Range", value)
			res, err := clientTo(t, h.addr, false).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || res.StatusCode != http.StatusPartialContent {
				t.Errorf("%s, %s files kept open: status %d, %d bytes, %v", value, kept, res.StatusCode, len(got), err)
			}
			res.Body.Close()
		}
		if res, got := h.do("GET", "/a", "", "Range: bytes=0-99999"); res.StatusCode != 206 || got != string(make([]byte, left)) {
			t.Errorf("status %d, %d bytes of what is there", res.StatusCode, len(got))
		}
	}
}
