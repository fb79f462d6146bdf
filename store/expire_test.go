package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A fakeClock stands still until a test moves it. One goroutine waits for it
// at a time: the expirer.
type fakeClock struct {
	mu      sync.Mutex
	cond    sync.Cond
	t       time.Time
	until   time.Time      // of the wait
	waiting chan time.Time // nil: nobody waits
}

func newClock() *fakeClock {
	c := &fakeClock{t: time.UnixMicro(1_800_000_000_000_000)}
	c.cond.L = &c.mu
	return c
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) wait(until time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until, c.waiting = until, make(chan time.Time, 1)
	waiting := c.waiting
	c.fireLocked()
	c.cond.Broadcast()
	return waiting, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.waiting = nil
	}
}

func (c *fakeClock) fireLocked() {
	if c.waiting != nil && !c.until.After(c.t) {
		c.waiting <- c.t
		c.waiting = nil
	}
}

// advance moves the clock and returns when all that is due by then is done.
func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.waiting == nil {
		c.cond.Wait()
	}
	c.t = c.t.Add(d)
	c.fireLocked()
	for c.waiting == nil {
		c.cond.Wait()
	}
}

// exists reports whether a name has a resource, whose info it returns.
func exists(t testing.TB, s *Store, name string) (*Info, bool) {
	t.Helper()
	info, err := s.Stat(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	return info, err == nil
}

// idlers returns the keys of the list of idle resources.
func idlers(t testing.TB, s *Store) (keys []string) {
	t.Helper()
	if err := s.scan(kindIdle, func(key, _ []byte) { keys = append(keys, fmt.Sprintf("%x", key)) }); err != nil {
		t.Fatal(err)
	}
	return keys
}

func mustPatch(t testing.TB, s *Store, name string, off, length int64, body string) Result {
	t.Helper()
	res, err := patch(s, name, off, length, body)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestExpire(t *testing.T) {
	const age = 160 * time.Minute
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: age, clock: c})
	defer closeStore(t, s)
	if _, err := Open("other", &Options{FS: vfs.NewMem(), IncompleteMaxAge: time.Second - 1}); err == nil {
		t.Error("an age below a second is taken")
	}

	// A complete resource stays, whether it was incomplete before or not.
	if res := put(t, s, "/put", "0123456789"); !res.Info.Expires.IsZero() {
		t.Errorf("complete, and expires %v", res.Info.Expires)
	}
	mustPatch(t, s, "/filled", 0, 4, "01")
	if res := mustPatch(t, s, "/filled", 2, 4, "23"); !res.Info.Expires.IsZero() {
		t.Errorf("complete, and expires %v", res.Info.Expires)
	}
	// So does one that is renewed; one that is deleted is gone anyway.
	res := mustPatch(t, s, "/renewed", 0, 100, "0")
	if want := c.now().Add(age); !res.Info.Expires.Equal(want) {
		t.Errorf("expires %v, want %v", res.Info.Expires, want)
	}
	mustPatch(t, s, "/idle", 0, 100, "0")
	mustPatch(t, s, "/deleted", 0, 100, "0")
	if err := s.Delete(ctx, "/deleted", nil); err != nil {
		t.Fatal(err)
	}
	listed := idlers(t, s)
	if len(listed) != 2 {
		t.Errorf("listed as idle: %v", listed)
	}
	for i := range 3 { // the key stays where it is
		c.advance(age / 4)
		res = mustPatch(t, s, "/renewed", int64(i+1), 100, "0")
		if want := c.now().Add(age); !res.Info.Expires.Equal(want) {
			t.Errorf("expires %v, want %v", res.Info.Expires, want)
		}
	}
	if now := idlers(t, s); fmt.Sprint(now) != fmt.Sprint(listed) {
		t.Errorf("listed as idle: %v, then %v", listed, now)
	}
	if _, ok := exists(t, s, "/idle"); !ok {
		t.Error("went too early")
	}
	c.advance(age/4 - time.Microsecond)
	if _, ok := exists(t, s, "/idle"); !ok {
		t.Error("went a microsecond too early")
	}
	c.advance(time.Microsecond)
	if _, ok := exists(t, s, "/idle"); ok {
		t.Error("did not go")
	}
	info, ok := exists(t, s, "/renewed")
	if !ok || info.Version != res.Info.Version {
		t.Errorf("renewed: %v, %+v", ok, info)
	}
	verifyStore(t, s)
	c.advance(3 * age / 4)
	if _, ok := exists(t, s, "/renewed"); ok {
		t.Error("did not go after it was no longer renewed")
	}
	c.advance(100 * age)
	for _, name := range []string{"/put", "/filled"} {
		if _, ok := exists(t, s, name); !ok {
			t.Errorf("%s went", name)
		}
	}
	if left := idlers(t, s); len(left) > 0 {
		t.Errorf("still listed as idle: %v", left)
	}
	s.files.janitor.drain()
	verifyStore(t, s)
	if files, err := dataFiles(s); err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
	// The name is free.
	if res := mustPatch(t, s, "/idle", 0, 100, "0"); !res.Created {
		t.Error("not created anew")
	}
}

