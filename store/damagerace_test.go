package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/infill-http/infill/ranges"
)

// These tests stop the mender and call mend themselves, so that what happens
// at the same time has one order.

// reopen closes s, opens it anew, and makes a pass of the scrub. Holes are all
// that may be wrong.
func reopen(t testing.TB, s *Store, fs vfs.FS) *Store {
	t.Helper()
	closeStore(t, s)
	s = openMem(t, fs, Options{})
	report, err := s.Check(ctx, CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Faults {
		if f.Kind != FaultDamaged {
			t.Fatal(f)
		}
	}
	scrubNow(t, s)
	return s
}

// expectReceived compares what a name has.
func expectReceived(t testing.TB, s *Store, name, want string) {
	t.Helper()
	if got := fmt.Sprint(statOf(t, s, name).Received); got != want {
		t.Fatalf("%s: received %v, want %v", name, got, want)
	}
}

// TestDamageCopied finds damage while a copy is made, after it has looked for
// some. Another commit cuts the source before the mender comes to it, who must
// find the copy nevertheless.
func TestDamageCopied(t *testing.T) {
	const size = 3 * crcBlock
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	s.stopMender()
	put(t, s, "/a", pattern(size))
	sl := s.slots["/a"]
	home := sl.pub.Load().home
	flip(t, fs, s.files.path(home), crcBlock)
	done := make(chan error, 2)
	if _, err := s.Copy(ctx, "/a", "/b", func(*Info, *Info) error {
		s.damaged(home, ranges.Range{Start: crcBlock, End: 2 * crcBlock}, errChecksum)
		go func() { done <- s.alone([]*slot{sl}, func() error { return nil }) }()
		sl.queue.await(1)
		go func() { done <- s.mend(home) }()
		sl.queue.await(2)
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	const want = "[0,65536) [131072,196608)"
	expectReceived(t, s, "/a", want)
	expectReceived(t, s, "/b", want)
	s = reopen(t, s, fs)
	expectReceived(t, s, "/b", want)
	closeStore(t, s)
}

// TestDamageMore finds more damage in a file that the mender is at. It must
// not forget the checksums of what the map still names: they are all that
// tells of the damage after a restart.
func TestDamageMore(t *testing.T) {
	const size = 3 * crcBlock
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	s.stopMender()
	put(t, s, "/a", pattern(size))
	sl := s.slots["/a"]
	home := sl.pub.Load().home
	flip(t, fs, s.files.path(home), 0)
	flip(t, fs, s.files.path(home), crcBlock)
	s.damaged(home, ranges.Range{End: crcBlock}, errChecksum)
	done := make(chan error, 2)
	if err := s.alone([]*slot{sl}, func() error { // which cuts the first block
		go func() { done <- s.mend(home) }()
		sl.queue.await(1)
		go func() {
			done <- s.commit(sl, &ticket{eval: func(cur *state, _ *batch) (*state, error) {
				s.damaged(home, ranges.Range{Start: crcBlock, End: 2 * crcBlock}, errChecksum)
				return cur, nil
			}})
		}()
		sl.queue.await(2)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	expectReceived(t, s, "/a", "[65536,196608)")
	s = reopen(t, s, fs)
	expectReceived(t, s, "/a", "[131072,196608)")
	closeStore(t, s)
}

// TestDamageBeside commits bytes beside damaged ones, in the same block, before
// the mender has come to them: they are not lost with them.
func TestDamageBeside(t *testing.T) {
	body := pattern(2000)
	fs := vfs.NewMem()
	s := openMem(t, fs, Options{})
	s.stopMender()
	fillWith(t, s, "/a", body, 3000, ranges.Range{End: 1000})
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 1000, body[1000:])
	home := s.slots["/a"].pub.Load().home
	flip(t, fs, s.files.path(home), 5)
	s.damaged(home, ranges.Range{End: 1000}, errChecksum)
	commit(t, tx)
	if err := s.mend(home); err != nil {
		t.Fatal(err)
	}
	if got := s.damage.in(home); !got.Equal(ranges.NewSet(ranges.Range{End: 1000})) {
		t.Fatalf("damaged %v", got)
	}
	expectReceived(t, s, "/a", "[1000,2000)")
	s = reopen(t, s, fs)
	expectReceived(t, s, "/a", "[1000,2000)")
	fillWith(t, s, "/a", body, 3000, ranges.Range{End: 1000})
	if got, err := tryRead(s, "/a", ranges.Range{End: 2000}); err != nil || got != body {
		t.Fatal("wrong bytes", err)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDamageWhileHashed has bytes found damaged and written again while a
// declared digest is computed of the state before. The verification fails, and
// is made again.
func TestDamageWhileHashed(t *testing.T) {
	const size = 150_000
	body := pattern(size)
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{BufferSize: 4096})
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	tx := begin(t, s, "/a", TxOptions{})
	if err := tx.Declare(SHA256, sum256(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.WriteFrom(bytes.NewReader([]byte(body[:size-1])), 0, size-1, size); err != nil {
		t.Fatal(err)
	}
	commit(t, tx)
	<-b.reached
	sl := s.slots["/a"]
	home := sl.pub.Load().home
	flip(t, fs, s.files.path(home), 70_000)
	s.damaged(home, ranges.Range{Start: 65536, End: 131072}, errChecksum)
	s.damage.settle()
	tx = begin(t, s, "/a", TxOptions{})
	write(t, tx, 65536, body[65536:131072])
	write(t, tx, size-1, body[size-1:])
	if _, err := tx.Persist(ctx); err != nil {
		t.Fatal(err)
	}
	s.verifiers.mu.Lock()
	v := s.verifiers.running[sl]
	s.verifiers.mu.Unlock()
	close(b.lifted)
	<-v.done
	if v.err != nil || !sl.pub.Load().complete {
		t.Fatalf("%+v, %v", sl.pub.Load().info, v.err)
	}
	commit(t, tx)
	if read(t, s, "/a") != body {
		t.Fatal("wrong bytes")
	}
	verifyStore(t, s)
	closeStore(t, s)
}
