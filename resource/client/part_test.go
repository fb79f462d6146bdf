package client

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/infill-http/infill/ranges"
)

// TestPartFile: what a sidecar says counts only if it is about the version that is downloaded, and makes sense.
func TestPartFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	st := &State{URL: "http://host/f", ETag: `"a"`, Length: 100}
	some := ranges.NewSet(ranges.Range{Start: 10, End: 20}, ranges.Range{Start: 30, End: 100})
	open := func(st *State, restart bool) (ranges.Set, bool) {
		t.Helper()
		p, have, stale, err := openPart(systemFiles{}, path, st, restart)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := openPart(systemFiles{}, path, st, false); err == nil {
			t.Error("two processes have the file")
		}
		if info, err := p.Stat(); err != nil || info.Size() != st.Length {
			t.Errorf("%v, %v", info, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		return have, stale
	}
	save := func(have ranges.Set, durable bool) {
		t.Helper()
		p, _, _, err := openPart(systemFiles{}, path, st, false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.save(have, durable); err != nil {
			t.Fatal(err)
		}
	}
	if have, stale := open(st, false); !have.Empty() || stale {
		t.Errorf("new: %v, stale: %t", have, stale)
	}
	save(some, true)
	if have, stale := open(st, false); !have.Equal(some) || stale {
		t.Errorf("again: %v, stale: %t", have, stale)
	}
	if have, stale := open(&State{ETag: `"b"`, Length: 100}, false); !have.Empty() || !stale {
		t.Errorf("another version: %v, stale: %t", have, stale)
	}
	if have, _ := open(st, false); !have.Empty() {
		t.Errorf("after another version: %v", have)
	}
	save(some, true)
	if have, stale := open(&State{ETag: `"a"`, Length: 99}, false); !have.Empty() || !stale {
		t.Errorf("another length: %v, stale: %t", have, stale)
	}
	save(some, true)
	if have, stale := open(st, true); !have.Empty() || stale {
		t.Errorf("restart: %v, stale: %t", have, stale)
	}
	for _, text := range []string{"", "{", `{"etag":"\"a\"","length":100,"ranges":[[0,101]]}`, `{"etag":"\"a\"","length":100,"ranges":[[-1,5]]}`,
		`{"etag":"\"a\"","length":100,"ranges":[[5,5]]}`, `{"etag":"\"a\"","length":100,"ranges":[[5,6]],"boot":"x","written":[[5,101]]}`, `{"etag":"","length":100,"ranges":[[0,5]]}`} {
		save(some, true)
		if err := os.WriteFile(path+sidecarSuffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if have, stale := open(st, false); !have.Empty() || !stale {
			t.Errorf("%q: %v, stale: %t", text, have, stale)
		}
	}
	if err := os.Remove(path + sidecarSuffix); err == nil {
		t.Error("a sidecar that does not count is there")
	}
	if have, stale := open(st, false); !have.Empty() || stale {
		t.Errorf("no sidecar, as after a kill in the first moment: %v, stale: %t", have, stale)
	}
	save(some, true)
	if err := os.Truncate(path+partSuffix, 50); err != nil {
		t.Fatal(err)
	}
	if have, stale := open(st, false); !have.Empty() || !stale {
		t.Errorf("short file: %v, stale: %t", have, stale)
	}

	// What was not synced counts until the system is started anew, and what was synced before it counts after that.
	if bootID() == "" {
		return
	}
	more := some.Union(ranges.NewSet(ranges.Range{Start: 20, End: 30}))
	for range 2 {
		save(some, true)
		save(more, false)
		if have, stale := open(st, false); !have.Equal(more) || stale {
			t.Errorf("not synced: %v, stale: %t", have, stale)
		}
		save(more, false) // by the next process
		text, err := os.ReadFile(path + sidecarSuffix)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.Replace(text, []byte(bootID()), []byte("another"), 1)
		if err := os.WriteFile(path+sidecarSuffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if have, stale := open(st, false); !have.Equal(some) || stale {
			t.Errorf("not synced, and lost: %v, stale: %t", have, stale)
		}
		save(more, true)
		if have, stale := open(st, false); !have.Equal(more) || stale {
			t.Errorf("synced: %v, stale: %t", have, stale)
		}
	}
}

// TestPartFileLeft: what a kill left of the sidecar, while it was written or when the file was finished, is removed by the
// next download.
func TestPartFileLeft(t *testing.T) {
	w := newWorld(t)
	w.request("PUT", "/f", "content")
	path := filepath.Join(t.TempDir(), "f")
	for _, left := range [][]string{{partSuffix, newSidecarSuffix}, {sidecarSuffix}, {newSidecarSuffix}} {
		for _, suffix := range left {
			if err := os.WriteFile(path+suffix, []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.client().Download(t.Context(), w.url+"/f", path, nil); err != nil {
			t.Fatal(err)
		}
		if got := below(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("after %q: %q", left, got)
		}
	}
}

// FuzzSidecar: whatever a sidecar has, it names no bytes beyond the resource, and no text of another version counts.
func FuzzSidecar(f *testing.F) {
	f.Add([]byte(`{"url":"http://host/f","etag":"\"a\"","length":100,"ranges":[[0,10],[20,100]]}`))
	f.Add([]byte(`{"etag":"\"a\"","length":100,"ranges":[[20,100],[0,10],[5,25]]}`))
	f.Add([]byte(`{"etag":"\"a\"","length":100,"ranges":[[0,9223372036854775807]]}`))
	f.Add([]byte(`{"etag":"\"a\"","length":100,"ranges":[[0]]}`))
	f.Add([]byte(`{"etag":"\"b\"","length":100,"ranges":[[0,10]]}`))
	f.Add([]byte(`[]`))
	path := filepath.Join(f.TempDir(), "f")
	st := &State{URL: "http://host/f", ETag: `"a"`, Length: 100}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path+partSuffix, make([]byte, st.Length), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+sidecarSuffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p, have, stale, err := openPart(systemFiles{}, path, st, false)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		bounds := have.Bounds()
		if bounds.Start < 0 || bounds.End > st.Length || stale && !have.Empty() {
			t.Errorf("%q: %v, stale: %t", text, have, stale)
		}
		if _, err := os.Stat(path + sidecarSuffix); have.Empty() && err == nil {
			t.Errorf("%q does not count, and is still there", text)
		}
	})
}

// TestPartFinished: a part file that another process has opened, and finished before it could be locked, is the finished
// file, and is left alone.
func TestPartFinished(t *testing.T) {
	st := &State{ETag: `"a"`, Length: 4}
	path := filepath.Join(t.TempDir(), "f")
	first, _, _, err := openPart(systemFiles{}, path, st, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.WriteAt([]byte("done"), 0); err != nil {
		t.Fatal(err)
	}
	second, err := os.OpenFile(path+partSuffix, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := first.finish(false); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if ok, err := lockPart(systemFiles{}, path+partSuffix, second); ok || err != nil {
		t.Errorf("locked: %t, %v", ok, err)
	}
	third, _, _, err := openPart(systemFiles{}, path, st, false)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if text, err := os.ReadFile(path); string(text) != "done" {
		t.Errorf("%q, %v", text, err)
	}
}
