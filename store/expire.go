package store

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Incomplete resources that nobody writes to any more expire. Each is listed
// in the map, in the order of time, under a key that is a hint: since then at
// least nobody knows it to be idle.
//
//	key 'x'        last commit                           expires
//	   |----------------|-------------------------------------|
//	                    |<------ Options.IncompleteMaxAge --->|
//	   |<------ IncompleteMaxAge --->| a look: the key moves to the last commit
//
// So a commit leaves the key where it is, and a resource is looked at once in
// its lifetime and once more for each time that it was renewed, at most. The
// key does not depend on the option, which may change between two openings.
// The first key says when to look, so nothing is scanned.

// expirer is the goroutine that removes what has expired.
type expirer struct {
	stopped, done chan struct{}
}

const (
	// expiryBatch is how many keys are read at once.
	expiryBatch = 256
	// expirySleep is the longest time between two looks: the clock may be
	// set, and may stand still while the machine is suspended.
	expirySleep = time.Hour
)

func (s *Store) startExpirer() {
	if s.opts.IncompleteMaxAge == 0 || s.opts.ReadOnly {
		return
	}
	x := &s.expirer
	x.stopped, x.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(x.done)
		for {
			next, err := s.expireAll()
			if errors.Is(err, ErrClosed) || errors.Is(err, ErrReadOnly) {
				return
			}
			if err != nil {
				s.opts.Logger.Error("cannot look for expired resources", "err", err)
			}
			c, stop := s.opts.clock.wait(next)
			select {
			case <-c:
			case <-x.stopped:
				stop()
				return
			}
		}
	}()
}

// stopExpirer ends it after the resource at hand.
func (s *Store) stopExpirer() {
	if s.expirer.stopped != nil {
		close(s.expirer.stopped)
		<-s.expirer.done
	}
}

// An idler is a resource that is listed as idle.
type idler struct {
	key  []byte
	name string
}

// expireAll removes all that has expired and returns when to look again. No
// resource that is made after it has begun expires before that.
func (s *Store) expireAll() (next time.Time, err error) {
	age, now := s.opts.IncompleteMaxAge, s.now()
	next = now.Add(min(age, expirySleep))
	due := now.Add(-age)
	for from := []byte{kindIdle}; ; {
		batch, first, err := s.listIdle(from, due)
		if err != nil {
			return next, err
		}
		for _, i := range batch {
			err := s.expire(i, now)
			switch {
			case errors.Is(err, ErrClosed), errors.Is(err, ErrReadOnly):
				return next, err
			case err != nil:
				// It is tried again at the next look.
				s.opts.Logger.Error("cannot remove expired resource", "name", i.name, "err", err)
			}
			from = append(i.key, 0)
		}
		if len(batch) == 0 { // with the keys that were moved
			if at := first.Add(age); !first.IsZero() && at.Before(next) {
				next = at
			}
			return next, nil
		}
	}
}

// listIdle returns the resources that are listed from the key from on and up
// to the time due, or the first of them if they are many, and otherwise the
// time of the first one after due, if there is one.
func (s *Store) listIdle(from []byte, due time.Time) (batch []idler, first time.Time, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{kindIdle + 1}})
	if err != nil {
		return nil, first, err
	}
	for ok := it.First(); ok && len(batch) < expiryBatch; ok = it.Next() {
		since, _, err := decodeIdle(it.Key())
		if err != nil {
			return nil, first, errors.Join(err, it.Close())
		}
		if at := time.UnixMicro(since); at.After(due) {
			first = at
			break
		}
		batch = append(batch, idler{append([]byte(nil), it.Key()...), string(it.Value())})
	}
	return batch, first, it.Close()
}

// expire removes a resource if it has expired, and else moves its key. It
// works below Options.MinFree.
func (s *Store) expire(i idler, now time.Time) error {
	select {
	case <-s.expirer.stopped:
		return ErrClosed
	default:
	}
	sl, err := s.acquire(context.Background(), i.name)
	if err != nil {
		return err
	}
	defer s.release(sl)
	age := s.opts.IncompleteMaxAge
	return s.commit(sl, &ticket{eval: func(cur *state, _ *batch) (*state, error) {
		if cur == nil || cur.idle == 0 { // whichever resource has the name by now
			return cur, nil
		}
		since := cur.modified
		if !since.Add(age).After(now) {
			if !cur.unverified() && !sl.written(cur.id) {
				return nil, nil
			}
			// It is in use, which need not end with a commit.
			since = now.Add(age/16 - age)
		}
		if since.UnixMicro() == cur.idle {
			return cur, nil
		}
		next := cur.next() // no new version
		next.idle = since.UnixMicro()
		return next.seal(), nil
	}})
}

// written reports whether a transaction on a resource is in flight.
func (sl *slot) written(id ID) bool {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	sp := sl.space
	if sp == nil || sp.id != id {
		return false
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.txs > 0
}
