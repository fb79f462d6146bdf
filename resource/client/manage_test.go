package client

import (
	"errors"
	"fmt"
	"testing"
)

func TestManage(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(), t.Context()
	w.upload(c, "/d/a", []byte("a"), nil)
	w.upload(c, "/d/b", []byte("b"), nil)
	w.request("PUT", "/i", "abc", "Content-Range", "bytes 0-2/8")
	for _, s := range []struct {
		what string
		err  error
		want error
	}{
		{"copy", c.Copy(ctx, w.url+"/d/a", w.url+"/d/c", nil), nil},
		{"copy over", c.Copy(ctx, w.url+"/d/a", w.url+"/d/b", &ChangeOptions{Keep: true}), ErrChanged},
		{"move", c.Move(ctx, w.url+"/d/a", w.url+"/e/a", nil), nil},
		{"move what is gone", c.Move(ctx, w.url+"/d/a", w.url+"/e/a", nil), ErrNotFound},
		{"move what is not complete", c.Move(ctx, w.url+"/i", w.url+"/e/i", nil), ErrIncomplete},
		{"remove another version", c.Remove(ctx, w.url+"/d/b", &ChangeOptions{Match: `"x"`}), ErrChanged},
		{"remove", c.Remove(ctx, w.url+"/d/b", nil), nil},
		{"remove again", c.Remove(ctx, w.url+"/d/b", nil), ErrNotFound},
	} {
		if s.want == nil && s.err != nil || !errors.Is(s.err, s.want) {
			t.Errorf("%s: %v, want %v", s.what, s.err, s.want)
		}
	}
	w.expect("/d/c", []byte("a"))
	w.expect("/e/a", []byte("a"))
}

// TestList goes over several pages, with names that need escapes.
func TestList(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	const n = 1010 // more than one page
	for i := range n {
		w.request("PUT", fmt.Sprintf("/d/%04d%%20%%25", i), "x")
	}
	w.request("PUT", "/d/y/z", "x")
	w.request("PUT", "/d/x:1", "abc", "Content-Range", "bytes 0-2/8")
	i := 0
	for e, err := range c.List(t.Context(), w.url+"/d/") {
		switch {
		case err != nil:
			t.Fatal(err)
		case i < n && (e.Name != fmt.Sprintf("%04d %%", i) || e.Length != 1 || !e.Complete || e.URL != fmt.Sprintf("%s/d/%04d%%20%%25", w.url, i)),
			i == n && (e.Name != "x:1" || e.Complete || e.Offset != 3 || e.Length != 8 || e.URL != w.url+"/d/x:1"),
			i == n+1 && (e.Name != "y" || !e.Collection || e.URL != w.url+"/d/y/"):
			t.Errorf("entry %d: %+v", i, e)
		}
		i++
	}
	if i != n+2 {
		t.Errorf("%d entries, want %d", i, n+2)
	}
}

// TestStatus reads a map that has no room in the fields.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	const n = 500
	for i := range n {
		w.request("PUT", "/f", "x", "Content-Range", fmt.Sprintf("bytes %d-%d/10000", 10*i, 10*i))
	}
	st, err := w.client().Status(t.Context(), w.url+"/f")
	if err != nil {
		t.Fatal(err)
	}
	if st.Received.Len() != n || st.Received.Size() != n || st.Offset != 1 || st.Length != 10_000 || st.Complete {
		t.Errorf("%+v", st)
	}
	w.upload(w.client(), "/g", content(100), nil)
	if st, err = w.client().Status(t.Context(), w.url+"/g"); err != nil || !st.Complete || st.Received.Size() != 100 {
		t.Errorf("%+v, %v", st, err)
	}
}
