package client

import (
	"io"
	"sync"
	"time"
)

// A window reads ahead of what is sent. It has two buffers: one is filled while the other is sent.
type window struct {
	src   io.Reader
	least int // bytes that are worth a request
	flush time.Duration

	mu     sync.Mutex
	cond   sync.Cond // what is guarded by mu has changed
	filled []byte    // read, and not handed out
	spare  []byte    // empty
	since  time.Time // when the first byte of filled came
	err    error     // of src, after filled
	ended  bool
}

// newWindow returns a window whose buffers have size bytes.
func newWindow(src io.Reader, size, least int, flush time.Duration) *window {
	w := &window{src: src, least: least, flush: flush, filled: make([]byte, 0, size), spare: make([]byte, 0, size)}
	w.cond.L = &w.mu
	return w
}

// read reads src to its end, or until the window is stopped.
func (w *window) read() {
	buf := make([]byte, min(64<<10, cap(w.filled)))
	for {
		n, err := w.src.Read(buf)
		w.mu.Lock()
		for len(w.filled)+n > cap(w.filled) && !w.ended {
			w.cond.Wait()
		}
		if w.ended {
			w.mu.Unlock()
			return
		}
		if len(w.filled) == 0 && n > 0 {
			w.since = time.Now()
			time.AfterFunc(w.flush, w.wake)
		}
		w.filled = append(w.filled, buf[:n]...)
		w.err = err
		w.cond.Broadcast()
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// next waits for bytes and returns them, until it is called again. With the last ones comes the error of src.
func (w *window) next() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.ready() {
		w.cond.Wait()
	}
	segment := w.filled
	w.filled, w.spare = w.spare[:0], segment
	w.cond.Broadcast()
	if w.ended {
		return nil, io.ErrClosedPipe
	}
	return segment, w.err
}

// ready reports whether what is there should be sent. The mutex is held.
func (w *window) ready() bool {
	return w.ended || w.err != nil || len(w.filled) >= w.least || len(w.filled) > 0 && time.Since(w.since) >= w.flush
}

// wake has all that wait look again. With the mutex, it does not come between a look and the wait after it.
func (w *window) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cond.Broadcast()
}

// stop ends all waiting.
func (w *window) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.cond.Broadcast()
}
