package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEscapes: nothing that a server says, in whatever place, gets to the terminal as it is.
func TestEscapes(t *testing.T) {
	const evil = "\x1b]0;evil\a\u009b2J"
	refuse := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"type":"about:blank","title":"x","detail":%s}`, `"\u001b]0;evil\u0007\u009b2J"`)
	}
	lie := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/"+evil)
		w.Header().Set("Location", "/"+evil)
		w.Header().Set("ETag", `"`+evil+`"`)
		w.Header().Set("Upload-Complete", "?0")
		w.Header().Set("Upload-Received", evil)
		w.Header().Set("Content-Range", "bytes "+evil)
		fmt.Fprint(w, `{"entries":[{"name":"%1B%5D0;evil%07","type":"\u001b","etag":"\u001b"}],"next":"http://\u001b"}`)
	}
	tell := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/"+evil)
		w.Header().Set("ETag", `"`+evil+`"`)
		fmt.Fprint(w, evil)
	}
	redirect := func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{"/" + evil}
		w.WriteHeader(http.StatusFound)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.HandlerFunc{"refuse": refuse, "lie": lie, "tell": tell, "redirect": redirect} {
		srv := httptest.NewServer(h)
		for _, args := range [][]string{
			{"put", file, srv.URL + "/f"}, {"get", srv.URL + "/f", filepath.Join(t.TempDir(), "got")}, {"status", srv.URL + "/f"},
			{"ls", srv.URL + "/"}, {"mv", srv.URL + "/f", "/g"}, {"rm", srv.URL + "/f"}, {"status", "--json", srv.URL + "/f"},
		} {
			cmd := infill(t.Context(), t, append([]string{args[0], "--attempts", "2", "--max-backoff", "1ms"}, args[1:]...)...)
			_ = cmd.Run()
			if out := output(cmd); strings.ContainsAny(out, "\x1b\a") || args[1] != "--json" && strings.Contains(out, "\u009b") {
				t.Errorf("%s, %q: %q", name, args, out)
			}
		}
		srv.Close()
	}
}

// TestWaitingFileGrows: a file that waits for others to be sent becomes longer meanwhile. All of it is sent.
func TestWaitingFileGrows(t *testing.T) {
	waiting := filepath.Join(t.TempDir(), "waiting")
	if err := os.Rename(randomFile(t, 8, smallFile+1), waiting); err != nil {
		t.Fatal(err)
	}
	tr := newTrial(t, func(tr *trial) {
		f, err := os.OpenFile(waiting, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString("more")
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			tr.t.Error(err)
		}
	})
	tr.run(0, "", "put", tr.file, waiting, "http://"+tr.proxy.addr+"/d/")
	got := filepath.Join(t.TempDir(), "got")
	tr.run(0, "", "get", "http://"+tr.addr+"/d/waiting", got)
	want, err := os.ReadFile(waiting)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(got); err != nil || !bytes.Equal(text, want) {
		t.Errorf("%d bytes of %d, %v", len(text), len(want), err)
	}
}

// TestNoFile: what is named and cannot be sent is a failure.
func TestNoFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := infill(t.Context(), t, "put", "--json", name, "http://127.0.0.1:1/")
	if err := cmd.Run(); err == nil || !strings.Contains(output(cmd), `"error":"neither a regular file`) {
		t.Errorf("%v, %s", err, output(cmd))
	}
}

// TestFullDisk: a download goes on, where there was no space left, once there is some. It needs a file system of its own.
func TestFullDisk(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "infill")); err != nil {
		t.Fatal(err)
	}
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", disk).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted: %v, %s", err, out)
	}
	tr := newTrial(t, func(*trial) {})
	tr.run(0, "", "put", tr.file, "http://"+tr.addr+"/f")
	cmd := exec.CommandContext(t.Context(), "unshare", "-rm", "sh", "-ec", `
		mount -t tmpfs -o size=16m none disk
		./infill get -q "$0" disk/f || test $? = 3
		mount -o remount,size=64m disk
		./infill get --json "$0" disk/f
		cmp disk/f "$1"
		ls disk`, "http://"+tr.addr+"/f", tr.file)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "\nf\n") {
		t.Fatalf("%v, %s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), `"moved":`)
	moved := 0
	if _, err := fmt.Sscan(strings.TrimRight(strings.SplitN(rest, ",", 2)[0], ","), &moved); err != nil || moved > transferSize*3/4 {
		t.Errorf("%d bytes were received again, of %d, %v: %s", moved, transferSize, err, out)
	}
}