// TestExpireLooksInTime: a look that finds a resource renewed says when the
// next one is, though it has just moved the key.
func TestExpireLooksInTime(t *testing.T) {
	const age = 30 * time.Minute
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: age, clock: c})
	defer closeStore(t, s)
	mustPatch(t, s, "/a", 0, 100, "0")
	c.advance(age / 2)
	mustPatch(t, s, "/a", 1, 100, "0")
	c.advance(age / 2)
	if want := c.now().Add(age / 2); !c.until.Equal(want) {
		t.Errorf("the next look is %v after the resource expires", c.until.Sub(want))
	}
}

// TestExpireInFlight: a resource with a transaction in flight stays, and goes
// soon after it was rolled back.
func TestExpireInFlight(t *testing.T) {
	const age = 16 * time.Hour
	for _, create := range []bool{false, true} {
		t.Run(fmt.Sprint(create), func(t *testing.T) {
			c := newClock()
			s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: age, clock: c})
			defer closeStore(t, s)
			var tx *Tx
			if create {
				tx = begin(t, s, "/a", TxOptions{Create: true})
				setLength(t, tx, 100)
				write(t, tx, 0, "0123")
				if _, err := tx.Persist(ctx); err != nil {
					t.Fatal(err)
				}
			} else {
				mustPatch(t, s, "/a", 0, 100, "0123")
				tx = begin(t, s, "/a", TxOptions{})
			}
			write(t, tx, 4, "4567")
			c.advance(3 * age)
			info, ok := exists(t, s, "/a")
			if !ok || info.Revision != 1 {
				t.Fatalf("%v, %+v", ok, info)
			}
			verifyStore(t, s)
			if res := commit(t, tx); res.Info.Offset != 8 || !res.Info.Expires.Equal(c.now().Add(age)) {
				t.Fatalf("%+v", res.Info)
			}
			c.advance(age - time.Microsecond)
			if _, ok := exists(t, s, "/a"); !ok {
				t.Fatal("the commit did not renew it")
			}
			tx = begin(t, s, "/a", TxOptions{})
			write(t, tx, 8, "89")
			c.advance(time.Microsecond)
			if _, ok := exists(t, s, "/a"); !ok {
				t.Fatal("went under a transaction")
			}
			tx.Rollback()
			c.advance(age / 16)
			if _, ok := exists(t, s, "/a"); ok {
				t.Fatal("stays after the transaction ended")
			}
			s.files.janitor.drain()
			verifyStore(t, s)
		})
	}
}

// TestExpireUnverified: a resource all of whose bytes are there does not go
// while its digest is being computed, however long that takes.
func TestExpireUnverified(t *testing.T) {
	c := newClock()
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{IncompleteMaxAge: time.Hour, clock: c})
	defer closeStore(t, s)
	tx := begin(t, s, "/a", TxOptions{})
	if err := tx.Declare(SHA256, sum256("0123")); err != nil {
		t.Fatal(err)
	}
	setLength(t, tx, 4)
	write(t, tx, 0, "0123")
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	impatient, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { _, err := tx.Commit(impatient); done <- err }()
	<-b.reached
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.advance(10 * time.Hour)
	if info, ok := exists(t, s, "/a"); !ok || !info.Unverified {
		t.Errorf("%v, %+v", ok, info)
	}
	close(b.lifted)
	commit(t, begin(t, s, "/a", TxOptions{})) // waits for the verdict
	c.advance(10 * time.Hour)
	if info, ok := exists(t, s, "/a"); !ok || !info.Complete {
		t.Errorf("%v, %+v", ok, info)
	}
	verifyStore(t, s)
}

