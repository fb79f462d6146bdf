package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/ranges"
)

// A Cond is a precondition of a transaction. It gets the state that a commit
// would change (nil: absent) and what the transaction itself last committed
// (nil: nothing yet), and is evaluated when the transaction begins and again
// at each commit. Its error ends the commit and is returned as it is.
type Cond func(cur, own *Info) error

// TxOptions say what a transaction is.
type TxOptions struct {
	// Cond is the precondition. Nil: none.
	Cond Cond
	// Create makes a new resource that takes the name at its first commit,
	// whatever has the name then. Otherwise the transaction changes the
	// resource that has the name, or joins those that began while the name
	// was absent: one resource comes of them all.
	Create bool
	// Persist commits while the transaction is written, as often as
	// Options.PersistBytes and Options.PersistInterval say.
	Persist bool
	// Replace lets bytes written to an incomplete resource replace committed
	// ones that differ; without it they are ErrRangeConflict.
	Replace bool
	// Sequential says that there is one write, so that one that cannot be
	// adjacent, or makes another length than came with it, is refused before
	// its bytes are read. With Persist, a write that is not adjacent to those
	// before it is refused so in any case.
	Sequential bool
}

// A Result is what a commit did.
type Result struct {
	Info *Info
	// Created: the name had no resource, and this transaction gave it one.
	Created bool
	// Changed: the commits of this transaction changed what can be observed.
	Changed bool
	// Completed: the commits of this transaction made the resource complete.
	// Of all transactions on a resource exactly one has it.
	Completed bool
}

// A Tx stages writes to one resource and commits them together. Bytes are
// streamed to their places as they are written and are neither visible nor
// durable before Commit or Persist returns. Its methods are for one goroutine.
// Every transaction must end with Commit or Rollback.
type Tx struct {
	s    *Store
	sl   *slot
	sp   *space
	opts TxOptions
	base *state // published at Begin, its files pinned; nil: absent

	commit sync.Mutex // held through a flush; guards own, result, awaits
	own    *Info
	result Result
	awaits bool // a commit of this transaction covered a resource that waits for its verdict

	mu       sync.Mutex // guards what follows; lock order: commit, mu
	change   change     // staged since the last flush; its lengths stay
	files    map[fileID]*stagedFile
	reserved ranges.Set
	pending  int64 // bytes staged since the last flush
	flushing bool
	flushed  sync.Cond
	timer    *time.Timer
	failed   error
	done     bool
}

// A stagedFile is a data file with bytes that the next flush has to sync.
type stagedFile struct {
	df       *dataFile
	sums     crcPieces // of bytes in a data file
	offs     []int64   // of pieces of an inline file
	dirty    bool
	off, end int64    // between them are all those bytes of a data file, if it is dirty
	own      vfs.File // for a sync of those bytes alone; nil: none
}

// Begin starts a transaction on a name and evaluates its precondition.
func (s *Store) Begin(ctx context.Context, name string, o TxOptions) (*Tx, error) {
	if err := s.Writable(); err != nil {
		return nil, err
	}
	sl, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	tx := &Tx{s: s, sl: sl, opts: o, files: make(map[fileID]*stagedFile)}
	tx.change = change{expect: -1, setLength: -1, replace: o.Replace}
	tx.flushed.L = &tx.mu

	sl.mu.Lock()
	tx.base = s.pinned(sl)
	if o.Create {
		tx.sp = newSpace(&s.files, newID())
		tx.sp.private = true
		tx.sp.join()
	} else {
		tx.sp = s.spaceFor(sl, tx.base)
	}
	sl.mu.Unlock()

	tx.change.fill = o.Create || tx.base == nil || !tx.base.complete
	if !tx.change.fill {
		tx.change.since = tx.base.extents
	}
	if o.Cond != nil {
		if err := o.Cond(tx.Info(), nil); err != nil {
			tx.Rollback()
			return nil, err
		}
	}
	return tx, nil
}

// Info is the state that the transaction began on; nil: the name was absent.
func (tx *Tx) Info() *Info { return describe(tx.base) }

// current is the state that the transaction's own bytes would be added to.
func (tx *Tx) current() *state {
	if st := tx.sl.pub.Load(); st != nil && st.id == tx.sp.id {
		return st
	}
	if tx.base != nil && tx.base.id == tx.sp.id {
		return tx.base
	}
	return newState(tx.sp.id, tx.sl.name, time.Time{}, 0)
}

