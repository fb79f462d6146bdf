package client

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listings answers requests for collections with pages, by path and query, and lets the others through.
func listings(pages map[string]string) func(http.ResponseWriter, *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		page, ok := pages[r.URL.RequestURI()]
		if ok {
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, page)
		}
		return ok
	}
}

// names returns a page of complete resources and collections.
func names(list ...string) string {
	var b strings.Builder
	for i, n := range list {
		fmt.Fprintf(&b, `%s{"name":%q,"complete":true,"offset":1,"length":1}`, strings.Repeat(",", min(i, 1)), n)
	}
	return `{"entries":[` + b.String() + `]}`
}

// next adds to a page where it goes on.
func next(page, at string) string { return page[:len(page)-1] + fmt.Sprintf(`,"next":%q}`, at) }

// TestLiesListing: listings that lead elsewhere, or in circles, or have names that are none, do nothing to files that are
// not below the directory, and end.
func TestLiesListing(t *testing.T) {
	deep := map[string]string{}
	for i := range DefaultMaxDepth + 10 {
		deep["/c/"+strings.Repeat("d/", i)] = names("d/")
	}
	wide := make([]string, 2200)
	for i := range wide {
		wide[i] = fmt.Sprintf("%04000d/", i)
	}
	w := newWorld(t)
	for _, path := range []string{"/f", "/c/f", "/c/g", "/d/g", "/c/d/f", "/d"} {
		w.request("PUT", path, "x")
	}
	for name, c := range map[string]struct {
		pages map[string]string
		is    error
	}{
		"above":                   {map[string]string{"/c/": names("../f")}, ErrServer},
		"the one above":           {map[string]string{"/c/": names("../")}, ErrServer},
		"itself":                  {map[string]string{"/c/": names("./")}, ErrServer},
		"itself, not a directory": {map[string]string{"/c/": names("")}, ErrServer},
		"absolute":                {map[string]string{"/c/": names("/f")}, ErrServer},
		"another host":            {map[string]string{"/c/": names("//localhost/f")}, ErrServer},
		"below":                   {map[string]string{"/c/": names("d/f")}, ErrServer},
		"below and back":          {map[string]string{"/c/": names("d/../f")}, ErrServer},
		"a query":                 {map[string]string{"/c/": names("f?x")}, ErrServer},
		"a fragment":              {map[string]string{"/c/": names("f#x")}, ErrServer},
		"twice":                   {map[string]string{"/c/": names("f", "f")}, ErrServer},
		"in no order":             {map[string]string{"/c/": names("g", "f")}, ErrServer},
		"a page again":            {map[string]string{"/c/": next(names("f", "g"), "/c/")}, ErrServer},
		"pages in a circle":       {map[string]string{"/c/": next(names("f"), "/c/?2"), "/c/?2": next(names("g"), "/c/?3"), "/c/?3": next(names("f"), "/c/?2")}, ErrServer},
		"a page of another host":  {map[string]string{"/c/": next(names("f"), "http://localhost:1/c/")}, ErrServer},
		"a page of another one":   {map[string]string{"/c/": next(names("f"), "/d/"), "/d/": names("g")}, ErrServer},
		"no end":                  {deep, nil},
		"more than is remembered": {map[string]string{"/c/": names(wide...)}, ErrServer},
		"an encoded dot dot":      {map[string]string{"/c/": names("%2E%2E")}, ErrName},
		"the one above, encoded":  {map[string]string{"/c/": names("%2E%2E/"), "/c/%2E%2E/": names("f")}, ErrName},
		"an encoded dot":          {map[string]string{"/c/": names("%2E/"), "/c/%2E/": names("f")}, ErrName},
		"an encoded slash":        {map[string]string{"/c/": names("..%2Ff", "d%2ff")}, ErrName},
		"NUL":                     {map[string]string{"/c/": names("f%00")}, ErrName},
		"an empty segment":        {map[string]string{"/c/": names("/"), "/c//": names("f")}, ErrName},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			w.on(listings(c.pages))
			err := w.client().DownloadCollection(t.Context(), w.url+"/c/", filepath.Join(top, "d"), nil)
			if err == nil || !errors.Is(err, c.is) && c.is != nil {
				t.Errorf("%v, want %v", err, c.is)
			}
			for _, path := range below(t, top) {
				if path != "d/f" && path != "d/g" {
					t.Errorf("there is %s", path)
				}
			}
		})
	}
}

// below returns the files below a directory, in order.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			path, err = filepath.Rel(dir, path)
			list = append(list, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// TestListingElsewhere: a collection that redirects to another one is not taken for it, and one that cannot be listed
// does not keep the others from being downloaded.
func TestListingElsewhere(t *testing.T) {
	w := newWorld(t)
	w.request("PUT", "/c/b/f", "x")
	w.request("PUT", "/c/z", "x")
	w.request("PUT", "/other/f", "x")
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/c/b/" {
			http.Redirect(rw, r, "/other/", http.StatusFound)
			return true
		}
		return false
	})
	dir := filepath.Join(t.TempDir(), "d")
	err := w.client().DownloadCollection(t.Context(), w.url+"/c/", dir, nil)
	if !errors.Is(err, ErrServer) || !strings.Contains(err.Error(), "/other/f") {
		t.Errorf("%v", err)
	}
	if got := below(t, dir); !slices.Equal(got, []string{"z"}) {
		t.Errorf("there are %q", got)
	}
}

// TestSiblings: which names in a collection cannot be files beside each other.
func TestSiblings(t *testing.T) {
	for _, c := range []struct {
		names   string
		fold    bool
		refused string
	}{
		{"a a-b a/ a0", false, "a/"},
		{"a/ a0", false, ""},
		{"a a.part a.part.json a.part.json.new a.part.json.new2 a.parts", false, "a.part a.part.json a.part.json.new"},
		{"a a.part.json.new/ a.part/ a/", false, "a.part.json.new/ a.part/ a/"},
		{"a a! a!! a!!.part a!.part a!.part.part a.part ab", false, "a!!.part a!.part a.part"},
		{"a.part a.part.json", false, ""},
		{"a.part a.part.part", false, "a.part.part"},
		{"A a", false, ""},
		{"A a b", true, "a"},
		{"A/ a", true, "a"},
		{"A.PART a", true, "a"},
		{"A.PART a/", true, ""},
		{"A a.part", true, "a.part"},
		{"A/ a.part", true, ""},
		{"A. a%20", true, "a%20"},
		{"%C3%89 %C3%A9", true, "%C3%A9"},
	} {
		s := newSiblings(c.fold)
		var refused []string
		for segment := range strings.FieldsSeq(c.names) {
			if err := s.follow(segment); err != nil {
				t.Fatal(err)
			}
			name := strings.NewReplacer("%20", " ", "%C3%89", "É", "%C3%A9", "é").Replace(strings.TrimSuffix(segment, "/"))
			path, err := s.file(Entry{Name: name, Collection: strings.HasSuffix(segment, "/")}, segment, "dir")
			switch {
			case errors.Is(err, ErrName):
				refused = append(refused, segment)
			case err != nil || path != filepath.Join("dir", name):
				t.Errorf("%q: %q, %v", c.names, path, err)
			}
		}
		if got := strings.Join(refused, " "); got != c.refused {
			t.Errorf("%q: refused %q, want %q", c.names, got, c.refused)
		}
	}
}