// TestExpireReopened: what expires goes after the store was closed, by the
// option of the time that it is open.
func TestExpireReopened(t *testing.T) {
	c, fs := newClock(), vfs.NewMem()
	reopen := func(s *Store, age time.Duration) *Store {
		if s != nil {
			verifyStore(t, s)
			closeStore(t, s)
		}
		return openMem(t, fs, Options{IncompleteMaxAge: age, clock: c, CacheExtents: 1})
	}
	s := reopen(nil, 0)
	if res := mustPatch(t, s, "/old", 0, 100, "0"); !res.Info.Expires.IsZero() {
		t.Errorf("expires %v", res.Info.Expires)
	}
	old := c.now()
	s = reopen(s, 10*time.Hour)
	if info, ok := exists(t, s, "/old"); !ok || !info.Expires.Equal(old.Add(10*time.Hour)) {
		t.Errorf("%v, %+v", ok, info)
	}
	c.advance(5 * time.Hour)
	mustPatch(t, s, "/new", 0, 100, "0")
	for e, err := range s.List(ctx, "/", "") {
		want := map[string]time.Time{"/old": old.Add(10 * time.Hour), "/new": c.now().Add(10 * time.Hour)}[e.Name]
		if err != nil || !e.Info.Expires.Equal(want) {
			t.Errorf("%s expires %v, want %v (%v)", e.Name, e.Info.Expires, want, err)
		}
	}
	s = reopen(s, 3*time.Hour) // shorter
	c.advance(0)               // it has looked
	if _, ok := exists(t, s, "/old"); ok {
		t.Error("stays although the age is shorter now")
	}
	c.advance(3*time.Hour - time.Microsecond)
	if _, ok := exists(t, s, "/new"); !ok {
		t.Error("went too early")
	}
	s = reopen(s, 4*time.Hour) // longer
	c.advance(time.Hour)
	if _, ok := exists(t, s, "/new"); !ok {
		t.Error("went although the age is longer now")
	}
	s = reopen(s, 0)
	c.mu.Lock()
	c.t = c.t.Add(1000 * time.Hour)
	c.mu.Unlock()
	if info, ok := exists(t, s, "/new"); !ok || !info.Expires.IsZero() {
		t.Errorf("%v, %+v", ok, info)
	}
	s = reopen(s, time.Hour)
	c.advance(0)
	if _, ok := exists(t, s, "/new"); ok {
		t.Error("stays after the store was closed for long")
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestExpireCorrupt: a resource that cannot be read is in nobody's way.
func TestExpireCorrupt(t *testing.T) {
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: time.Hour, clock: c, CacheExtents: 1})
	defer closeStore(t, s)
	bad := mustPatch(t, s, "/bad", 0, 100, "0")
	c.advance(time.Minute)
	mustPatch(t, s, "/good", 0, 100, "0")
	if err := s.db.Set(extentKey(bad.Info.ID, 50), []byte{9, 9}, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Hour)
	if _, ok := exists(t, s, "/good"); ok {
		t.Error("stays behind one that is corrupt")
	}
	if _, err := s.Stat(ctx, "/bad"); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestExpireMany(t *testing.T) {
	const n = 1000
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: time.Hour, clock: c, CacheExtents: 100, Durability: DurabilityNone})
	defer closeStore(t, s)
	for i := range n {
		mustPatch(t, s, fmt.Sprintf("/%d", i), 0, 4, "ab")
		if i%10 == 0 {
			mustPatch(t, s, fmt.Sprintf("/%d", i), 2, 4, "cd")
		}
	}
	c.advance(30 * time.Minute)
	for i := range n {
		if i%10 == 1 {
			mustPatch(t, s, fmt.Sprintf("/%d", i), 2, 4, "c")
		}
	}
	c.advance(30 * time.Minute)
	for i := range n {
		if _, ok := exists(t, s, fmt.Sprintf("/%d", i)); ok != (i%10 < 2) {
			t.Fatalf("/%d: %v", i, ok)
		}
	}
	c.advance(30 * time.Minute)
	if left := names(t, s, "/", ""); len(left) != n/10 {
		t.Errorf("%d are left", len(left))
	}
	s.files.janitor.drain()
	verifyStore(t, s)
}

