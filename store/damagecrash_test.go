package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// TestDamageCrash damages bytes at random while resources are filled,
// overwritten, moved and copied, and the mender is at work, with crashes and
// restarts in between. Afterwards the map is sound, and when the scrub has
// read everything, who reads without checksums gets no wrong byte either.
// No more is lost than the blocks that were damaged.
func TestDamageCrash(t *testing.T) {
	for _, seed := range seeds(6) {
		if t.Run(fmt.Sprint(seed), func(t *testing.T) { damageCrash(t, seed) }); t.Failed() {
			t.Fatalf("replay with -seed=%d", seed)
		}
	}
}

// A damager runs one sequence. All resources have the bytes of body, so that
// what was read is known to be right whoever wrote it.
type damager struct {
	t    *testing.T
	rng  *rand.Rand
	s    *Store
	body string
	hurt map[fileID]ranges.Set // blocks that were damaged
}

var damagerNames = []string{"/complete", "/incomplete", "/unknown", "/copy", "/moved"}

func damageCrash(t *testing.T, seed uint64) {
	const steps = 120
	mem := vfs.NewCrashableMem()
	fs, crasher := crashable(mem)
	d := &damager{t: t, rng: rand.New(rand.NewPCG(seed, 0)), body: pattern(5 * crcBlock), hurt: make(map[fileID]ranges.Set)}
	open := func(fs vfs.FS) *Store { return openMem(t, fs, Options{BufferSize: 8 << 10, FoldExtents: 8}) }
	d.s = open(fs)
	crasher.arm(arm{every: 97, percent: 0, seed: seed}, arm{every: 101, percent: 50, seed: seed})
	for range steps {
		d.step(fs)
		if d.rng.IntN(20) == 0 {
			d.bounded()
			closeStore(t, d.s)
			d.s = open(fs)
			d.sound("after a restart")
		}
	}
	d.bounded()
	scrubNow(t, d.s)
	d.bounded()
	d.sound("in the end")
	d.right("in the end")
	closeStore(t, d.s)
	for _, image := range crasher.take() {
		d.s = open(image.mem)
		d.sound(image.label)
		scrubNow(t, d.s)
		d.sound(image.label + ", scrubbed")
		d.right(image.label)
		closeStore(t, d.s)
	}
}

// step does something. Errors of damage are none: they are what is to come.
func (d *damager) step(fs vfs.FS) {
	size := int64(len(d.body))
	off := d.rng.Int64N(size)
	r := ranges.Range{Start: off, End: off + 1 + d.rng.Int64N(min(size-off, 2*crcBlock))}
	var err error
	switch d.rng.IntN(10) {
	case 0:
		err = d.write("/complete", ranges.Range{End: size}, -1, true)
	case 1:
		err = d.write("/complete", r, -1, false)
	case 2, 3:
		err = d.write("/incomplete", r, size+1, false)
	case 4:
		info, serr := d.s.Stat(ctx, "/unknown")
		if serr == nil {
			r = ranges.Range{Start: info.Offset, End: min(size, info.Offset+r.Len())}
		} else {
			r = ranges.Range{End: r.Len()}
		}
		err = d.write("/unknown", r, -1, false)
	case 5:
		_, err = d.s.Copy(ctx, "/complete", "/copy", nil, nil)
	case 6:
		_, err = d.s.Move(ctx, "/copy", "/moved", nil, nil)
	case 7, 8:
		d.damage(fs)
	case 9:
		scrubNow(d.t, d.s)
	}
	for _, allowed := range []error{ErrDamaged, ErrNotFound, ErrNotAdjacent, ErrReplaced} {
		if errors.Is(err, allowed) {
			return
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *damager) write(name string, r ranges.Range, length int64, create bool) error {
	if create {
		put(d.t, d.s, name, d.body)
		return nil
	}
	_, err := patch(d.s, name, r.Start, length, d.body[r.Start:r.End])
	if errors.Is(err, ErrRangeConflict) {
		return fmt.Errorf("write %v of %s: %v", r, name, err)
	}
	return err
}

// damage flips a bit that some resource names.
func (d *damager) damage(fs vfs.FS) {
	name := damagerNames[d.rng.IntN(len(damagerNames))]
	sn, err := d.s.Snapshot(ctx, name)
	if err != nil {
		return
	}
	defer sn.Close()
	n := sn.st.extents.Len()
	if n == 0 {
		return
	}
	n = d.rng.IntN(n)
	for r, p := range sn.st.extents.All() {
		if n--; n >= 0 {
			continue
		}
		at := p.off + d.rng.Int64N(r.Len())
		flip(d.t, fs, d.s.files.path(p.file), at)
		block := at / crcBlock * crcBlock
		set := d.hurt[p.file]
		set.Add(ranges.Range{Start: block, End: block + crcBlock})
		d.hurt[p.file] = set
		break
	}
}

// bounded expects that only what was damaged is taken for damaged.
func (d *damager) bounded() {
	d.t.Helper()
	d.s.damage.settle()
	for file := range d.s.damage.bad {
		bad := d.s.damage.in(file)
		if extra := bad.Subtract(d.hurt[file]); !extra.Empty() {
			d.t.Fatalf("%v of file %d was not damaged", extra, file)
		}
	}
}

// sound expects a map without faults but holes in complete resources.
func (d *damager) sound(when string) {
	d.t.Helper()
	report, err := d.s.Check(ctx, CheckOptions{})
	if err != nil {
		d.t.Fatal(when, err)
	}
	for _, f := range report.Faults {
		if f.Kind != FaultDamaged {
			d.t.Fatalf("%s: %v", when, f)
		}
	}
}

// right compares all that is there, read without checksums.
func (d *damager) right(when string) {
	d.t.Helper()
	for _, name := range damagerNames {
		sn, err := d.s.Snapshot(ctx, name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			d.t.Fatal(when, err)
		}
		for r, p := range sn.st.extents.All() {
			b := make([]byte, r.Len())
			if err := (plainReader{sn.s}).read(p, b); err != nil {
				d.t.Fatalf("%s: %v of %s: %v", when, r, name, err)
			}
			if string(b) != d.body[r.Start:r.End] {
				d.t.Fatalf("%s: %v of %s: wrong bytes", when, r, name)
			}
		}
		sn.Close()
	}
}
