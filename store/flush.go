package store

import (
	"time"

	"github.com/infill-http/infill/ranges"
)

// flush commits what is staged: sync the bytes, then one ticket in the queue
// of the name. Unless it is the last flush, more may follow.
func (tx *Tx) flush(last bool) (Result, error) {
	tx.commit.Lock()
	defer tx.commit.Unlock()
	c, files, err := tx.take(last)
	if err != nil {
		return Result{}, err
	}
	if err := tx.flushTaken(&c, files); err != nil {
		tx.mu.Lock()
		tx.failed = err
		tx.mu.Unlock()
		return Result{}, err
	}
	return tx.result, nil
}

func (tx *Tx) flushTaken(c *change, files []*stagedFile) error {
	for _, f := range files {
		defer f.forget()
		if err := tx.s.files.syncOwn(f.df, f.own, f.off, f.end-f.off); err != nil {
			return err
		}
	}
	c.now = tx.s.now()
	c.maxRanges = tx.s.opts.MaxRanges
	c.equal, c.verify = tx.s.equal, tx.s.verifyPlace
	var res Result
	err := tx.s.commit(tx.sl, &ticket{eval: func(cur *state, b *batch) (next *state, err error) {
		next, res, err = tx.eval(c, files, cur, b)
		return next, err
	}})
	if err != nil {
		return err
	}
	res.Created = res.Created || tx.result.Created
	res.Changed = res.Changed || tx.result.Changed
	res.Completed = res.Completed || tx.result.Completed
	tx.own, tx.result = res.Info, res
	if !res.Info.Complete && len(res.Info.Declared) > 0 {
		tx.s.verifyLater(tx.sl)
	}
	return nil
}

// take removes from the transaction what a flush commits. Lengths and
// metadata stay: to say them again changes nothing. The length that an
// overwrite sets, or is to arrive at, is a matter of its last flush.
func (tx *Tx) take(last bool) (change, []*stagedFile, error) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.failed != nil {
		return change{}, nil, tx.failed
	}
	if tx.done {
		return change{}, nil, ErrClosed
	}
	c := tx.change
	c.partial = !last
	if c.partial && !c.fill {
		c.setLength = -1
	}
	tx.change.staged, tx.change.written = ranges.Map[place]{}, ranges.Set{}
	tx.pending = 0
	var files []*stagedFile
	for _, f := range tx.files {
		if f.dirty {
			files = append(files, &stagedFile{df: f.df, sums: f.sums, offs: f.offs, own: f.own, off: f.off, end: f.end})
			f.sums, f.offs, f.dirty, f.off, f.end = nil, nil, false, 0, 0
		}
	}
	return c, files, nil
}

// eval is the commit of one flush, in the queue of the name.
func (tx *Tx) eval(c *change, files []*stagedFile, cur *state, b *batch) (*state, Result, error) {
	if tx.opts.Cond != nil {
		if err := tx.opts.Cond(describe(cur), tx.own); err != nil {
			return nil, Result{}, err
		}
	}
	st, err := tx.target(c, cur)
	if err != nil {
		return nil, Result{}, err
	}
	if err := tx.s.damage.sparedMap(c.staged); err != nil {
		return nil, Result{}, err
	}
	next, touched, err := c.apply(st)
	if err != nil {
		return nil, Result{}, err
	}
	if st.complete && !c.partial && len(c.declared) > 0 {
		if err := tx.s.verifyNow(next, c.declared); err != nil {
			return nil, Result{}, err
		}
	}
	if next == st {
		return cur, Result{Info: cur.info}, nil
	}
	tx.awaits = tx.awaits || next.unverified() && !st.unverified()
	if cur != nil && cur.id != next.id {
		next.base = cur.version() // it takes the place of another
	}
	tx.keepHome(c, next)
	next.seal()
	for r := range touched.All() {
		b.touched.Add(r)
	}
	for _, f := range files {
		b.add(f)
	}
	b.space = tx.sp
	tx.sp.mu.Lock()
	tx.sp.born = true
	tx.sp.mu.Unlock()
	return next, Result{
		Info:      next.info,
		Created:   cur == nil,
		Changed:   true,
		Completed: next.complete && !st.complete,
	}, nil
}

// target is the state that the change is for: cur, or that of a resource
// which this commit creates.
func (tx *Tx) target(c *change, cur *state) (*state, error) {
	if tx.sp.wasLost() {
		return nil, ErrReplaced
	}
	if cur != nil && cur.id == tx.sp.id {
		return cur, nil
	}
	if tx.sp.wasBorn() || cur != nil && !tx.opts.Create {
		return nil, ErrReplaced
	}
	st := newState(tx.sp.id, tx.sl.name, c.now, tx.s.opts.IncompleteMaxAge)
	if cur != nil && cur.modified.After(c.now) {
		st.modified = cur.modified
	}
	return st, nil
}

// keepHome records the home file, while extents name it, and how far its
// bytes are committed.
func (tx *Tx) keepHome(c *change, next *state) {
	id := tx.sp.homeID()
	if next.home != id {
		next.home, next.homeHigh = id, 0
	}
	for r, p := range c.staged.All() {
		if p.kind == placeFile && p.file == id {
			next.homeHigh = max(next.homeHigh, p.off+r.Len())
		}
	}
	if next.files[next.home] == 0 {
		next.home, next.homeHigh = 0, 0
	}
}

// earlySums is how many checksums a transaction may hold. A file of its own
// is nobody's business until the commit that names it, so more of them go to
// the map ahead of that.
const earlySums = 4096

// staged follows every staged piece of a write. For a transaction that
// persists it starts a flush in the background if enough is waiting, and
// holds the writer back while twice as much is.
func (tx *Tx) staged() error {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if !tx.opts.Persist {
		if tx.opts.Create {
			return tx.shedSumsLocked()
		}
		return nil
	}
	limit := tx.s.opts.PersistBytes
	for tx.flushing && tx.pending >= 2*limit {
		tx.flushed.Wait()
	}
	if tx.pending >= limit {
		tx.startFlushLocked()
	} else if tx.pending > 0 && tx.timer == nil && tx.failed == nil {
		tx.timer = time.AfterFunc(tx.s.opts.PersistInterval, func() {
			tx.mu.Lock()
			defer tx.mu.Unlock()
			tx.timer = nil
			if tx.pending > 0 {
				tx.startFlushLocked()
			}
		})
	}
	return tx.failed
}

// shedSumsLocked writes checksums to the map ahead of the commit, all but the
// last, which may still grow.
func (tx *Tx) shedSumsLocked() error {
	for id, f := range tx.files {
		n := len(f.sums) - 1
		if n < earlySums {
			continue
		}
		if err := tx.s.addSums(id, f.sums[:n]); err != nil {
			return err
		}
		f.sums = append(crcPieces(nil), f.sums[n])
	}
	return nil
}

func (tx *Tx) startFlushLocked() {
	if tx.flushing || tx.done || tx.failed != nil {
		return
	}
	tx.flushing = true
	go func() {
		tx.flush(false) // its error stays in tx.failed
		tx.mu.Lock()
		defer tx.mu.Unlock()
		tx.flushing = false
		tx.flushed.Broadcast()
	}()
}

func (tx *Tx) stopTimer() {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.timer != nil {
		tx.timer.Stop()
		tx.timer = nil
	}
}
