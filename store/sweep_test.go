package store

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var sweepFlag = flag.String("fault", "", "the only faults of TestSweep: those whose description contains this")

// A journal is a log that is written and read at the same time.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// A death is what a process that ended has left.
type death struct {
	worlds []world
	images []*vfs.MemFS
	err    error
}

// A trial is a life with a fault.
type trial struct {
	life
	rng   *rand.Rand
	log   journal
	once  sync.Once
	death death
	after []string // names that writes after the life used
	end   string   // what became of the store
}

// ended keeps what belongs to processes that have ended from being collected.
var ended struct {
	sync.Mutex
	trials []*trial
}

func newTrial(f fault, seed uint64) *trial {
	t := &trial{rng: rand.New(rand.NewPCG(seed, 1))}
	t.fs = newFaultFS(vfs.NewCrashableMem(), f)
	t.clock = newClock()
	t.life.dead = make(chan struct{})
	t.sure = make(world)
	t.allowed = t.clean
	t.opts = Options{
		FS: t.fs, Logger: slog.New(slog.NewTextHandler(&t.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		MinFree: -1, BufferSize: 4 << 10, CacheExtents: 1, MapCache: 1 << 20, FoldExtents: 6,
		InlineSize: 700, PersistBytes: 3500, PersistInterval: time.Hour, IncompleteMaxAge: time.Hour, retry: time.Millisecond,
		clock: t.clock, exit: t.die,
	}
	return t
}

// clean reports whether an error is one that the fault explains, and says so.
func (t *trial) clean(err error) bool {
	if _, hit := t.fs.wasHit(); !hit {
		return false
	}
	cause := t.fs.now().err
	return errors.Is(err, ErrFull) || errors.Is(err, ErrReadOnly) || errors.Is(err, cause) ||
		t.s == nil && strings.HasSuffix(err.Error(), cause.Error()) // what pebble gives to its logger
}

// die is the end of the process: what is on the disk now is what is left, and
// whoever comes here goes no further.
func (t *trial) die(int) {
	t.once.Do(func() {
		t.death.worlds = t.kill()
		for _, percent := range []int{0, t.rng.IntN(101)} {
			image, err := t.fs.image(percent, t.rng)
			t.death.images, t.death.err = append(t.death.images, image), errors.Join(t.death.err, err)
		}
		ended.Lock()
		ended.trials = append(ended.trials, t)
		ended.Unlock()
		close(t.life.dead)
	})
	select {}
}

// patience is how long anything may take.
const patience = time.Minute

// within runs f and reports whether it returned before the process ended.
func (t *trial) within(f func()) (alive bool, err error) {
	done := make(chan any, 1)
	go func() {
		defer func() {
			r := recover()
			if r != nil {
				r = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
			done <- r
		}()
		f()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-t.life.dead:
		return false, nil
	case r := <-done:
		if r != nil {
			return true, fmt.Errorf("panic: %v", r)
		}
		return true, nil
	case <-timer.C:
		b := make([]byte, 1<<20)
		return true, fmt.Errorf("it hangs:\n%s", b[:runtime.Stack(b, true)])
	}
}

// run lives the life and judges what comes of it.
func (t *trial) run() error {
	alive, err := t.within(t.live)
	if err != nil {
		return err
	}
	if alive {
		alive, err = t.within(func() { t.judgeAlive() })
	}
	if err != nil {
		return err
	}
	if !alive {
		t.end = "process ended"
		t.judgeDead()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.wrong) > 0 {
		return errors.New(strings.Join(t.wrong, "\n"))
	}
	return nil
}

// complain notes what is wrong with the outcome, also after the end.
func (t *trial) complain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// judgeAlive judges a store that has gone through its fault. The fault is over.
func (t *trial) judgeAlive() {
	t.fs.heal()
	_, hit := t.fs.wasHit()
	f := t.fs.now()
	readOnly := false
	t.end = "not open"
	if s := t.s; s != nil {
		t.settle()
		if s.writable() == nil && s.mapFS.writable() != nil {
			if done, err := s.db.AsyncFlush(); err == nil {
				<-done
			}
		}
		readOnly = errors.Is(s.Writable(), ErrReadOnly)
		if t.end = "goes on"; readOnly {
			t.end = "read-only"
		}
		switch {
		case readOnly && (!hit || f.passing()):
			t.complain("the store is read-only: %v", s.Writable())
		case readOnly && f.area == "map" && slices.Contains(readKinds, f.kind):
			t.complain("the store is read-only because the map could not be read: %v", s.Writable())
		case !readOnly && !t.ended && hit && f.ends():
			t.complain("the store goes on")
		}
		if err := oneOf(s, sweepNames, t.worlds()); err != nil {
			t.complain("in the running store: %v", err)
		}
		if err := s.check(ctx, true); err != nil {
			t.complain("the running store: %v", err)
		}
		if _, err := patch(s, "/after", 10, 20, "0123456789"); err != nil && !(readOnly && errors.Is(err, ErrReadOnly)) {
			t.complain("a write afterwards: %v", err)
		} else if err == nil {
			t.after = append(t.after, "/after")
		}
		t.settle()
	}
	if !hit {
		t.end = "no fault"
	}
	image, err := t.fs.image(0, nil)
	if err != nil {
		t.complain("%v", err)
	}
	t.judge("after a loss of power", image, t.worlds())
	if t.s != nil {
		if err := t.s.Close(); err != nil {
			t.complain("close: %v", err)
		}
	}
	if log := t.log.String(); readOnly && !(strings.Contains(log, "read-only from now on") && strings.Contains(log, f.err.Error())) {
		t.complain("the log does not say why the store is read-only")
	}
	image, err = t.fs.image(100, t.rng)
	if err != nil {
		t.complain("%v", err)
	}
	t.judge("after closing", image, t.worlds())
}

// judgeDead judges what a process that ended has left.
func (t *trial) judgeDead() {
	if area := t.fs.now().area; area == "data" || area == "root" {
		t.complain("the process ended")
	}
	if t.death.err != nil {
		t.complain("%v", t.death.err)
		return
	}
	log := t.log.String()
	if !strings.Contains(log, "the process ends") || !strings.Contains(log, t.fs.now().err.Error()) {
		t.complain("the log does not say why the process ended")
	}
	for _, image := range t.death.images {
		t.judge("after the end of the process", image, t.death.worlds)
	}
	t.death.images = nil
}

// judge opens what is on a disk without fault and looks at it.
func (t *trial) judge(when string, disk *vfs.MemFS, worlds []world) {
	s, err := Open("store", &Options{FS: disk, Logger: quiet(), MinFree: -1, MapCache: 1 << 20, FoldExtents: -1})
	if err != nil {
		t.complain("%s: %v", when, err)
		return
	}
	s.files.janitor.drain()
	if err := oneOf(s, sweepNames, worlds); err != nil {
		t.complain("%s: %v", when, err)
	}
	for _, name := range t.after {
		if info, err := s.Stat(ctx, name); err != nil || info.Received.String() != "[10,20)" {
			t.complain("%s: the write after the fault is lost: %v (%v)", when, info, err)
		}
	}
	if err := s.check(ctx, true); err != nil {
		t.complain("%s: %v", when, err)
	}
	if _, err := patch(s, "/again", 0, 10, "0123456789"); err != nil {
		t.complain("%s: a write: %v", when, err)
	}
	if err := s.Close(); err != nil {
		t.complain("%s: close: %v", when, err)
	}
}

// reached are operations that a life has to reach for the sweep to be worth its name.
var reached = []opClass{
	{"data", "create"}, {"data", "open"}, {"data", "openrw"}, {"data", "write"}, {"data", "read"}, {"data", "sync"},
	{"data", "syncdir"}, {"data", "remove"}, {"data", "stat"}, {"data", "mkdir"}, {"data", "opendir"}, {"data", "list"},
	{"log", "create"}, {"log", "reuse"}, {"log", "write"}, {"log", "sync"}, {"log", "read"}, {"log", "remove"},
	{"map", "create"}, {"map", "write"}, {"map", "sync"}, {"map", "syncdir"}, {"map", "rename"}, {"map", "remove"},
	{"map", "read"}, {"map", "open"}, {"map", "list"}, {"map", "lock"}, {"root", "mkdir"}, {"root", "syncdir"},
}

// TestSweep fails one operation on the file system, of every kind that a life
// of a store reaches, in every way that such an operation can fail, once and
// for good. With -long it fails each of them, otherwise a few of each kind;
// -fault=TEXT picks those whose description contains TEXT.
func TestSweep(t *testing.T) {
	if list := os.Getenv(sweepEnv); list != "" {
		sweepPart(t, list)
		return
	}
	dry := newTrial(fault{}, 1)
	if err := dry.run(); err != nil {
		t.Fatalf("without a fault: %v\n%s", err, dry.log.String())
	}
	if len(dry.pending) > 0 || dry.steps < 16 || dry.log.String() != "" {
		t.Fatalf("without a fault: %d steps, not known is %v; log:\n%s", dry.steps, dry.pending, dry.log.String())
	}
	seen := dry.fs.seen()
	for _, c := range reached {
		if seen[c] == 0 {
			t.Errorf("the life has no %v", c)
		}
	}
	for _, n := range maps.Clone(seen) {
		seen[anyClass] += n
	}

	all := seeds(2)
	seed := all[len(all)-1]
	rng := rand.New(rand.NewPCG(seed, 2))
	var todo []fault
	for _, class := range slices.SortedFunc(maps.Keys(seen), func(a, b opClass) int { return strings.Compare(a.String(), b.String()) }) {
		faults := faultsOf(class)
		if !*longFlag && *sweepFlag == "" {
			rng.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
			faults = faults[:min(len(faults), 2)]
		}
		for _, f := range faults {
			todo = append(todo, choose(f, seen[class], rng)...)
		}
	}
	t.Logf("seed %d, %d faults", seed, len(todo))
	ends := tryParts(t, todo, seed)
	t.Logf("ends: %v", ends)
	if *sweepFlag == "" && ends["no fault"] > len(todo)/4 {
		t.Errorf("%d of %d faults did not happen", ends["no fault"], len(todo))
	}
	for _, end := range []string{"process ended", "read-only", "goes on", "not open"} {
		if *longFlag && *sweepFlag == "" && ends[end] == 0 {
			t.Errorf("no trial with the end %q", end)
		}
	}
}

// choose returns the faults like f that are tried, of a class with so many
// operations.
func choose(f fault, operations int, rng *rand.Rand) (some []fault) {
	onlyAlways := f.always
	if !*longFlag && *sweepFlag == "" {
		f.n = rng.IntN(operations)
		f.always = f.always || rng.IntN(2) == 0
		return []fault{f}
	}
	for f.n = range operations {
		for _, f.always = range []bool{false, true} {
			if (f.always || !onlyAlways) && strings.Contains(f.String()+".", *sweepFlag) {
				some = append(some, f)
			}
		}
	}
	return some
}

// sweepEnv is the list of the faults that a process of TestSweep tries.
const sweepEnv = "INFILL_TEST_SWEEP"

// sweepPartSize is how many faults one process tries: what a process that ends
// holds is never released where it only seems to end.
const sweepPartSize = 250

// tryParts tries faults, in other processes if they are many.
func tryParts(t *testing.T, todo []fault, seed uint64) map[string]int {
	if len(todo) <= sweepPartSize {
		return tryAll(t, todo, seed)
	}
	ends := make(map[string]int)
	for part := range slices.Chunk(todo, sweepPartSize) {
		var list strings.Builder
		for _, f := range part {
			fmt.Fprintln(&list, f.area, f.kind, f.way, f.n, f.always)
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestSweep$", "-test.v", "-seed", fmt.Sprint(seed))
		cmd.Env = append(os.Environ(), sweepEnv+"="+list.String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v, from %v on: %v\n%s", len(part), part[0], err, out)
		}
		for line := range strings.Lines(string(out)) {
			if end, n, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "end: "), " = "); ok {
				k, _ := strconv.Atoi(n)
				ends[end] += k
			}
		}
	}
	return ends
}

// sweepPart tries the faults of a list and prints how many trials had which end.
func sweepPart(t *testing.T, list string) {
	var todo []fault
	for line := range strings.Lines(list) {
		var c opClass
		var f fault
		if _, err := fmt.Sscan(line, &c.area, &c.kind, &f.way, &f.n, &f.always); err != nil {
			t.Fatal(err)
		}
		f.opClass = c
		same := faultsOf(c)[f.way]
		same.n, same.always = f.n, f.always
		todo = append(todo, same)
	}
	for end, n := range tryAll(t, todo, *seedFlag) {
		fmt.Printf("end: %s = %d\n", end, n)
	}
}

// tryAll tries faults and returns how many trials had which end.
func tryAll(t *testing.T, todo []fault, seed uint64) map[string]int {
	queue := make(chan fault)
	var mu sync.Mutex
	ends := make(map[string]int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range queue {
				tr := newTrial(f, seed)
				if err := tr.run(); err != nil {
					what, _ := tr.fs.wasHit()
					t.Errorf("seed %d, fault %v (%s): %v\nafter\n%s\nlog:\n%s",
						seed, f, what, err, strings.Join(tr.trace, "\n"), tr.log.String())
				}
				mu.Lock()
				ends[tr.end]++
				mu.Unlock()
			}
		})
	}
	for _, f := range todo {
		queue <- f
	}
	close(queue)
	wg.Wait()
	return ends
}
