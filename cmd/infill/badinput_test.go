package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

// A trial is a server behind a proxy at which something happens while a file is moved.
type trial struct {
	t     *testing.T
	addr  string // of the server
	proxy *chaos
	file  string
}

// newTrial returns a trial in which do is called once, in the middle.
func newTrial(t *testing.T, do func(*trial)) *trial {
	t.Helper()
	tr := &trial{t: t, addr: startServe(t).addr, file: randomFile(t, 7, transferSize)}
	var once sync.Once
	tr.proxy = startChaos(t, tr.addr)
	tr.proxy.add(fault{transferSize / 2, func(*pair) { once.Do(func() { do(tr) }) }})
	return tr
}

// run runs a command on a URL of the proxy, and checks its exit status and what it printed.
func (tr *trial) run(status int, want string, args ...string) {
	tr.t.Helper()
	cmd := infill(tr.t.Context(), tr.t, append(append([]string{args[0]}, strings.Fields(transferFlags)...), args[1:]...)...)
	_ = cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != status || !strings.Contains(output(cmd), want) {
		tr.t.Errorf("%q: exit status %d, want %d\n%s\nwant %q", args, got, status, output(cmd), want)
	}
}

func (tr *trial) url() string { return "http://" + tr.proxy.addr + "/f" }

// do sends a request of somebody else.
func (tr *trial) do(method string, body io.Reader, header ...string) *http.Response {
	req, err := http.NewRequest(method, "http://"+tr.addr+"/f", body)
	if err != nil {
		tr.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tr.t.Error(err)
		return nil
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

// incomplete fails the test if the resource became complete.
func (tr *trial) incomplete() {
	tr.t.Helper()
	if resp := tr.do("HEAD", nil); resp != nil && resp.Header.Get("Upload-Complete") != "?0" {
		tr.t.Errorf("the resource is complete: %v", resp.Header)
	}
}

// whole fails the test unless the server has the file.
func (tr *trial) whole() {
	tr.t.Helper()
	got := filepath.Join(tr.t.TempDir(), "got")
	tr.run(0, "", "get", "http://"+tr.addr+"/f", got)
	sameFiles(tr.t, tr.file, got)
}

// TestSourceChanges: a file that changes while it is sent is not completed, with or without a digest of the whole.
func TestSourceChanges(t *testing.T) {
	change := func(f func(*os.File) error) func(*trial) {
		return func(tr *trial) {
			file, err := os.OpenFile(tr.file, os.O_RDWR, 0)
			if err == nil {
				err = f(file)
				file.Close()
			}
			if err != nil {
				tr.t.Error(err)
			}
		}
	}
	for name, f := range map[string]func(*os.File) error{
		"shrinks": func(f *os.File) error { return f.Truncate(transferSize/2 - 5000) },
		"grows": func(f *os.File) error {
			_, err := f.WriteAt([]byte("more"), transferSize)
			return err
		},
		"changes": func(f *os.File) error {
			_, err := f.WriteAt([]byte("something else"), 1000)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, change(f))
			tr.run(exitFailure, "nothing was completed", "put", tr.file, tr.url())
			tr.incomplete()
			tr.run(0, "", "put", "--restart", tr.file, tr.url())
			tr.whole()
		})
	}
	// With a digest, what was sent before is found to be of another file, and not completed either.
	t.Run("between two calls", func(t *testing.T) {
		tr := newTrial(t, func(tr *trial) { tr.proxy.each((*pair).reset) })
		tr.run(exitUnfinished, "the same command goes on", "put", "--attempts", "1", tr.file, tr.url())
		change(func(f *os.File) error {
			_, err := f.WriteAt([]byte("something else"), 1000)
			return err
		})(tr)
		tr.run(exitConflict, "with --restart, what was begun is thrown away", "put", tr.file, tr.url())
		tr.incomplete()
	})
}

