package store

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// fileBatch is how many file ids are taken at a time.
const fileBatch = 256

// fileIDs hands out the ids of new files. That they are taken is in the map
// ahead of their use; those that a process does not use are never used.
type fileIDs struct {
	db *pebble.DB

	mu     sync.Mutex // guards what follows
	end    fileID     // of the ids that were taken
	data   idRange    // entered as garbage, durably
	inline idRange
}

// An idRange is the ids from next to end, end not included.
type idRange struct{ next, end fileID }

func (r *idRange) take() fileID {
	id := r.next
	r.next++
	return id
}

// file returns an id that is durably listed as garbage (invariant 8).
func (ids *fileIDs) file() (fileID, error) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.data.next == ids.data.end {
		b := ids.db.NewBatch()
		for id := ids.end; id < ids.end+fileBatch; id++ {
			b.Set(fileKey(kindGarbage, id), nil, nil)
		}
		if err := ids.more(&ids.data, b, pebble.Sync); err != nil {
			return 0, err
		}
	}
	return ids.data.take(), nil
}

// inlineFile returns an id for an inline file. There is nothing of such a file
// before the batch that names it, which is behind this one in the log.
func (ids *fileIDs) inlineFile() (fileID, error) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if ids.inline.next == ids.inline.end {
		if err := ids.more(&ids.inline, ids.db.NewBatch(), pebble.NoSync); err != nil {
			return 0, err
		}
	}
	return ids.inline.take(), nil
}

// more commits b, with the note that r has the next ids.
func (ids *fileIDs) more(r *idRange, b *pebble.Batch, o *pebble.WriteOptions) error {
	end := ids.end + fileBatch
	b.Set([]byte{kindNextID}, fileKey(0, end)[1:], nil)
	if err := b.Commit(o); err != nil {
		return err
	}
	*r = idRange{ids.end, end}
	ids.end = end
	return nil
}
