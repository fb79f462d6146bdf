package client

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A flipper is a response in whose content one byte is another one than it was: the one at off.
type flipper struct {
	http.ResponseWriter
	off *atomic.Int64 // bytes until then, of all responses together
}

func (f flipper) Write(p []byte) (int, error) {
	if at := f.off.Add(-int64(len(p))) + int64(len(p)); at >= 0 && at < int64(len(p)) {
		p = bytes.Clone(p)
		p[at] ^= 0x10
	}
	return f.ResponseWriter.Write(p)
}

// A digestServer answers as a server that tells some digests, and counts what it is asked for.
type digestServer struct {
	w     *world
	tells string          // the only algorithm that it has; "": all
	whole bool            // it has no ranges
	flip  atomic.Int64    // where a byte is changed on the way; negative: nowhere
	asked [2]atomic.Int64 // requests that want crc32c, and sha-256
}

func (s *digestServer) handle(rw http.ResponseWriter, r *http.Request) bool {
	want := r.Header.Get(fieldWantReprDigest)
	for i, alg := range []Algorithm{CRC32C, SHA256} {
		if strings.Contains(want, string(alg)) {
			s.asked[i].Add(1)
		}
	}
	if s.tells != "" && !strings.Contains(want, s.tells) {
		r.Header.Del(fieldWantReprDigest)
	}
	if r.Method == http.MethodGet {
		rw = flipper{rw, &s.flip}
	}
	if s.whole {
		rw = altered{rw, func(hd http.Header, status int) int {
			for name := range hd {
				if strings.HasPrefix(name, "Upload-") || name == fieldAcceptRanges {
					hd.Del(name)
				}
			}
			return status
		}}
	}
	s.w.handler.ServeHTTP(rw, r)
	return true
}

// TestVerify: a byte that was changed on the way is found out, by the digest that is compared and by no other.
func TestVerify(t *testing.T) {
	const size = 1<<20 + 1
	for _, c := range []struct {
		name    string
		alg     Algorithm
		tells   string
		found   bool
		crc     bool // crc32c is asked for
		sha     bool // sha-256 is asked for
		content int
	}{
		{"default", "", "", true, true, false, size},
		{"default, one byte", "", "", true, true, false, 1},
		{"default, of a server without crc32c", "", "sha-256", true, true, true, size},
		{"default, of a server without digests", "", "none", false, true, true, size},
		{"crc32c", CRC32C, "", true, true, false, size},
		{"crc32c of a server without", CRC32C, "sha-256", false, true, false, size},
		{"sha-256", SHA256, "", true, false, true, size},
		{"sha-256 of a server without", SHA256, "crc32c", false, false, true, size},
		{"none", NoDigest, "", false, false, false, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			data := content(c.content)
			w.upload(w.client(), "/f", data, nil)
			for _, whole := range []bool{false, true} {
				s := &digestServer{w: w, tells: c.tells, whole: whole}
				w.on(s.handle)
				path := filepath.Join(t.TempDir(), "f")
				o := &DownloadOptions{Digest: c.alg}
				download := func() error {
					_, err := w.client().Download(t.Context(), w.url+"/f", path, o)
					return err
				}
				var b bytes.Buffer
				read := func() error {
					b.Reset()
					_, err := w.client().Read(t.Context(), w.url+"/f", &b, o)
					return err
				}
				for _, get := range []func() error{download, read} {
					s.flip.Store(int64(c.content) / 2)
					if err := get(); errors.Is(err, ErrDigest) != c.found || err != nil && !c.found {
						t.Errorf("whole: %t: %v", whole, err)
					}
					if _, err := os.Stat(path); (err == nil) == c.found {
						t.Errorf("whole: %t: after a byte was changed: %v", whole, err)
					}
				}
				os.Remove(path)
				s.flip.Store(-1)
				for _, get := range []func() error{download, read} {
					if err := get(); err != nil {
						t.Errorf("whole: %t, then the truth: %v", whole, err)
					}
				}
				expectFile(t, path, data)
				if !bytes.Equal(b.Bytes(), data) {
					t.Errorf("whole: %t: other bytes were read", whole)
				}
				if crc, sha := s.asked[0].Load() > 0, s.asked[1].Load() > 0; crc != c.crc || sha != c.sha {
					t.Errorf("whole: %t: crc32c was asked for: %t, sha-256: %t", whole, crc, sha)
				}
			}
		})
	}
}

