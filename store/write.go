package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// openWindow is how many bytes a write of unknown length reserves at a time.
const openWindow = 8 << 20

// pushSize is how many bytes go to the disk at once ahead of the sync, and
// pushLeast how many of a write that is not much longer, so that the disk does
// not begin with all of a segment only at its end.
const (
	pushSize  = 8 << 20
	pushLeast = 2 << 20
)

// checkFree is after how many bytes of a write the free space is looked at again.
const checkFree = 4 << 20

// A Summed reader is told what it would otherwise have to compute: WriteFrom
// makes checksums of all that it stages.
type Summed interface {
	io.Reader
	// Staged says that the next n bytes of those that were read are staged, and
	// that their CRC-32C is crc.
	Staged(n int64, crc uint32)
}

// WriteFrom streams n bytes from r to [off, off+n) of the resource, or, if n
// is negative, all bytes up to io.EOF to off and on. length is the numeric
// complete-length that came with the bytes, or -1. It returns how many bytes
// it staged.
//
// The range is checked before anything is read from r (ErrNotAdjacent,
// ErrLengthConflict, ErrTooLarge, ErrFull, ErrReplaced). Bytes that are
// committed already are compared and not stored; ErrRangeConflict says that
// they differ. An error of r is returned as it is, io.ErrUnexpectedEOF if it
// ends before n bytes. After any error, what was staged can still be
// committed. One transaction writes no byte twice: ErrRangeConflict. If r is
// Summed, it is told of all bytes that are staged, in their order.
//
// Memory use is one buffer of at most Options.BufferSize (intake.go).
func (tx *Tx) WriteFrom(r io.Reader, off, n, length int64) (int64, error) {
	limit, beyond, err := tx.admit(off, n, length)
	if err != nil {
		return 0, err
	}
	w := writer{tx: tx, pos: off, end: limit, step: openWindow, compare: tx.base != nil && tx.base.id == tx.sp.id}
	w.summed, _ = r.(Summed)
	if n >= 0 {
		w.step = n
	}
	defer w.close()
	in := intake{from: &tx.s.intakes}
	defer in.close()
	for w.pos < w.end || n < 0 {
		if w.pos == w.end {
			// The length is known, and the end of r is not: only its end may follow.
			if k, err := io.ReadFull(r, make([]byte, 1)); k == 0 && err == io.EOF {
				return w.pos - off, nil
			} else if k == 0 {
				return w.pos - off, err
			}
			return w.pos - off, tx.excess(w.end, beyond)
		}
		b, rerr := in.fill(r, w.end-w.pos, tx.opts.Persist)
		if k := len(b); k > 0 {
			all := rerr == io.EOF && n < 0 || w.pos+int64(k) == w.end && n >= 0
			w.small = all && w.pos == off && k <= tx.s.opts.InlineSize
			if err := w.stage(b); err != nil {
				return w.pos - off, err
			}
		}
		switch {
		case rerr == io.EOF && n < 0:
			return w.pos - off, nil
		case rerr == io.EOF && w.pos < w.end:
			return w.pos - off, io.ErrUnexpectedEOF
		case rerr != nil && rerr != io.EOF:
			return w.pos - off, rerr
		}
	}
	return w.pos - off, nil
}