// TestResourceChanges: a resource that is removed or replaced while it is uploaded or downloaded.
func TestResourceChanges(t *testing.T) {
	remove := func(tr *trial) { tr.do("DELETE", nil) }
	replace := func(tr *trial) { tr.do("PUT", strings.NewReader("another resource")) }
	same := func(tr *trial) { tr.do("PUT", bench.NewContent(8, transferSize)) }
	for name, c := range map[string]struct {
		do   func(*trial)
		want string
	}{
		"removed":                     {remove, "was removed while it was uploaded"},
		"replaced":                    {replace, "was completed by someone else, with 16 bytes"},
		"replaced by one of its size": {same, "has other bytes than the source"},
	} {
		t.Run("put, "+name, func(t *testing.T) {
			tr := newTrial(t, c.do)
			tr.run(exitConflict, c.want, "put", tr.file, tr.url())
			if resp := tr.do("HEAD", nil); name == "removed" && resp.StatusCode != http.StatusNotFound {
				t.Errorf("the upload brought the resource back: %v", resp.Header)
			}
			tr.run(0, "", "put", tr.file, tr.url())
			tr.whole()
		})
		t.Run("get, "+name, func(t *testing.T) {
			tr := newTrial(t, c.do)
			tr.run(0, "", "put", tr.file, "http://"+tr.addr+"/f")
			tr.proxy.slow(2*time.Millisecond, 64<<10) // so that not all that is left is under way then
			got := filepath.Join(t.TempDir(), "got")
			tr.run(exitConflict, "the resource was changed, replaced or removed meanwhile", "get", tr.url(), got)
			if _, err := os.Stat(got); err == nil {
				t.Error("there is a file")
			}
			tr.run(0, "", "put", tr.file, tr.url())
			tr.run(0, "", "get", tr.url(), got)
			sameFiles(t, tr.file, got)
		})
	}
}

// TestInterrupt: after SIGINT, the same command goes on.
func TestInterrupt(t *testing.T) {
	started := make(chan *exec.Cmd, 1)
	interrupt := func(*pair) { _ = (<-started).Process.Signal(os.Interrupt) }
	file, got := randomFile(t, 7, transferSize), filepath.Join(t.TempDir(), "got")
	proxy := startChaos(t, startServe(t).addr, fault{transferSize / 2, interrupt}, fault{transferSize * 7 / 4, interrupt})
	url := "http://" + proxy.addr + "/f"
	flags := strings.Fields(transferFlags)
	for _, args := range [][]string{{"put", file, url}, {"get", url, got}} {
		cmd := infill(t.Context(), t, append(append(args[:1:1], flags...), args[1:]...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		started <- cmd
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(output(cmd), "interrupted; the same command goes on") {
			t.Errorf("%q: exit status %d\n%s", args, code, output(cmd))
		}
		if cmd = infill(t.Context(), t, append(append(args[:1:1], flags...), args[1:]...)...); cmd.Run() != nil {
			t.Fatal(output(cmd))
		}
	}
	sameFiles(t, file, got)
	up, down, _ := proxy.totals()
	expectSent(t, up+down, 2*transferSize, 16)
}

// TestNoInfill: a URL of something else.
func TestNoInfill(t *testing.T) {
	small, large := filepath.Join(t.TempDir(), "small"), randomFile(t, 1, 2<<20)
	if err := os.WriteFile(small, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"HTML":     "is it the URL of an infill server, or of one with PUT?",
		"nothing":  "404 Not Found",
		"no PUT":   "is it the URL of an infill server, or of one with PUT?",
		"a login":  "--header can give what the server asks for",
		"redirect": "302 Found, to /login",
	}
	for name, h := range map[string]http.HandlerFunc{
		"HTML": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<h1>It works!</h1>")
		},
		"nothing":  http.NotFound,
		"no PUT":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"a login":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
	} {
		srv := httptest.NewServer(h)
		for _, file := range []string{small, large} {
			cmd := infill(t.Context(), t, "put", "--attempts", "1", file, srv.URL+"/f")
			if err := cmd.Run(); err == nil {
				t.Errorf("%s: success: %s", name, output(cmd))
			}
			if !strings.Contains(output(cmd), want[name]) {
				t.Errorf("%s: %s", name, output(cmd))
			}
		}
		cmd := infill(t.Context(), t, "ls", "--attempts", "1", srv.URL)
		if err := cmd.Run(); err == nil {
			t.Errorf("%s: success: %s", name, output(cmd))
		}
		srv.Close()
	}
}
