package store

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

var (
	seedFlag = flag.Uint64("seed", 0, "replay the randomized tests with this seed")
	longFlag = flag.Bool("long", false, "run the randomized tests for long")
)

// seeds returns n seeds, or the one that is to be replayed. Half of them are
// always the same, so that what they draw is known to be enough.
func seeds(n int) []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	fixed := (n + 1) / 2
	if *longFlag {
		n *= 50
	}
	out := make([]uint64, n)
	for i := range out {
		if out[i] = uint64(i + 1); i >= fixed {
			out[i] = rand.Uint64()
		}
	}
	return out
}

// A machine runs commands on a store and on the model, and compares them.
type machine struct {
	sc    *script
	m     *model
	arms  []arm // for the next command
	tally *tally
	depth int  // crashes that went before
	dead  bool // the store has panicked and may hold its locks
}

// A tally is what all machines of a test did.
type tally struct {
	did     map[string]int
	crashes int
}

func newMachine(ty *tally) *machine {
	return &machine{sc: newScript(), m: newModel(ty.did), tally: ty}
}

func newTally() *tally { return &tally{did: make(map[string]int)} }

// do runs a command. It returns what should have come of it, and how the
// store differs from that, or that it panicked.
func (mc *machine) do(o op) (want string, err error) {
	defer func() {
		if v := recover(); v != nil {
			mc.dead = true
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if o.word() == "power" {
		mc.arms = append(mc.arms, arm{
			percent: int(o.number(0)), seed: uint64(o.number(1)), at: int(o.option("at", 0)), every: int(o.option("every", 0)),
		})
		return "ok", nil
	}
	var before *model
	arms := mc.arms
	if mc.arms = nil; len(arms) > 0 && mc.sc.crasher != nil {
		before = mc.m.clone()
		mc.sc.crasher.arm(arms...)
	}
	c := mc.sc.crasher
	out := mc.sc.run(o)
	var images []crashImage
	if before != nil {
		images = c.take()
		// What has returned is there, if nothing else is.
		images = append(images, arm{percent: arms[0].percent, seed: arms[0].seed}.image(c.mem, 0, "after it"))
	}
	if out.skipped {
		return "skipped", nil
	}
	if want, err = mc.m.expect(mc.sc.s, o, out); err != nil {
		return want, err
	}
	for i, image := range images {
		old := before
		if i == len(images)-1 {
			old = mc.m
		}
		if err := mc.judge(image, old, o.word() == "advance"); err != nil {
			return want, fmt.Errorf("%s: %w", image.label, err)
		}
	}
	return want, nil
}

// judge opens an image: it has to have what was there before the command or
// after it, or, if its names are on their own, some of either. All files have
// to be accounted for. Now and then it goes on with the image, and crashes
// again.
func (mc *machine) judge(image crashImage, before *model, apart bool) (err error) {
	mc.tally.crashes++
	rng := rand.New(rand.NewPCG(image.seed, 0))
	again := mc.depth < 2 && rng.IntN(6) == 0
	sc := newScript()
	sc.mem, sc.opts, sc.settled = image.mem, mc.sc.opts, true
	sc.opts.clock, sc.clock.t = sc.clock, mc.sc.clock.t
	sc.opts.IncompleteMaxAge = 0 // or what was in use would expire
	sc.cached = mc.sc.cached
	sc.mount()
	if again {
		sc.crasher.arm(arm{every: 1 + rng.IntN(20), percent: 10 * rng.IntN(11), seed: rng.Uint64()})
	}
	if err := sc.reopen(false); err != nil {
		return err
	}
	images := sc.crasher.take()
	defer func() { err = errors.Join(err, sc.end()) }()
	if err := sc.s.check(ctx, true); err != nil {
		return err
	}
	for _, name := range modelNames {
		if err := verdict(sc.s, name); err != nil {
			return err
		}
	}
	m, err := found(sc.s, before, mc.m, apart)
	if err == nil {
		err = image.tooEarly(before, m, mc.m)
	}
	if err := errors.Join(err, sc.s.check(ctx, true), accounted(sc.s)); err != nil {
		return err
	}
	if !again {
		return nil
	}
	next := &machine{sc: sc, m: m, tally: mc.tally, depth: mc.depth + 1}
	for _, image := range images {
		if err := next.judge(image, m, false); err != nil {
			return fmt.Errorf("%s, while opening it: %w", image.label, err)
		}
	}
	g := &generator{rng: rng, unit: 1, crashes: 2}
	for range 3 {
		for _, o := range g.next(m) {
			if _, err := next.do(o); err != nil {
				return fmt.Errorf("%s: %w", o, err)
			}
		}
	}
	_, err = next.do(newOp("reopen"))
	return err
}

// tooEarly says what requests saw before it was durable: an image that came
// with it does not have it.
func (image crashImage) tooEarly(before, found, after *model) error {
	for name, shown := range image.shown {
		b, f, a := before.vers[name], found.vers[name], after.vers[name]
		if shown == a && f == b && a != b || shown.ID == f.ID && shown.Revision > f.Revision {
			return fmt.Errorf("%s was shown as %v, and is %v", name, shown, f)
		}
	}
	return nil
}

// found returns the model of what a store has after a crash.
func found(s *Store, before, after *model, apart bool) (*model, error) {
	is := func(m *model, name string) error {
		v, err := compare(s, name, m.names[name])
		if err == nil && v != m.vers[name] {
			err = fmt.Errorf("%s is version %v, was %v", name, v, m.vers[name])
		}
		return err
	}
	all := func(m *model) (errs error) {
		for _, name := range modelNames {
			errs = errors.Join(errs, is(m, name))
		}
		return errs
	}
	m := after.clone()
	switch {
	case apart:
		for _, name := range modelNames {
			if is(m, name) == nil {
				continue
			}
			if err := is(before, name); err != nil {
				return nil, err
			}
			m.names[name], m.vers[name] = before.names[name].clone(), before.vers[name]
		}
	case all(m) == nil:
		if !maps.Equal(before.vers, after.vers) {
			m.did["crash after"]++
		}
	default:
		m = before.clone()
		m.did["crash before"]++
		if err := all(m); err != nil {
			return nil, fmt.Errorf("neither before: %w, nor after: %w", err, all(after))
		}
	}
	m.age = 0
	return m, nil
}

// end ends everything, and looks at it once more.
func (mc *machine) end() error {
	if mc.sc.s == nil {
		return nil
	}
	_, err := mc.do(newOp("reopen"))
	return errors.Join(err, mc.sc.end())
}

// A failure is a command that went wrong in a sequence.
type failure struct {
	ops []op // the last one is that which went wrong
	err error
}

// play runs a sequence on a new machine to its end, or to what goes wrong.
func play(ops []op) *failure {
	mc := newMachine(newTally())
	for i, o := range ops {
		if _, err := mc.do(o); err != nil {
			if !mc.dead {
				mc.sc.end() // what is wrong is known
			}
			return &failure{ops[:i+1], err}
		}
	}
	if err := mc.end(); err != nil {
		return &failure{append(ops[:len(ops):len(ops)], newOp("reopen")), err}
	}
	return nil
}

// fatal cuts a failing sequence down and writes it as a script to
// testdata/regress, where TestRegress runs it from then on.
func (f *failure) fatal(t *testing.T, seed uint64) {
	t.Helper()
	limit := 20 * time.Second
	if *longFlag {
		limit = 2 * time.Minute
	}
	short := shrink(f, time.Now().Add(limit))
	what, _, _ := strings.Cut(short.err.Error(), "\n")
	text := fmt.Sprintf("# %s -seed=%d\n# %s\n", strings.Split(t.Name(), "/")[0], seed, what)
	mc := newMachine(newTally())
	for _, o := range short.ops {
		want, _ := mc.do(o)
		text += fmt.Sprintf("%s\n----\n%s\n\n", o, want)
	}
	path := filepath.Join("testdata", "regress", fmt.Sprintf("seed-%d", seed))
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strings.TrimSuffix(text, "\n")), 0o644))
	t.Fatalf("command %d, %s: %v\ncut down to %d commands, kept as %s (%v):\n\n%s",
		len(f.ops), f.ops[len(f.ops)-1], f.err, len(short.ops), path, err, text)
}

