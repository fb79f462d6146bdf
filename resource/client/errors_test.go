package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
)

// TestErrorText: what a server says stays on one line, and does nothing to a terminal.
func TestErrorText(t *testing.T) {
	w := newWorld(t)
	w.on(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.WriteHeader(http.StatusForbidden)
		rw.Write([]byte(`{"type":"about:blank","title":"No","detail":"pay\n\u001b[2Jfirst\u009b31m\u202e","n":1}`))
		return true
	})
	err := w.client().Remove(t.Context(), w.url+"/f", nil)
	e := asError(err)
	if e == nil || e.Problem == nil || e.Problem.Title != "No" || e.Problem.Members["n"] != 1.0 || !strings.HasPrefix(e.Problem.Detail, "pay\n\x1b") {
		t.Fatalf("%+v", err)
	}
	for _, r := range err.Error() {
		if !unicode.IsPrint(r) {
			t.Errorf("%q has %q", err, r)
		}
	}
}

// TestErrorFinal: what cannot succeed later is not tried again.
func TestErrorFinal(t *testing.T) {
	w := newWorld(t)
	secure := httptest.NewUnstartedServer(w)
	secure.Config.ErrorLog = quietLog
	secure.StartTLS()
	defer secure.Close()
	for name, at := range map[string]string{
		"unknown authority":   secure.URL,
		"no TLS":              strings.Replace(w.url, "http:", "https:", 1),
		"another protocol":    "ftp://127.0.0.1/",
		"a field with a line": w.url,
	} {
		c := w.client()
		if name == "a field with a line" {
			c.Header = http.Header{"Authorization": {"a\nb"}}
		}
		c.Retry.Notify = func(err error, _ time.Duration) { t.Errorf("%s: %v is tried again", name, err) }
		_, err := c.Status(t.Context(), at+"/f")
		if err == nil {
			t.Errorf("%s: success", name)
		}
	}
}

// TestRetryAfterHuge: a time that cannot be waited for is not taken for none.
func TestRetryAfterHuge(t *testing.T) {
	for _, value := range []string{"601", "99999999999", "9999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		e := &Error{Status: 503, Header: http.Header{"Retry-After": {value}}}
		if d, err := new(Retry).pause(1, e); err == nil {
			t.Errorf("Retry-After: %s: pause of %v", value, d)
		}
	}
	for _, value := range []string{"-1", "", "soon", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT"} {
		e := &Error{Status: 503, Header: http.Header{"Retry-After": {value}}}
		if d, err := new(Retry).pause(1, e); err != nil || d > DefaultMinBackoff {
			t.Errorf("Retry-After: %s: pause of %v, %v", value, d, err)
		}
	}
}

// TestPasswords: a password in a URL goes to the server, and nowhere else.
func TestPasswords(t *testing.T) {
	w := newWorld(t)
	authorized := func(rw http.ResponseWriter, r *http.Request) bool {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			t.Errorf("%s without the password", r.Method)
		}
		if strings.Contains(r.Header.Get("Destination"), "secret") {
			t.Errorf("Destination: %s", r.Header.Get("Destination"))
		}
		return false
	}
	w.on(authorized)
	base := strings.Replace(w.url, "http://", "http://me:secret@", 1)
	c, ctx := w.client(), t.Context()
	data := content(2 << 20)
	if _, err := c.Upload(ctx, base+"/f", bytes.NewReader(data), 2<<20, nil); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"/g", base + "/g"} {
		if err := c.Copy(ctx, base+"/f", to, nil); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	got, stop := context.WithCancel(ctx)
	_, err := c.Download(got, base+"/f", filepath.Join(dir, "f"), &DownloadOptions{Progress: func(Progress) { stop() }})
	stop()
	if err == nil {
		t.Fatal("the download was not interrupted")
	}
	text, err := os.ReadFile(filepath.Join(dir, "f.part.json"))
	if err != nil || bytes.Contains(text, []byte("secret")) {
		t.Errorf("%s, %v", text, err)
	}
	w.request("PUT", "/i", "abc", "Authorization", "Basic bWU6c2VjcmV0", "Content-Range", "bytes 5-7/10000000")
	_, exists := c.Upload(ctx, base+"/f", strings.NewReader("x"), 1, nil)
	_, conflict := c.Upload(ctx, base+"/i", bytes.NewReader(data), 2<<20, nil)
	_, stream := c.UploadStream(ctx, base+"/i", strings.NewReader("x"), nil)
	_, incomplete := c.Download(ctx, base+"/i", filepath.Join(dir, "i"), nil)
	_, malformed := c.Status(ctx, base+"/%zz")
	collection := c.DownloadCollection(ctx, base+"/", filepath.Join(dir, "all"), nil)
	for i, err := range []error{exists, conflict, stream, incomplete, collection, malformed, c.Remove(ctx, base+"/none", nil)} {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", i, err)
		}
	}
	var parse *url.Error
	if !errors.As(malformed, &parse) {
		t.Errorf("%v, want a *url.Error", malformed)
	}
}
