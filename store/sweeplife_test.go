package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/infill-http/infill/ranges"
)

// sweepNames are the names that a life uses.
var sweepNames = []string{"/a", "/b", "/c", "/d", "/e", "/p", "/r", "/v", "/w", "/z"}

// text returns n bytes that differ from those of other tags.
func text(tag byte, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = tag + byte(i*7+i>>8)%26
	}
	return string(b)
}

// A piece is bytes that are written at an offset.
type piece struct {
	off  int64
	body string
}

// A life is one store from its making to its end, in which everything that a
// store does is done at least once. It waits for what is done in the
// background, so that two lives do the same in the same order as far as may be.
type life struct {
	ledger
	fs    *faultFS
	clock *fakeClock
	opts  Options
	dead  chan struct{} // closed when the process would have ended
	s     *Store        // nil: it could not be opened
	ended bool          // the store was read-only when the life closed it
	steps int           // that were taken
}

func (l *life) open() bool {
	return l.do("open", nil, func() error {
		s, err := Open("store", &l.opts)
		l.s = s
		return err
	})
}

// live is the life.
func (l *life) live() {
	if !l.open() {
		return
	}
	for _, step := range []func(){
		l.create, l.fill, l.fillTogether, l.flushMap, l.persist, l.overwrite, l.patchAtomically,
		l.rollback, l.lengths, l.flushMap, l.verify, l.relocate, l.expire, l.list, l.flushMap,
	} {
		step()
		l.settle()
		l.readAll()
		l.steps++
	}
	if !l.close() || !l.open() {
		return
	}
	l.readAll()
	for i := range 3 {
		if l.whole("/a") {
			l.patch("/a", -1, piece{int64(100 * i), text('r', 50)})
		}
	}
	l.put("/z", text('z', 3000))
	l.flushMap()
	l.remove("/d")
	l.settle()
	l.list()
	l.readAll()
	l.steps++
}

// close closes the store, which has to succeed if nothing failed.
func (l *life) close() bool {
	s := l.s
	l.s = nil
	l.ended = errors.Is(s.Writable(), ErrReadOnly)
	return l.do("close", nil, s.Close)
}

// settle waits for the janitor and the folder.
func (l *life) settle() {
	l.s.files.janitor.drain()
	f := &l.s.folder
	for {
		f.mu.Lock()
		idle, ran := len(f.todo) == 0 && !f.busy, f.ran
		f.mu.Unlock()
		if idle {
			break
		}
		<-ran
	}
	l.s.files.janitor.drain()
}

