package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A readLog notes which blocks of data files are read.
type readLog struct {
	mu  sync.Mutex
	got []string
}

func (l *readLog) see(op errorfs.Op) error {
	if op.Kind == errorfs.OpFileReadAt {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, fmt.Sprintf("%s@%d", op.Path[len(op.Path)-1:], op.Offset/crcBlock))
	}
	return nil
}

func (l *readLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := strings.Join(l.got, " ")
	l.got = nil
	return got
}

// TestScrubPace has the clock tell what the scrub reads, and when. A pass goes
// on after a restart with the file that it was at.
func TestScrubPace(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	var l readLog
	h.on(l.see)
	clock := newClock()
	opts := Options{ScrubRate: crcBlock, ScrubInterval: time.Hour, clock: clock}
	s := openMem(t, fs, Options{clock: clock})
	put(t, s, "/a", pattern(2*crcBlock))
	put(t, s, "/gone", pattern(2*crcBlock))
	put(t, s, "/b", pattern(2*crcBlock+1))
	if err := s.Delete(ctx, "/gone", nil); err != nil {
		t.Fatal(err)
	}
	s.files.janitor.drain()
	closeStore(t, s)
	l.take()

	s = openMem(t, fs, opts)
	expect := func(d time.Duration, want string) {
		t.Helper()
		clock.advance(d)
		if got := l.take(); got != want {
			t.Fatalf("read %q, want %q", got, want)
		}
	}
	expect(0, "1@0")
	expect(time.Second/2, "")
	expect(time.Second/2, "1@1")
	expect(time.Second, "3@0")
	closeStore(t, s)
	s = openMem(t, fs, opts)
	expect(0, "3@0")
	expect(10*time.Second, "3@1") // a rate, not a debt
	expect(time.Second, "3@2")
	expect(time.Hour-15*time.Second, "")
	closeStore(t, s)
	s = openMem(t, fs, opts) // a pass is not due because of a restart
	expect(0, "")
	expect(2*time.Second, "1@0")
	closeStore(t, s)
}
