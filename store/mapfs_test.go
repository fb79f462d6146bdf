package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestMapRecovers: while no table of the map can be written, no transaction
// begins, deletions work, and nothing spins; once one was written all is as before.
func TestMapRecovers(t *testing.T) {
	var log journal
	fs := newFaultFS(vfs.NewCrashableMem(), fault{})
	s := openMem(t, fs, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	put(t, s, "/a", "a")
	put(t, s, "/b", "b")
	fs.begin(fault{opClass: opClass{"map", "create"}, err: syscall.ENOSPC, always: true})
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		t.Fatal(err)
	}
	<-fs.hit
	for s.Writable() == nil { // it is known a moment after
		runtime.Gosched()
		select {
		case <-flushed:
			t.Fatal("the map was written")
		default:
		}
	}
	if _, err := s.Begin(ctx, "/c", TxOptions{Create: true}); !errors.Is(err, ErrFull) {
		t.Errorf("begin: %v", err)
	}
	if err := s.Delete(ctx, "/b", nil); err != nil {
		t.Errorf("delete: %v", err)
	}
	if got := read(t, s, "/a"); got != "a" {
		t.Errorf("read %q", got)
	}
	if n := fs.seen()[opClass{"map", "create"}]; n > 2 {
		t.Errorf("%d tables were begun within a moment", n)
	}
	fs.heal()
	<-flushed
	if err := s.Writable(); err != nil {
		t.Error(err)
	}
	put(t, s, "/c", "c")
	verifyStore(t, s)
	closeStore(t, s)
	if !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("log:\n%s", log.String())
	}
}

// victimEnv names the store of a process that TestProcessEnds starts, and
// what fails there.
const victimEnv = "INFILL_TEST_VICTIM"

// TestProcessEnds: after an error of the log of the map, the process ends,
// though the goroutine that commits recovers from panics, says why, and has
// acknowledged nothing that is not there.
func TestProcessEnds(t *testing.T) {
	if dir, kind, ok := strings.Cut(os.Getenv(victimEnv), "\n"); ok {
		victim(t, dir, kind)
		return
	}
	for _, kind := range []string{"sync", "write", "create"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run", "^TestProcessEnds$")
			cmd.Env = append(os.Environ(), victimEnv+"="+dir+"\n"+kind)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("the process: %v\n%s\n%s", err, out, &stderr)
			}
			for _, want := range []string{"the process ends", "input/output error"} {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("no %q in the log:\n%s", want, &stderr)
				}
			}
			acked := make(map[string]bool)
			for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
				acked[sc.Text()] = true
			}
			if len(acked) == 0 || acked["end"] {
				t.Fatalf("acknowledged is %v", acked)
			}
			s, err := Open(dir, &Options{Logger: quiet(), MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			for name := range acked {
				if got := read(t, s, name); got != name {
					t.Errorf("%s is %q", name, got)
				}
			}
			s.files.janitor.drain()
			verifyStore(t, s)
			closeStore(t, s)
		})
	}
}

// victim writes until the process ends, and prints what is acknowledged.
func victim(t *testing.T, dir, kind string) {
	fs := newFaultFS(DiskFS, fault{})
	s, err := Open(dir, &Options{FS: fs, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "/a", "/a")
	fmt.Println("/a")
	fs.begin(fault{opClass: opClass{"log", kind}, n: 2, err: syscall.EIO, always: true})
	if kind == "create" {
		fs.begin(fault{opClass: opClass{"log", kind}, err: syscall.EIO})
	}
	for i := range 10 {
		func() {
			defer func() { recover() }()
			name := fmt.Sprintf("/%d", i)
			put(t, s, name, name)
			fmt.Println(name)
			if kind == "create" {
				s.db.AsyncFlush()
			}
		}()
	}
	fmt.Println("end")
}
