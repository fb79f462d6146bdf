package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/infill-http/infill/ranges"
)

// A content is what a resource is known to be.
type content struct {
	length   int64 // -1: unknown
	data     []byte
	have     ranges.Set
	complete bool
}

func (c *content) String() string {
	if c == nil {
		return "absent"
	}
	return fmt.Sprintf("complete %v, length %d, received %v, bytes %.60x", c.complete, c.length, c.have, c.data)
}

func (c *content) equal(d *content) bool {
	if c == nil || d == nil {
		return c == d
	}
	return c.length == d.length && c.complete == d.complete && c.have.Equal(d.have) && bytes.Equal(c.data, d.data)
}

// A world is what every name has.
type world map[string]*content

func (w world) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w)) {
		fmt.Fprintf(&b, "\t%s: %v\n", name, w[name])
	}
	return b.String()
}

func (w world) equal(v world) bool { return maps.EqualFunc(w, v, (*content).equal) }

// An effect changes a world, whose contents it replaces and does not modify.
type effect func(w world)

// filled returns the effect of writing body at off of a name, with a
// complete-length or -1.
func filled(name string, off int64, body string, length int64) effect {
	return func(w world) {
		c := content{length: -1}
		if old := w[name]; old != nil {
			c = *old
		}
		end := off + int64(len(body))
		c.data = append(bytes.Clone(c.data), make([]byte, max(0, end-int64(len(c.data))))...)
		copy(c.data[off:], body)
		c.have = c.have.Union(ranges.NewSet(ranges.Range{Start: off, End: end}))
		if c.complete {
			c.length = max(c.length, end)
		} else if length >= 0 {
			c.length = length
		}
		c.complete = c.complete || c.length >= 0 && c.have.Covers(ranges.Range{End: c.length})
		w[name] = &c
	}
}

// cut returns the effect of setting the length of a name.
func cut(name string, n int64) effect {
	return func(w world) {
		c := *w[name]
		if c.complete {
			c.data = append(bytes.Clone(c.data), make([]byte, max(0, n-c.length))...)[:n]
			c.have = ranges.NewSet(ranges.Range{End: n})
		}
		c.length = n
		c.complete = c.have.Covers(ranges.Range{End: n})
		w[name] = &c
	}
}

// replaced returns the effect of a new resource on a name.
func replaced(name, body string) effect {
	return func(w world) {
		delete(w, name)
		filled(name, 0, body, int64(len(body)))(w)
	}
}

func removed(name string) effect { return func(w world) { delete(w, name) } }

func copied(from, to string) effect { return func(w world) { w[to] = w[from] } }

func both(effects ...effect) effect {
	return func(w world) {
		for _, f := range effects {
			f(w)
		}
	}
}

// An operation is one that was begun. Its first effect is that of its success;
// all of them, and none, are possible until it returns.
type operation struct {
	names   []string // that it may change
	effects []effect
}

// A ledger says what was acknowledged, and what may have happened besides.
type ledger struct {
	allowed func(err error) bool // is an error one that there may be now?

	mu      sync.Mutex
	sure    world
	pending []*operation // in flight, or failed without having had no effect
	dead    bool         // nothing is acknowledged any more
	trace   []string
	wrong   []string
}

func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(format, args...)
}

func (l *ledger) faultLocked(format string, args ...any) {
	if !l.dead {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

// do runs an operation on names. With one effect it has that if it succeeds,
// and none if it fails; with more, a failure may have left any of them.
func (l *ledger) do(what string, names []string, f func() error, effects ...effect) bool {
	op := &operation{names, effects}
	l.mu.Lock()
	l.pending = append(l.pending, op)
	l.mu.Unlock()
	err := f()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	if err != nil || len(effects) > 0 {
		l.trace = append(l.trace, fmt.Sprintf("%s %v: %v", what, names, err))
	}
	if err != nil && !l.allowed(err) {
		l.faultLocked("%s %v: unexpected error: %v", what, names, err)
	}
	if err == nil || len(effects) <= 1 {
		l.pending = slices.DeleteFunc(l.pending, func(o *operation) bool { return o == op })
	}
	if err == nil && len(effects) > 0 {
		effects[0](l.sure)
	}
	return err == nil
}

// known returns what a name has, and whether that is known.
func (l *ledger) known(name string) (*content, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, op := range l.pending {
		if slices.Contains(op.names, name) {
			return nil, false
		}
	}
	return l.sure[name], true
}

// whole reports whether a name is known to have a complete resource.
func (l *ledger) whole(name string) bool {
	c, ok := l.known(name)
	return ok && c != nil && c.complete
}

// kill ends all acknowledgements, and returns what there may be now.
func (l *ledger) kill() []world {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	return l.worldsLocked()
}

func (l *ledger) worlds() []world {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worldsLocked()
}

func (l *ledger) worldsLocked() []world {
	worlds := []world{maps.Clone(l.sure)}
	for _, op := range l.pending {
		for _, w := range slices.Clone(worlds) {
			for _, f := range op.effects {
				next := maps.Clone(w)
				f(next)
				worlds = append(worlds, next)
			}
		}
	}
	return worlds
}

// observe returns what a store shows, with every committed byte of it.
func observe(s *Store, names []string) (world, error) {
	w := make(world)
	for _, name := range names {
		c, err := observeName(s, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if c != nil {
			w[name] = c
		}
	}
	return w, nil
}

func observeName(s *Store, name string) (*content, error) {
	sl, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.release(sl)
	if info := describe(sl.pub.Load()); info != nil && info.Unverified && s.writable() == nil {
		<-s.verifyLater(sl).done
	}
	st := s.pinned(sl)
	if st == nil {
		return nil, nil
	}
	defer s.files.unpin(st)
	c := &content{length: st.length, complete: st.complete, have: st.info.Received}
	c.data = make([]byte, st.covered.Bounds().End)
	for r, p := range st.extents.All() {
		if err := s.readPlace(p, c.data[r.Start:r.End]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// oneOf compares what a store shows with what there may be.
func oneOf(s *Store, names []string, worlds []world) error {
	got, err := observe(s, names)
	if err != nil {
		return err
	}
	for _, w := range worlds {
		if got.equal(w) {
			return nil
		}
	}
	var b strings.Builder
	for _, w := range worlds {
		fmt.Fprintf(&b, "or\n%v", w)
	}
	return errors.New("it is\n" + got.String() + "and may be\n" + strings.TrimPrefix(b.String(), "or\n"))
}