func (l *life) put(name, body string) bool {
	return l.do("put", []string{name}, func() error {
		tx, err := l.s.Begin(ctx, name, TxOptions{Create: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.WriteFrom(strings.NewReader(body), 0, -1, -1); err != nil {
			return err
		}
		if err := tx.SetLength(int64(len(body))); err != nil {
			return err
		}
		_, err = tx.Commit(ctx)
		return err
	}, replaced(name, body))
}

func (l *life) patch(name string, length int64, pieces ...piece) bool {
	var effects []effect
	for _, p := range pieces {
		effects = append(effects, filled(name, p.off, p.body, length))
	}
	return l.do("patch", []string{name}, func() error {
		tx, err := l.s.Begin(ctx, name, TxOptions{})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, p := range pieces {
			if _, err := tx.WriteFrom(strings.NewReader(p.body), p.off, int64(len(p.body)), length); err != nil {
				return err
			}
		}
		_, err = tx.Commit(ctx)
		return err
	}, both(effects...))
}

func (l *life) remove(name string) {
	if c, ok := l.known(name); ok && c != nil {
		l.do("delete", []string{name}, func() error { return l.s.Delete(ctx, name, nil) }, removed(name))
	}
}

// create makes resources with whole bodies.
func (l *life) create() {
	l.put("/a", text('a', 6000))
	l.put("/r", text('r', 2000))
	l.put("/r", text('R', 2500))
	l.remove("/r")
}

// fill fills holes in place and out of order.
func (l *life) fill() {
	body := text('b', 12000)
	for _, off := range []int64{4000, 0, 8000} {
		l.patch("/b", 12000, piece{off, body[off : off+4000]})
	}
}

// fillTogether fills with two transactions that want the same hole, then with
// several at once.
func (l *life) fillTogether() {
	body := text('c', 9000)
	l.do("two fills", []string{"/c"}, func() error {
		var txs []*Tx
		for range 2 {
			tx, err := l.s.Begin(ctx, "/c", TxOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := tx.WriteFrom(strings.NewReader(body[:1000]), 0, 1000, 9000); err != nil {
				return err
			}
			txs = append(txs, tx)
		}
		for _, tx := range txs {
			if _, err := tx.Commit(ctx); err != nil {
				return err
			}
		}
		return nil
	}, filled("/c", 0, body[:1000], 9000), filled("/c", 0, body[:1000], 9000))
	if _, ok := l.known("/c"); !ok {
		return
	}
	var wg sync.WaitGroup
	for off := int64(1000); off < 9000; off += 2000 {
		wg.Go(func() { l.patch("/c", 9000, piece{off, body[off : off+2000]}) })
	}
	wg.Wait()
}

// persist commits while it writes: when told to, and by itself.
func (l *life) persist() {
	body := text('p', 10000)
	l.do("persist", []string{"/p"}, func() error {
		tx, err := l.s.Begin(ctx, "/p", TxOptions{Persist: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for off := int64(0); off < 10000; off += 5000 {
			if _, err := tx.WriteFrom(strings.NewReader(body[off:off+5000]), off, 5000, -1); err != nil {
				return err
			}
			if off == 0 {
				if _, err := tx.Persist(ctx); err != nil {
					return err
				}
			}
		}
		_, err = tx.Commit(ctx)
		return err
	}, filled("/p", 0, body, -1), filled("/p", 0, body[:5000], -1))

	whole := text('w', 12000)
	var effects []effect
	for n := 12000; n >= 0; n -= 4000 { // by PersistBytes
		effects = append(effects, filled("/w", 0, whole[:n], 12000))
	}
	l.do("persist by itself", []string{"/w"}, func() error {
		tx, err := l.s.Begin(ctx, "/w", TxOptions{Persist: true})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for off := 0; off < 12000; off += 4000 {
			if _, err := tx.WriteFrom(strings.NewReader(whole[off:off+4000]), int64(off), 4000, 12000); err != nil {
				return err
			}
		}
		_, err = tx.Commit(ctx)
		return err
	}, effects...)
}

// overwrite overwrites committed bytes until the resource is folded.
func (l *life) overwrite() {
	for i := range 4 {
		if !l.whole("/a") {
			return
		}
		l.patch("/a", -1, piece{int64(1 + 1000*i), text(byte('0'+i), 300)})
	}
}

// patchAtomically overwrites two ranges with one transaction.
func (l *life) patchAtomically() {
	if l.whole("/b") {
		l.patch("/b", -1, piece{100, text('x', 500)}, piece{7000, text('y', 6000)})
	}
}

// rollback begins what never becomes visible.
func (l *life) rollback() {
	for _, o := range []TxOptions{{}, {Create: true}} {
		l.do("rollback", nil, func() error {
			for _, name := range []string{"/r", "/b"} {
				if c, ok := l.known(name); ok && c != nil && !c.complete && !o.Create {
					continue
				}
				tx, err := l.s.Begin(ctx, name, o)
				if err != nil {
					return err
				}
				_, err = tx.WriteFrom(strings.NewReader(text('!', 900)), 0, 900, -1)
				tx.Rollback()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// lengths sets the length of an incomplete resource, which makes it complete,
// and cuts and extends complete ones.
func (l *life) lengths() {
	for _, c := range []struct {
		name string
		n    int64
	}{{"/p", 10000}, {"/p", 7000}, {"/p", 8000}, {"/b", 5000}} {
		if have, ok := l.known(c.name); !ok || have == nil || !have.complete && have.length >= 0 {
			continue
		}
		l.do("set length", []string{c.name}, func() error {
			tx, err := l.s.Begin(ctx, c.name, TxOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := tx.SetLength(c.n); err != nil {
				return err
			}
			_, err = tx.Commit(ctx)
			return err
		}, cut(c.name, c.n))
	}
}

// verify fills a resource whose digest was declared.
func (l *life) verify() {
	body := text('v', 5000)
	sum := sha256.Sum256([]byte(body))
	part := func(name string, from, to int64, effects ...effect) {
		l.do("fill with digest", []string{name}, func() error {
			tx, err := l.s.Begin(ctx, name, TxOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := tx.Declare(SHA256, sum[:]); err != nil {
				return err
			}
			if _, err := tx.WriteFrom(strings.NewReader(body[from:to]), from, to-from, 5000); err != nil {
				return err
			}
			_, err = tx.Commit(ctx)
			return err
		}, effects...)
	}
	part("/v", 2000, 5000, filled("/v", 2000, body[2000:], 5000))
	if c, ok := l.known("/v"); ok && c != nil {
		done := filled("/v", 0, body[:2000], 5000)
		part("/v", 0, 2000, done, func(w world) { // without a verdict
			done(w)
			c := *w["/v"]
			c.complete = false
			w["/v"] = &c
		})
	}
}

// relocate copies and moves, over what is there, and changes a copy.
func (l *life) relocate() {
	if l.whole("/a") {
		l.do("copy", []string{"/a", "/d"}, func() error {
			_, err := l.s.Copy(ctx, "/a", "/d", nil, nil)
			return err
		}, copied("/a", "/d"))
	}
	if l.whole("/d") {
		l.patch("/d", -1, piece{2000, text('D', 700)})
	}
	if l.whole("/b") {
		l.do("move", []string{"/b", "/d"}, func() error {
			_, err := l.s.Move(ctx, "/b", "/d", nil, nil)
			return err
		}, both(copied("/b", "/d"), removed("/b")))
	}
	l.remove("/c")
}

// expire lets an incomplete resource expire.
func (l *life) expire() {
	l.patch("/e", 3000, piece{1000, text('e', 1000)})
	l.clock.mu.Lock()
	l.clock.t = l.clock.t.Add(l.opts.IncompleteMaxAge + time.Second)
	l.clock.mu.Unlock()
	var all []string
	gone := func(w world) {
		for _, name := range all {
			delete(w, name)
		}
	}
	for _, name := range sweepNames {
		if c, ok := l.known(name); !ok || c != nil && !c.complete {
			all = append(all, name)
		}
	}
	var effects []effect
	effects = append(effects, gone)
	for i := range 1 << len(all) { // a failure leaves some
		effects = append(effects, func(w world) {
			for j, name := range all {
				if i>>j&1 == 1 {
					delete(w, name)
				}
			}
		})
	}
	l.do("expire", all, func() error {
		if _, err := l.s.expireAll(); err != nil {
			return err
		}
		for _, name := range all {
			if _, err := l.s.Stat(ctx, name); !errors.Is(err, ErrNotFound) {
				return errors.Join(l.fs.now().err, fmt.Errorf("%s is still there: %w", name, err))
			}
		}
		return nil
	}, effects...)
}

// list lists everything and compares it.
func (l *life) list() {
	l.do("list", nil, func() error {
		shown := make(map[string]bool)
		for e, err := range l.s.List(ctx, "/", "") {
			if err != nil {
				return err
			}
			shown[e.Name] = true
		}
		for _, name := range sweepNames {
			if c, ok := l.known(name); ok && (c != nil) != shown[name] {
				l.ledger.fault("the list has %s: %v, the resource is %v", name, shown[name], c)
			}
		}
		return nil
	})
}

// flushMap has pebble write its tables and begin another log. It waits for
// that unless something failed.
func (l *life) flushMap() {
	if l.s.Writable() != nil {
		return // it would wait for tables that are not written
	}
	l.do("flush", nil, func() error {
		done, err := l.s.db.AsyncFlush()
		if err != nil {
			return err
		}
		select {
		case <-done:
		case <-l.fs.hit:
		}
		return nil
	})
}

// readAll reads all that is known.
func (l *life) readAll() {
	for _, name := range sweepNames {
		want, ok := l.known(name)
		if !ok {
			continue
		}
		l.do("read", []string{name}, func() error { return l.read(name, want) })
	}
}

func (l *life) read(name string, want *content) error {
	sn, err := l.s.Snapshot(ctx, name)
	if want == nil && errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			l.ledger.fault("%s is gone, and was %v", name, want)
		}
		return err
	}
	defer sn.Close()
	if want == nil {
		l.ledger.fault("%s is there", name)
		return nil
	}
	info := sn.Info()
	if info.Complete != want.complete || info.Length != want.length || !info.Received.Equal(want.have) {
		l.ledger.fault("%s is %+v, was %v", name, *info, want)
	}
	var b bytes.Buffer
	if _, err := sn.WriteRange(&b, ranges.Range{End: info.Size()}); err != nil {
		return err
	}
	if !bytes.Equal(b.Bytes(), want.data[:info.Size()]) {
		l.ledger.fault("%s reads %.60q, was %v", name, b.String(), want)
	}
	return nil
}
