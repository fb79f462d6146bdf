package store

import (
	"io"

	"github.com/infill-http/infill/ranges"
)

// ReadStaged writes the bytes of r to w, in order: bytes that the transaction
// has staged, or found to be there already, since its last commit. They are
// what the next commit would make of r, read from where they are now. An error
// of w is returned as it is; io.ErrUnexpectedEOF says that not all of r is
// staged. Memory use is one buffer of Options.BufferSize.
func (tx *Tx) ReadStaged(w io.Writer, r ranges.Range) error {
	tx.mu.Lock()
	staged := tx.change.staged
	tx.mu.Unlock()
	buf := tx.s.buffers.Get().(*[]byte)
	defer tx.s.buffers.Put(buf)
	for sub, p := range staged.Within(r) {
		if sub.Start > r.Start {
			break
		}
		for n := sub.Len(); n > 0; {
			b := (*buf)[:min(n, int64(len(*buf)))]
			if err := tx.s.readPlace(p, b); err != nil {
				return err
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
			k := int64(len(b))
			p, n, r.Start = p.Cut(k), n-k, r.Start+k
		}
	}
	if !r.Empty() {
		return io.ErrUnexpectedEOF
	}
	return nil
}
