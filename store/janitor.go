package store

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// The janitor removes data files in the background, in its own goroutine,
// because that takes long for a large one: 8 s on ext4 for 100,000 islands over
// 100 GB. What it has not done when the store closes is still listed as garbage
// and done after the next open.
type janitor struct {
	fl   *files
	mu   sync.Mutex
	cond sync.Cond
	todo []fileID
	busy bool
	stop bool
	done chan struct{}
}

func (j *janitor) start(fl *files) {
	j.fl = fl
	j.cond.L = &j.mu
	j.done = make(chan struct{})
	go j.work()
}

// remove queues a file that no extent names and nobody has pinned.
func (j *janitor) remove(id fileID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.todo = append(j.todo, id)
	j.cond.Broadcast()
}

// drain waits until nothing is queued.
func (j *janitor) drain() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for (len(j.todo) > 0 || j.busy) && !j.stop {
		j.cond.Wait()
	}
}

// close ends the work after the file, or the piece of a large file, at hand.
func (j *janitor) close() {
	j.mu.Lock()
	j.stop = true
	j.cond.Broadcast()
	j.mu.Unlock()
	<-j.done
}

func (j *janitor) work() {
	defer close(j.done)
	for {
		j.mu.Lock()
		j.busy = false
		j.cond.Broadcast()
		for len(j.todo) == 0 && !j.stop {
			j.cond.Wait()
		}
		if j.stop {
			j.mu.Unlock()
			return
		}
		ids := j.todo[:min(len(j.todo), fileBatch)]
		j.todo, j.busy = j.todo[len(ids):], true
		j.mu.Unlock()
		j.sweep(ids)
	}
}

func (j *janitor) stopping() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stop
}

// sweep removes files, inline ones too, their checksums and, last, their
// garbage entries, once the removal is durable. An entry may outlive its file,
// never the other way round; the removal of a file that is gone is no fault.
func (j *janitor) sweep(ids []fileID) {
	log := j.fl.opts.Logger
	b := j.fl.db.NewBatch()
	dirs := make(map[int]bool)
	for _, id := range ids {
		if j.stopping() {
			break
		}
		inline, err := has(j.fl.db, fileKey(kindInline, id))
		if err == nil && inline {
			err = deletePrefix(j.fl.db, b, fileKey(kindInline, id))
		}
		if err != nil { // the entry stays, or the bytes would stay for ever
			log.Error("cannot remove inline file", "file", uint64(id), "err", err)
			continue
		}
		if inline {
			b.Delete(fileKey(kindGarbage, id), nil)
			continue
		}
		err = j.unlink(id)
		if errors.Is(err, ErrClosed) {
			break
		}
		j.fl.handles.drop(id) // or its space would not be free
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Error("cannot remove data file", "file", uint64(id), "err", err)
			continue
		}
		dirs[dirOf(id)] = true
		if err := deletePrefix(j.fl.db, b, fileKey(kindCRC, id)); err != nil {
			log.Error("cannot remove checksums", "file", uint64(id), "err", err)
			continue
		}
		b.Delete(fileKey(kindGarbage, id), nil)
	}
	for d := range dirs {
		if err := j.fl.syncDir(d); err != nil {
			log.Error("cannot sync directory", "err", err)
			return
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		log.Error("cannot forget data files", "err", err)
	}
}

// unlinkStep is how many bytes of a file, holes included, are given back at once.
const unlinkStep = 1 << 30

// unlink removes a data file, a large one piece by piece from its end.
// ErrClosed: the store closes, and some of it is left.
func (j *janitor) unlink(id fileID) error {
	path := j.fl.path(id)
	if o, ok := j.fl.fs.(osOpener); ok {
		info, err := j.fl.fs.Stat(path)
		if err != nil {
			return err
		}
		for size := info.Size() - unlinkStep; size > 0; size -= unlinkStep {
			if j.stopping() {
				return ErrClosed
			}
			if err := o.truncate(path, size); err != nil {
				return err
			}
		}
	}
	return j.fl.fs.Remove(path)
}

// deletePrefix adds to b the deletion of all keys with the prefix: one by one
// where they are few, because range deletions cost every later read.
func deletePrefix(db *pebble.DB, b *pebble.Batch, prefix []byte) error {
	const few = 32
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(prefix)})
	if err != nil {
		return err
	}
	var keys [][]byte
	for ok := it.First(); ok && len(keys) <= few; ok = it.Next() {
		keys = append(keys, append([]byte(nil), it.Key()...))
	}
	if err := it.Close(); err != nil {
		return err
	}
	if len(keys) > few {
		return b.DeleteRange(prefix, upperBound(prefix), nil)
	}
	for _, key := range keys {
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}