// TestVerifyResumed: what an earlier download has left is verified with the rest.
func TestVerifyResumed(t *testing.T) {
	w := newWorld(t)
	data := content(3 << 20)
	w.upload(w.client(), "/f", data, nil)
	for _, alg := range []Algorithm{"", SHA256} {
		for _, flip := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "f")
			o := &DownloadOptions{Digest: alg}
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			var gets atomic.Int64
			w.on(func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet && gets.Add(1) == 20 {
					cancel(enough)
				}
				return false
			})
			c := w.client()
			c.MaxSegment = 64 << 10
			_, err := c.Download(ctx, w.url+"/f", path, o)
			if !errors.Is(err, enough) {
				t.Fatalf("%v, want that it was enough", err)
			}
			w.on(nil)
			tag := w.request("HEAD", "/f", "").Header.Get(fieldETag)
			p, have, _, err := openPart(systemFiles{}, path, &State{ETag: tag, Length: int64(len(data))}, false)
			if err != nil || have.Empty() || have.Size() == int64(len(data)) {
				t.Fatalf("%v is there, %v", have, err)
			}
			if flip {
				b := []byte{data[have.Bounds().Start] ^ 1}
				if _, err := p.WriteAt(b, have.Bounds().Start); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = c.Download(t.Context(), w.url+"/f", path, &DownloadOptions{Digest: alg})
			if errors.Is(err, ErrDigest) != flip || err != nil && !flip {
				t.Fatalf("%q, changed: %t: %v", alg, flip, err)
			}
			if flip { // nothing that was there counts any more
				if _, err := c.Download(t.Context(), w.url+"/f", path, &DownloadOptions{Digest: alg}); err != nil {
					t.Fatal(err)
				}
			}
			expectFile(t, path, data)
		}
	}
}

// TestVerifyThere: a file that has the content already is left as it is. That the CRC-32C is the same is not enough for
// that, unless the caller says so.
func TestVerifyThere(t *testing.T) {
	w := newWorld(t)
	data := content(300_000)
	other := bytes.Clone(data)
	other[200_000] ^= 1
	w.upload(w.client(), "/f", data, nil)
	for _, c := range []struct {
		alg  Algorithm
		file []byte
		gets bool
		sha  bool // sha-256 is asked for
	}{
		{"", data, false, true},
		{"", other, true, false},
		{CRC32C, data, false, false},
		{CRC32C, other, true, false},
		{SHA256, data, false, true},
		{SHA256, other, true, true},
		{NoDigest, data, true, false},
		{"", data[1:], true, false},
	} {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &digestServer{w: w}
		s.flip.Store(-1)
		w.on(s.handle)
		w.requests("")
		if _, err := w.client().Download(t.Context(), w.url+"/f", path, &DownloadOptions{Digest: c.alg}); err != nil {
			t.Fatal(err)
		}
		if gets := w.requests(http.MethodGet) > 0; gets != c.gets {
			t.Errorf("%q, %d of the bytes: received: %t", c.alg, len(c.file), gets)
		}
		if sha := s.asked[1].Load() > 0; sha != c.sha {
			t.Errorf("%q, %d of the bytes: sha-256 was asked for: %t", c.alg, len(c.file), sha)
		}
		expectFile(t, path, data)
	}
}

// TestVerifyRot: a byte that the disk of the server does not return as it was written is found by who gets it.
func TestVerifyRot(t *testing.T) {
	w := newWorld(t)
	data := content(1 << 20)
	w.upload(w.client(), "/f", data, nil)
	err := filepath.WalkDir(filepath.Join(w.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{data[500_000] ^ 1}, 500_000)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	if _, err := w.client().Download(t.Context(), w.url+"/f", path, nil); !errors.Is(err, ErrDigest) {
		t.Errorf("%v, want ErrDigest", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("there is a file")
	}
}
