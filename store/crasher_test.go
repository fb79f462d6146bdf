package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A crasher takes images of a file system as a loss of power would leave it,
// just before operations that write.
type crasher struct {
	mem  *vfs.MemFS
	live atomic.Pointer[Store] // whose states images come with

	mu     sync.Mutex
	arms   []arm
	ops    int // since the crasher was armed
	images []crashImage
}

// An arm says which images are taken: before one operation, or before each
// every-th one. With each sector and directory entry that was not synced a
// coin is flipped.
type arm struct {
	at, every int // 0: none
	percent   int // of what was not synced is kept
	seed      uint64
}

// A crashImage is what a loss of power leaves.
type crashImage struct {
	mem   *vfs.MemFS
	label string
	seed  uint64 // for what is done with the image
	// shown are the versions that requests saw just before; zero: absent.
	shown map[string]Version
}

// crashable returns the file system wrapped so that images of it can be taken.
func crashable(mem *vfs.MemFS) (vfs.FS, *crasher) {
	c := &crasher{mem: mem}
	return errorfs.Wrap(mem, c), c
}

// arm has images taken from now on, until take.
func (c *crasher) arm(arms ...arm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arms, c.ops = arms, 0
}

// take ends the taking of images, and returns them.
func (c *crasher) take() []crashImage {
	c.mu.Lock()
	defer c.mu.Unlock()
	images := c.images
	c.arms, c.images = nil, nil
	return images
}

func (c *crasher) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.arms == nil {
		return nil
	}
	c.ops++
	for _, a := range c.arms {
		if c.ops == a.at || a.every > 0 && c.ops%a.every == 0 {
			shown := c.shown()
			image := a.image(c.mem, uint64(c.ops), fmt.Sprintf("before write %d, %s %d", c.ops, op.Path, op.Kind))
			image.shown = shown
			c.images = append(c.images, image)
		}
	}
	return nil
}

func (c *crasher) String() string { return "crasher" }

// shown returns what requests see of the names that are loaded.
func (c *crasher) shown() map[string]Version {
	s := c.live.Load()
	if s == nil {
		return nil
	}
	out := make(map[string]Version)
	for _, name := range modelNames {
		sl := s.inUse(name)
		if sl == nil {
			continue
		}
		out[name] = Version{}
		if st := sl.pub.Load(); st != nil {
			out[name] = st.version()
		}
	}
	return out
}

// image crashes a file system now.
func (a arm) image(mem *vfs.MemFS, n uint64, when string) crashImage {
	rng := rand.New(rand.NewPCG(a.seed, n))
	return crashImage{
		mem:   mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: a.percent, RNG: rng}),
		label: fmt.Sprintf("crash %s, %d%% kept", when, a.percent),
		seed:  rng.Uint64(),
	}
}