// admit checks a write that is about to begin, notes the length that came
// with it, and returns where it must end at the latest, and what is wrong with
// one that goes on there.
func (tx *Tx) admit(off, n, length int64) (end int64, beyond, err error) {
	if err := tx.s.Writable(); err != nil {
		return 0, nil, err
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	for tx.flushing {
		tx.flushed.Wait() // what it commits counts as adjacent
	}
	if tx.done {
		return 0, nil, ErrClosed
	}
	if tx.failed != nil {
		return 0, nil, tx.failed
	}
	cur := tx.current()
	c := tx.change
	c.at = off
	// How long an overwrite makes the resource is known when all of it is.
	c.partial = !tx.opts.Sequential || n < 0
	if length >= 0 {
		c.expect = length
	}
	bound := tx.s.opts.MaxLength
	if off > bound || n > bound-off || length > bound {
		return 0, nil, tooLarge(cur, ranges.Range{Start: min(off, bound), End: max(off, length, bound)}, bound)
	}
	r := ranges.Range{Start: off, End: off + max(n, 0)}
	if c.written.Overlaps(r) {
		return 0, nil, c.fault(ErrRangeConflict, cur, r)
	}
	c.written.Add(r)
	known, err := c.fit(cur)
	switch {
	case errors.Is(err, ErrNotAdjacent):
		// Later parts of the patch may still bridge the gap.
		if tx.opts.Sequential || tx.opts.Persist {
			return 0, nil, err
		}
		known = -1
	case errors.Is(err, ErrLengthConflict):
		return 0, nil, err
	}
	tx.change.expect = c.expect
	if n >= 0 {
		return off + n, nil, nil
	}
	end, beyond = bound, ErrTooLarge
	if c.fill && known >= 0 {
		end, beyond = max(off, known), ErrLengthConflict
	} else if c.expect >= 0 {
		end, beyond = max(off, c.expect), ErrLengthConflict
	}
	for own := range c.written.Within(ranges.Range{Start: off, End: end}) {
		return own.Start, ErrRangeConflict, nil
	}
	return end, beyond, nil
}

// excess is the error of a write whose bytes go on where it must end.
func (tx *Tx) excess(end int64, beyond error) error {
	if bound := tx.s.opts.MaxLength; end == bound {
		return tooLarge(tx.current(), ranges.Range{Start: end, End: end + 1}, bound)
	}
	return tx.change.fault(beyond, tx.current(), ranges.Range{Start: end, End: end + 1})
}

// tooLarge is the error of a write or a length beyond Options.MaxLength.
func tooLarge(cur *state, r ranges.Range, bound int64) error {
	return &RangeError{Err: ErrTooLarge, Range: r, Offset: cur.offset(), Length: bound}
}

// A writer stages the bytes of one WriteFrom.
type writer struct {
	tx      *Tx
	pos     int64 // where the next byte goes, logically
	end     int64 // pos never passes it
	step    int64 // how much to reserve at a time
	compare bool  // committed bytes were equal so far
	small   bool  // b has all the bytes that are left, and they are few

	summed Summed // is told of what is staged; nil: nobody is

	unchecked int64 // bytes staged since the free space was looked at
	unpushed  int64 // bytes of the window written since push had the disk begin
	pushAt    int64 // how many of them make push do that

	window window
}

// stage takes in b at w.pos, which moves over as much of it as is staged.
func (w *writer) stage(b []byte) error {
	if w.unchecked += int64(len(b)); w.unchecked >= checkFree {
		if err := w.tx.s.Writable(); err != nil {
			return err
		}
		w.unchecked = 0
	}
	for len(b) > 0 {
		n, err := w.stageSome(b)
		if err != nil {
			return err
		}
		w.pos += n
		b = b[n:]
	}
	return w.tx.staged()
}

// stageSome stages the first bytes of b: those of one committed extent, if
// they are equal to it, or as many as the window holds.
func (w *writer) stageSome(b []byte) (int64, error) {
	tx := w.tx
	r := ranges.Range{Start: w.pos, End: w.pos + int64(len(b))}
	if w.compare {
		for sub, p := range tx.base.extents.Within(r) {
			if sub.Start > w.pos {
				r.End = sub.Start
				break
			}
			same, err := tx.s.matches(p, b[:sub.Len()])
			if same {
				tx.note(sub, p, nil, nil)
				if w.summed != nil {
					w.summed.Staged(sub.Len(), crc32c.Checksum(b[:sub.Len()]))
				}
				return sub.Len(), nil
			}
			if err == nil && tx.change.fill && !tx.change.replace && !tx.base.mismatch {
				if err = tx.s.verifyPlace(p, sub.Len()); err == nil {
					return 0, tx.change.fault(ErrRangeConflict, tx.base, sub)
				}
			}
			if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, errUnreadable) {
				return 0, err
			}
			w.compare = false // from here on the commit does it
			break
		}
	}
	if w.window.Empty() {
		if err := w.reserve(r); err != nil {
			return 0, err
		}
	}
	n := min(r.Len(), w.window.Len())
	if err := tx.s.files.write(w.window.df, b[:n], w.window.at.off); err != nil {
		return 0, err
	}
	crc := tx.note(ranges.Range{Start: r.Start, End: r.Start + n}, w.window.at, w.window.df, b[:n])
	if w.summed != nil {
		w.summed.Staged(n, crc)
	}
	w.window.Start += n
	w.window.at = w.window.at.Cut(n)
	return n, w.push(n)
}

