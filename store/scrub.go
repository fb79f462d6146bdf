package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// The scrub reads every committed byte now and then and compares it with its
// checksum, so that damage is found while there may be somebody who can write
// the bytes again. It goes through the data files in the order of their ids,
// at a limited rate, and goes on after a restart where it was.

// scrubber is the goroutine that does so.
type scrubber struct {
	stopped, done chan struct{}
}

func (s *Store) startScrubber() {
	if s.opts.ScrubRate == 0 || s.opts.ReadOnly {
		return
	}
	x := &s.scrubber
	x.stopped, x.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(x.done)
		for {
			next, err := s.scrub()
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil {
				s.opts.Logger.Error("cannot scrub", "err", err)
				next = s.now().Add(time.Hour)
			}
			if s.sleep(next) != nil {
				return
			}
		}
	}()
}

// stopScrubber ends it after the bytes at hand.
func (s *Store) stopScrubber() {
	if s.scrubber.stopped != nil {
		close(s.scrubber.stopped)
		<-s.scrubber.done
	}
}

// sleep waits until a time, or returns ErrClosed.
func (s *Store) sleep(until time.Time) error {
	c, stop := s.opts.clock.wait(until)
	select {
	case <-c:
		return nil
	case <-s.scrubber.stopped:
		stop()
		return ErrClosed
	}
}

// scrubBurst is how much time in which nothing was read is made up for, as
// timers that fire late take.
const scrubBurst = 100 * time.Millisecond

// A scrubPass is one pass of the scrub.
//
//	value of key 's': | begin varint, microseconds since 1970 | next file id varint; 0: it has ended |
type scrubPass struct {
	began time.Time
	next  fileID

	ready   time.Time // when the next bytes may be read
	bytes   int64
	damaged int64
}

// scrub ends the pass that was begun, or makes one if it is time. It returns
// when the next one begins.
func (s *Store) scrub() (time.Time, error) {
	p, err := s.loadPass()
	if err != nil {
		return time.Time{}, err
	}
	now := s.now()
	if p.next == 0 {
		if next := p.began.Add(s.opts.ScrubInterval); now.Before(next) && !p.began.After(now) {
			return next, nil
		}
		p = scrubPass{began: now, next: 1}
	}
	p.ready = now
	for p.next != 0 {
		if p.next, err = s.nextSummed(p.next); err != nil {
			return time.Time{}, err
		}
		if p.next != 0 {
			if err := s.scrubFile(&p, p.next); err != nil {
				return time.Time{}, err
			}
			p.next++
		}
		if err := s.savePass(p); err != nil {
			return time.Time{}, err
		}
	}
	s.damage.settle()
	s.opts.Logger.Info("scrubbed all files", "since", p.began, "bytes", p.bytes, "damaged", p.damaged)
	return p.began.Add(s.opts.ScrubInterval), nil
}

// nextSummed returns the first file from id on that has checksums, or 0.
func (s *Store) nextSummed(id fileID) (fileID, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: fileKey(kindCRC, id), UpperBound: []byte{kindCRC + 1}})
	if err != nil {
		return 0, err
	}
	id = 0
	if it.First() {
		if key := it.Key(); len(key) >= 1+8 {
			id = fileID(binary.BigEndian.Uint64(key[1:]))
		}
	}
	return id, it.Close()
}

// scrubFile compares the bytes of a file with their checksums, if an extent
// names it.
func (s *Store) scrubFile(pass *scrubPass, id fileID) error {
	named, err := has(s.db, fileKey(kindRef, id))
	if err != nil || !named {
		return err
	}
	s.files.pin(id)
	defer s.files.unpinFile(id)
	r := checkedReader{s: s, fromDisk: true}
	defer r.close()
	if err := r.open(id); err != nil {
		if named, herr := has(s.db, fileKey(kindRef, id)); herr != nil || !named {
			return herr // it was removed meanwhile
		}
		// The map is left as it is: the file may come back, as with a file
		// system that was not mounted.
		s.opts.Logger.Error("cannot open a data file that resources name", "file", dataPath(id), "err", err)
		return nil
	}
	buf := make([]byte, crcBlock)
	for chunk := int64(0); ; chunk++ {
		v, err := s.nextChunk(id, &chunk)
		if err != nil || v == nil {
			return err
		}
		pieces, err := decodeCRC(chunk, v)
		if err != nil {
			s.opts.Logger.Error("cannot read checksums", "file", dataPath(id), "err", err)
			continue
		}
		for _, piece := range pieces {
			if err := s.pace(pass, piece.n); err != nil {
				return err
			}
			if s.damage.in(id).Covers(piece.bytes()) {
				continue // the mender is at it
			}
			pass.bytes += piece.n
			switch err := r.load(piece, buf[:piece.n]); {
			case errors.Is(err, ErrDamaged):
				pass.damaged += piece.n
			case err != nil:
				s.opts.Logger.Error("cannot scrub", "file", dataPath(id), "range", piece.bytes().String(), "err", err)
			}
		}
	}
}

// nextChunk returns the checksums of the first chunk of a file from chunk on,
// and sets chunk to it; nil: there are no more.
func (s *Store) nextChunk(id fileID, chunk *int64) ([]byte, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: crcKey(id, *chunk), UpperBound: fileKey(kindCRC, id+1)})
	if err != nil {
		return nil, err
	}
	var v []byte
	if it.First() && len(it.Key()) == 1+8+8 {
		*chunk = int64(binary.BigEndian.Uint64(it.Key()[1+8:]))
		v = append(make([]byte, 0, len(it.Value())), it.Value()...)
	}
	return v, it.Close()
}

// pace waits until n more bytes may be read.
func (s *Store) pace(pass *scrubPass, n int64) error {
	select {
	case <-s.scrubber.stopped:
		return ErrClosed
	default:
	}
	if s.opts.ScrubRate == 0 {
		return nil
	}
	if now := s.now(); pass.ready.After(now) {
		if err := s.sleep(pass.ready); err != nil {
			return err
		}
	}
	if late := s.now().Add(-scrubBurst); pass.ready.Before(late) {
		pass.ready = late
	}
	pass.ready = pass.ready.Add(time.Duration(float64(n) / float64(s.opts.ScrubRate) * float64(time.Second)))
	return nil
}

func (s *Store) loadPass() (p scrubPass, err error) {
	v, err := s.get([]byte{kindScrub})
	if err != nil || v == nil {
		return p, err
	}
	d := decoder{b: v}
	p.began = time.UnixMicro(d.offset())
	p.next = fileID(d.uvarint())
	if d.bad || len(d.b) > 0 {
		return p, fmt.Errorf("%w: state of the scrub %x", ErrCorrupt, v)
	}
	return p, nil
}

// savePass notes how far the pass is. It need not be durable.
func (s *Store) savePass(p scrubPass) error {
	v := binary.AppendUvarint(nil, uint64(p.began.UnixMicro()))
	v = binary.AppendUvarint(v, uint64(p.next))
	return s.db.Set([]byte{kindScrub}, v, pebble.NoSync)
}
