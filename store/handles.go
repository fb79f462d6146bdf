package store

import (
	"container/list"
	"io"
	"os"
	"sync"
)

// A handle is a data file open for reading, shared by all who read it at
// present. It has no position: who uses it reads at offsets.
type handle struct {
	id fileID
	r  readCloserAt
	os *os.File // r, if it is a file of the operating system; else nil

	// Guarded by handles.mu.
	users int
	at    *list.Element // in handles.lru; nil: the last user closes it
}

type readCloserAt interface {
	io.ReaderAt
	io.Closer
}

// handles keeps data files open for reading, so that a request does not have
// to open one. Who gets a handle has the file pinned. Files that nobody reads
// stay open within the bound max, those used least recently being closed
// first; none stays open once its file is removed.
type handles struct {
	open func(id fileID) (*handle, error)
	max  int // files that are kept open, in use or not

	mu     sync.Mutex // guards what follows; held for moments only
	all    map[fileID]*handle
	lru    list.List // of *handle, as in all; least recently got first
	unused int       // of them, without users
}

func newHandles(open func(id fileID) (*handle, error), max int) *handles {
	return &handles{open: open, max: max, all: make(map[fileID]*handle)}
}

// get returns the handle of a file. The caller puts it back.
func (hs *handles) get(id fileID) (*handle, error) {
	hs.mu.Lock()
	h := hs.useLocked(id)
	hs.mu.Unlock()
	if h != nil {
		return h, nil
	}
	made, err := hs.open(id)
	if err != nil {
		return nil, err
	}
	hs.mu.Lock()
	h = hs.useLocked(id) // another one may have opened it meanwhile
	var surplus []*handle
	if h == nil {
		h = made
		h.users = 1
		hs.all[id], h.at = h, hs.lru.PushBack(h)
		surplus = hs.surplusLocked()
	} else {
		surplus = []*handle{made}
	}
	hs.mu.Unlock()
	closeHandles(surplus)
	return h, nil
}

// useLocked counts one more user of a file that is open, or returns nil.
func (hs *handles) useLocked(id fileID) *handle {
	h := hs.all[id]
	if h == nil {
		return nil
	}
	if h.users++; h.users == 1 {
		hs.unused--
	}
	hs.lru.MoveToBack(h.at)
	return h
}

// put gives up what get gave. If reading ended with an error, the file is
// opened anew by the next one who gets it: it may be that only the
// descriptor is of no use any more.
func (hs *handles) put(h *handle, err error) {
	hs.mu.Lock()
	if err != nil {
		hs.forgetLocked(h)
	}
	h.users--
	var surplus []*handle
	switch {
	case h.users > 0:
	case h.at == nil:
		surplus = []*handle{h}
	default:
		hs.unused++
		surplus = hs.surplusLocked()
	}
	hs.mu.Unlock()
	closeHandles(surplus)
}

// drop closes a file that was removed.
func (hs *handles) drop(id fileID) {
	hs.mu.Lock()
	h := hs.all[id]
	if h != nil {
		hs.forgetLocked(h)
	}
	unused := h != nil && h.users == 0
	hs.mu.Unlock()
	if unused {
		closeHandles([]*handle{h})
	}
}

// close closes the files that nobody reads, and keeps none open any more.
func (hs *handles) close() {
	hs.mu.Lock()
	hs.max = 0
	surplus := hs.surplusLocked()
	hs.mu.Unlock()
	closeHandles(surplus)
}

// surplusLocked takes out handles without users until there are no more than
// hs.max, or none without users, and returns them, to be closed.
func (hs *handles) surplusLocked() []*handle {
	var surplus []*handle
	for len(hs.all) > hs.max && hs.unused > 0 {
		h := hs.lru.Front().Value.(*handle)
		if h.users > 0 {
			hs.lru.MoveToBack(h.at) // so that the next look does not meet it again
			continue
		}
		hs.forgetLocked(h)
		surplus = append(surplus, h)
	}
	return surplus
}

// forgetLocked takes a handle out. Whoever uses it goes on to.
func (hs *handles) forgetLocked(h *handle) {
	if h.at == nil {
		return
	}
	hs.lru.Remove(h.at)
	h.at = nil
	delete(hs.all, h.id)
	if h.users == 0 {
		hs.unused--
	}
}

func closeHandles(list []*handle) {
	for _, h := range list {
		h.r.Close() // read only
	}
}