// TestExpireFull: expiry works below the floor of free space.
func TestExpireFull(t *testing.T) {
	c, fs := newClock(), vfs.NewMem() // tells no disk usage, so the floor is never reached
	s := openMem(t, fs, Options{})
	mustPatch(t, s, "/a", 0, 100, "0")
	closeStore(t, s)
	full := Options{FS: diskUsage{fs, 999}, MinFree: 1000, Logger: quiet(), IncompleteMaxAge: time.Hour, clock: c}
	c.t = time.Now().Add(2 * time.Hour)
	s, err := Open("store", &full)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if err := s.Writable(); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	c.advance(0)
	if _, ok := exists(t, s, "/a"); ok {
		t.Error("stays")
	}
}

// diskUsage is a file system with so many bytes free.
type diskUsage struct {
	vfs.FS
	free uint64
}

func (d diskUsage) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free}, nil
}

// TestExpireReadOnly: a store that became read-only closes all the same.
func TestExpireReadOnly(t *testing.T) {
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: time.Hour, clock: c})
	mustPatch(t, s, "/a", 0, 100, "0")
	c.mu.Lock()
	for c.waiting == nil {
		c.cond.Wait()
	}
	s.fail(errors.New("broken"))
	c.t = c.t.Add(time.Hour)
	c.fireLocked()
	c.mu.Unlock()
	<-s.expirer.done
	if _, ok := exists(t, s, "/a"); !ok {
		t.Error("went although nothing can be written")
	}
	closeStore(t, s)
}

// TestExpireCrash loses power while resources expire and others are renewed.
func TestExpireCrash(t *testing.T) {
	for _, seed := range seeds(1) {
		t.Logf("seed %d", seed)
		clk := newClock()
		fs, c := crashable(vfs.NewCrashableMem())
		c.arm(arm{every: 40, percent: 50, seed: seed}, arm{every: 70, seed: seed})
		s := openMem(t, fs, Options{IncompleteMaxAge: time.Hour, clock: clk})
		for i := range 20 {
			mustPatch(t, s, fmt.Sprintf("/%d", i), 0, 100, "0123")
		}
		clk.advance(30 * time.Minute)
		for i := range 10 {
			mustPatch(t, s, fmt.Sprintf("/%d", i), 4, 100, "4567")
		}
		clk.advance(30 * time.Minute)
		closeStore(t, s)
		images := c.take()
		if len(images) < 10 {
			t.Errorf("too few crashes: %d", len(images))
		}
		for _, image := range images {
			clk := newClock()
			s := openMem(t, image.mem, Options{IncompleteMaxAge: time.Hour, clock: clk})
			err := s.check(ctx, true)
			clk.advance(2 * time.Hour)
			s.files.janitor.drain()
			if err = errors.Join(err, s.check(ctx, true)); err != nil {
				t.Fatalf("%s: %v", image.label, err)
			}
			if left := names(t, s, "/", ""); len(left) > 0 {
				t.Fatalf("%s: %v are left", image.label, left)
			}
			closeStore(t, s)
		}
	}
}

// TestExpireConcurrent lets writers renew resources while they expire. No
// commit that was acknowledged is lost before its time.
func TestExpireConcurrent(t *testing.T) {
	c := newClock()
	s := openMem(t, vfs.NewMem(), Options{IncompleteMaxAge: time.Hour, clock: c})
	defer closeStore(t, s)
	var wg sync.WaitGroup
	for w := range 4 {
		name := fmt.Sprintf("/%d", w)
		wg.Go(func() {
			for i := range 100 {
				tx, err := s.Begin(ctx, name, TxOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				_, err = tx.WriteFrom(bytes.NewReader([]byte{byte(i)}), int64(i), 1, 1000)
				if err == nil {
					_, err = tx.Commit(ctx)
				}
				tx.Rollback()
				if err != nil && !errors.Is(err, ErrReplaced) { // it went between Begin and Commit
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			c.advance(20 * time.Minute)
		}
	}
	c.advance(2 * time.Hour)
	if left := names(t, s, "/", ""); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	s.files.janitor.drain()
	verifyStore(t, s)
}