// SetLength sets the complete-length to n bytes when the transaction commits,
// after its writes: it declares the length of an incomplete resource, and
// truncates or extends with zeros a complete one. ErrLengthConflict and
// ErrTooLarge may come now or at the commit.
func (tx *Tx) SetLength(n int64) error {
	if n > tx.s.opts.MaxLength {
		return tooLarge(tx.current(), ranges.Range{Start: n, End: n}, tx.s.opts.MaxLength)
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	c := tx.change
	c.setLength = n
	if c.fill {
		if _, err := c.fit(tx.current()); errors.Is(err, ErrLengthConflict) {
			return err
		}
	}
	tx.change.setLength = n
	return nil
}

// SetMetadata sets the fields of m that are not empty when the transaction
// commits. A content coding that differs from that of an existing resource is
// ErrMetadataConflict.
func (tx *Tx) SetMetadata(m Metadata) error {
	if cur := tx.current(); m.Encoding != "" && cur.revision > 0 && m.Encoding != cur.meta.Encoding {
		return ErrMetadataConflict
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.change.meta = merge(tx.change.meta, m)
	return nil
}

// Declare gives a digest that the complete representation must have. An
// incomplete resource keeps it until it is complete; on a complete one the
// commit verifies it. ErrMetadataConflict: another one was declared.
func (tx *Tx) Declare(alg Algorithm, sum []byte) error {
	if newHash(alg) == nil {
		return nil // nothing here could verify it
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	have, ok := tx.change.declared[alg]
	if !ok {
		have, ok = tx.current().declared[alg]
	}
	if ok && string(have) != string(sum) {
		return ErrMetadataConflict
	}
	if tx.change.declared == nil {
		tx.change.declared = make(map[Algorithm][]byte)
	}
	tx.change.declared[alg] = sum
	return nil
}

// Computed tells a digest of the whole representation as the commit will
// make it, computed by the caller, to save computing it again.
func (tx *Tx) Computed(alg Algorithm, sum []byte) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.change.known == nil {
		tx.change.known = make(map[Algorithm][]byte)
	}
	tx.change.known[alg] = sum
}

// Persist commits what was staged so far, and the transaction goes on. After
// an error nothing staged since the last commit will be committed, and every
// later commit returns the error.
func (tx *Tx) Persist(ctx context.Context) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return tx.flush(false)
}

// Commit commits what was staged and ends the transaction. When it returns
// without error, everything that the transaction wrote is durable, or was
// before. If the commit covers a resource with declared digests, or finds it
// covered, Commit waits for the verdict; ErrDigestMismatch comes with the
// Result, because the bytes are committed then although the resource is not
// complete. The same holds for an error of ctx while it waits; before, a
// cancelled ctx ends the transaction as Rollback does.
func (tx *Tx) Commit(ctx context.Context) (Result, error) {
	defer tx.Rollback()
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if tx.isDone() {
		return Result{}, ErrClosed
	}
	tx.stopTimer()
	res, err := tx.flush(true)
	switch {
	case err != nil:
		return Result{}, err
	case res.Info.Mismatched:
		err = ErrDigestMismatch
	case res.Info.Unverified:
		var info *Info
		if info, err = tx.s.awaitVerdict(ctx, tx.sl, tx.sp.id); info != nil {
			res.Info = info
		}
	}
	res.Completed = res.Completed || tx.awaits && res.Info.Complete
	return res, err
}

// Rollback ends the transaction; what was not committed leaves no trace that
// could be observed. After Commit it does nothing.
func (tx *Tx) Rollback() {
	tx.stopTimer()
	tx.mu.Lock()
	if tx.done {
		tx.mu.Unlock()
		return
	}
	for tx.flushing {
		tx.flushed.Wait()
	}
	tx.done = true
	files, reserved := tx.files, tx.reserved
	tx.files, tx.reserved = nil, ranges.Set{}
	tx.mu.Unlock()

	tx.sp.free(reserved)
	for _, f := range files {
		f.forget()
		if f.own != nil {
			f.own.Close() // all that counts was synced
		}
		tx.s.files.release(f.df)
	}
	tx.sl.leave(tx.sp)
	if tx.base != nil {
		tx.s.files.unpin(tx.base)
	}
	tx.s.release(tx.sl)
}

func (tx *Tx) isDone() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.done
}
