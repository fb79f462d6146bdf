package store

import (
	"fmt"
	"io"
)

// minSection is from how many bytes on a run of bytes in a file is given to
// the writer as a section. Fewer are copied: that is less than what it costs
// to send them apart.
const minSection = 16 << 10

// An output writes bytes of places to w, one after the other. What is not
// given to w as sections is gathered in a buffer, so that many small extents
// are few writes.
type output struct {
	sn   *Snapshot
	w    io.Writer
	rf   io.ReaderFrom // w, if it may be given sections; or nil
	src  source
	buf  *[]byte // nil: none yet
	n    int     // bytes in buf
	done int64   // bytes that w has taken

	section section // the one that w is given, with its limit
	limited io.LimitedReader
}

func (sn *Snapshot) output(w io.Writer) *output {
	out := &output{sn: sn, w: w, src: sn.source()}
	if !sn.verifies() {
		out.rf, _ = w.(io.ReaderFrom)
	}
	return out
}

// close gives back what the output holds. What was not flushed is not written.
func (out *output) close() {
	out.src.close()
	if out.buf != nil {
		out.sn.s.buffers.Put(out.buf)
	}
}

// write writes n bytes at p, or gathers them.
func (out *output) write(p place, n int64) error {
	if out.rf != nil && p.kind == placeFile && n >= minSection {
		if sent, err := out.send(p, n); sent || err != nil {
			return err
		}
	}
	if out.buf == nil {
		out.buf = out.sn.s.buffers.Get().(*[]byte)
	}
	for n > 0 {
		b := (*out.buf)[out.n:]
		b = b[:min(n, int64(len(b)))]
		if err := out.src.read(p, b); err != nil {
			return err
		}
		p, n = p.Cut(int64(len(b))), n-int64(len(b))
		if out.n += len(b); out.n == len(*out.buf) {
			if err := out.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes what was gathered.
func (out *output) flush() error {
	if out.n == 0 {
		return nil
	}
	n, err := out.w.Write((*out.buf)[:out.n])
	out.done += int64(n)
	out.n = 0
	return err
}

// send gives w a section, if the file is one that it could use.
func (out *output) send(p place, n int64) (sent bool, err error) {
	s := out.sn.s
	if err := s.damage.spared(p, n); err != nil {
		return false, err
	}
	h, err := s.files.handles.get(p.file)
	if err != nil {
		return false, err
	}
	if h.os != nil {
		sent, err = true, out.sendFrom(h, p.off, n)
	}
	s.files.handles.put(h, err)
	return sent, err
}

func (out *output) sendFrom(h *handle, off, n int64) error {
	if err := out.flush(); err != nil {
		return err
	}
	out.section = section{fl: &out.sn.s.files, h: h, off: off}
	defer out.section.close()
	out.limited = io.LimitedReader{R: &out.section, N: n}
	k, err := out.rf.ReadFrom(&out.limited)
	out.done += k
	if err == nil && k < n {
		err = fmt.Errorf("%w: data file ends at %d", ErrCorrupt, off+k)
	}
	return err
}