// push has the disk begin with what was written, a good piece at a time, so
// that the sync before the commit finds little left to do.
func (w *writer) push(n int64) error {
	if w.unpushed += n; w.unpushed < w.pushAt || w.small {
		return nil
	}
	n, w.unpushed = w.unpushed, 0
	return w.tx.s.files.push(w.window.df, w.window.at.off-n, n)
}

// note enters staged bytes: b, written to a file at p, or bytes that p has
// already. It returns the checksum of b.
func (tx *Tx) note(r ranges.Range, p place, df *dataFile, b []byte) (crc uint32) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	tx.change.staged = tx.change.staged.Set(r, p)
	tx.change.written.Add(r)
	tx.pending += r.Len()
	if df == nil {
		return 0
	}
	f := tx.files[df.id]
	if df.inline != nil {
		f.offs, f.dirty = append(f.offs, p.off), true
		return crc32c.Checksum(b)
	}
	f.wrote(p.off, p.off+int64(len(b)))
	return f.sums.add(p.off, b)
}

// wrote notes that bytes were written to [off, end) of the file.
func (f *stagedFile) wrote(off, end int64) {
	if f.dirty {
		off, end = min(off, f.off), max(end, f.end)
	}
	f.off, f.end, f.dirty = off, end, true
}

// reserve gets a window for the bytes from w.pos on, of which now are at hand.
func (w *writer) reserve(now ranges.Range) error {
	tx := w.tx
	want := ranges.Range{Start: w.pos, End: w.pos + min(w.end-w.pos, w.step)}
	if w.small {
		want = now
	}
	if w.compare {
		for sub := range tx.base.extents.Within(want) {
			want.End = sub.Start
			break
		}
	}
	win, err := tx.sp.place(tx.sl, want, w.small)
	if err != nil {
		return err
	}
	tx.mu.Lock()
	defer tx.mu.Unlock()
	if tx.files[win.df.id] == nil {
		f := &stagedFile{df: win.df}
		if win.Len() >= tx.s.opts.ownSync {
			f.own = tx.s.files.openOwn(win.df)
		}
		tx.files[win.df.id] = f
	} else {
		tx.s.files.release(win.df) // one hold is enough
	}
	if win.home {
		tx.reserved.Add(win.Range)
	}
	w.window, w.unpushed = win, 0
	w.pushAt = min(max((w.end-w.pos)/8, pushLeast), pushSize)
	return nil
}

// close gives back what the last window reserved and did not use.
func (w *writer) close() {
	if w.window.Empty() || !w.window.home {
		return
	}
	w.tx.mu.Lock()
	w.tx.reserved.Sub(w.window.Range)
	w.tx.mu.Unlock()
	w.tx.sp.free(ranges.NewSet(w.window.Range))
}

// errUnreadable says that committed bytes cannot be compared with others.
var errUnreadable = errors.New("cannot read what is committed")

// matches reports whether the bytes of a place are b. ErrDamaged or
// errUnreadable: nobody knows.
func (s *Store) matches(p place, b []byte) (bool, error) {
	if p.kind == placeZero {
		return allZero(b), nil
	}
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for len(b) > 0 {
		old := (*buf)[:min(len(b), len(*buf))]
		if err := s.readPlace(p, old); err != nil {
			if unreadable(err) {
				err = fmt.Errorf("%w: %w", errUnreadable, err)
			}
			return false, errors.Join(s.verifyPlace(p, int64(len(old))), err)
		}
		if !bytes.Equal(old, b[:len(old)]) {
			return false, nil
		}
		p, b = p.Cut(int64(len(old))), b[len(old):]
	}
	return true, nil
}

// equal reports whether two places have the same n bytes.
func (s *Store) equal(a, b place, n int64) (bool, error) {
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for n > 0 {
		k := min(n, int64(len(*buf)))
		if err := s.readPlace(a, (*buf)[:k]); err != nil {
			return false, err
		}
		if same, err := s.matches(b, (*buf)[:k]); !same || err != nil {
			return false, err
		}
		a, b, n = a.Cut(k), b.Cut(k), n-k
	}
	return true, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