// TestRegress runs what has failed once. The outcomes in the scripts are
// those of the model.
func TestRegress(t *testing.T) {
	datadriven.Walk(t, "testdata/regress", func(t *testing.T, path string) {
		mc := newMachine(newTally())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			want, err := mc.do(opOf(d))
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			return want
		})
		if err := mc.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// drawOps runs n commands of a generator on a machine.
func drawOps(t *testing.T, seed uint64, ty *tally, g *generator, n int) {
	t.Helper()
	mc := newMachine(ty)
	var ops []op
	do := func(o op) {
		ops = append(ops, o)
		if _, err := mc.do(o); err != nil {
			(&failure{ops, err}).fatal(t, seed)
		}
	}
	do(g.open())
	for len(ops) < n {
		for _, o := range g.next(mc.m) {
			do(o)
		}
	}
	if err := mc.end(); err != nil {
		(&failure{append(ops, newOp("reopen")), err}).fatal(t, seed)
	}
}

// TestModel runs random commands against the model.
func TestModel(t *testing.T) {
	ty := newTally()
	for _, seed := range seeds(12) {
		if t.Failed() {
			return
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			drawOps(t, seed, ty, &generator{rng: rng, unit: []int64{1, 1, 1, 700, 5000}[rng.IntN(5)]}, 500)
		})
	}
	if *seedFlag != 0 || t.Failed() {
		return
	}
	for _, what := range []string{
		"begin", "write <nil>", "write range conflicts with committed bytes", "write complete-length conflict", "write unexpected EOF",
		"write length limit exceeded", "write write is not adjacent to the committed bytes", "write resource was replaced while it was written",
		"commit <nil>", "commit resource was replaced while it was written", "commit range conflicts with committed bytes",
		"commit write is not adjacent to the committed bytes", "commit complete-length conflict", "commit too many separate ranges",
		"commit declared digest does not match the content", "commit metadata conflict",
		"length <nil>", "length length limit exceeded", "length complete-length conflict", "declare <nil>", "declare metadata conflict",
		"delete <nil>", "move over nothing <nil>", "move over another <nil>", "copy over nothing <nil>", "copy over another <nil>",
		"move over nothing resource is incomplete", "show", "expired", "renewed", "expiry put off",
	} {
		if ty.did[what] == 0 {
			t.Errorf("never drawn: %q of %v", what, maps.Clone(ty.did))
		}
	}
}
