package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// newHash returns a hash of the algorithm, or nil if it is not known.
func newHash(alg Algorithm) hash.Hash {
	switch alg {
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	}
	return nil
}

// checkpointEvery is after how many bytes a verification notes how far it is.
const checkpointEvery = 256 << 20

// verifiers are the verifications under way, one for a name at most. Each
// follows the committed prefix of an incomplete resource with declared
// digests, ends when it has caught up, and gives the verdict at the end.
type verifiers struct {
	mu      sync.Mutex
	running map[*slot]*verifier
	stopped chan struct{} // closed: the store is closing
	closing bool
}

type verifier struct {
	again bool          // guarded by verifiers.mu: something was committed since
	done  chan struct{} // closed when it ends
	err   error         // why it ended before it had caught up; written before done is closed
}

func (v *verifiers) stop() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closing = true
	close(v.stopped)
}

// verifyLater lets the verification of a name catch up, and returns the one
// that does. The caller uses the slot.
func (s *Store) verifyLater(sl *slot) *verifier {
	vs := &s.verifiers
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v := vs.running[sl]; v != nil {
		v.again = true
		return v
	}
	v := &verifier{done: make(chan struct{})}
	if vs.closing {
		v.err = ErrClosed
		close(v.done)
		return v
	}
	vs.running[sl] = v
	s.mu.Lock()
	sl.users++
	s.mu.Unlock()
	go func() {
		defer s.release(sl)
		for {
			err := s.catchUp(sl)
			if err != nil && !errors.Is(err, ErrClosed) {
				s.opts.Logger.Error("cannot verify declared digest", "name", sl.name, "err", err)
			}
			vs.mu.Lock()
			if !v.again || vs.closing { // an error may be of what was replaced since
				delete(vs.running, sl)
				v.err = err
				close(v.done)
				vs.mu.Unlock()
				return
			}
			v.again = false
			vs.mu.Unlock()
		}
	}()
	return v
}

// awaitVerdict waits until the resource is no longer unverified, and returns
// its state. ErrDigestMismatch is the verdict no.
func (s *Store) awaitVerdict(ctx context.Context, sl *slot, id ID) (*Info, error) {
	for {
		st := sl.pub.Load()
		switch {
		case st == nil || st.id != id:
			return nil, ErrReplaced
		case st.complete:
			return st.info, nil
		case st.mismatch:
			return st.info, ErrDigestMismatch
		case !st.unverified():
			return st.info, nil // its bytes were replaced meanwhile
		}
		v := s.verifyLater(sl)
		select {
		case <-v.done:
			if v.err != nil && sl.pub.Load() == st {
				return st.info, fmt.Errorf("verify digest of %q: %w", sl.name, v.err)
			}
		case <-ctx.Done():
			return st.info, ctx.Err()
		}
	}
}

// catchUp computes the declared digests up to the end of the committed prefix
// and gives the verdict if that is all.
func (s *Store) catchUp(sl *slot) error {
	st := s.pinned(sl)
	if st == nil {
		return nil
	}
	defer s.files.unpin(st)
	if st.complete || len(st.declared) == 0 || st.mismatch {
		return nil
	}
	p := s.loadProgress(st)
	end := st.covered.Prefix()
	for p.off < end {
		r := ranges.Range{Start: p.off, End: min(end, p.off+checkpointEvery)}
		if err := s.hashRange(st, r, p.hashes); err != nil {
			return err
		}
		if p.off = r.End; p.off == end && st.unverified() {
			break // the verdict follows
		}
		if err := s.saveProgress(sl, st, p); err != nil {
			return err
		}
	}
	if !st.unverified() {
		return nil
	}
	match := p.matches(st.declared)
	return s.commit(sl, &ticket{eval: func(cur *state, b *batch) (*state, error) {
		if cur == nil || cur.id != st.id || cur.epoch != st.epoch || !cur.unverified() ||
			!maps.EqualFunc(cur.declared, st.declared, bytes.Equal) {
			return cur, nil // there is another verdict to give, or none
		}
		next := cur.next()
		next.complete, next.mismatch = match, !match
		if match {
			next.known, next.declared = cur.declared, nil
		}
		next.bump(s.now())
		return next.seal(), nil
	}})
}

// hashRange feeds committed bytes to the hashes. The caller has pinned st.
func (s *Store) hashRange(st *state, r ranges.Range, hashes map[Algorithm]hash.Hash) error {
	for gap := range st.covered.Gaps(r) {
		return &RangeError{Err: ErrDamaged, Range: gap, Offset: st.offset(), Length: st.length}
	}
	src := checkedReader{s: s, unsummed: true}
	defer src.close()
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	for sub, p := range st.extents.Within(r) {
		for n := int64(0); n < sub.Len(); {
			select {
			case <-s.verifiers.stopped:
				return ErrClosed
			default:
			}
			b := (*buf)[:min(sub.Len()-n, int64(len(*buf)))]
			if err := src.read(p.Cut(n), b); err != nil {
				return err
			}
			for _, h := range hashes {
				h.Write(b)
			}
			n += int64(len(b))
		}
	}
	return nil
}

// verifyNow checks digests of the whole of a state, published or not.
func (s *Store) verifyNow(st *state, want map[Algorithm][]byte) error {
	unknown := make(map[Algorithm][]byte)
	for alg, sum := range want {
		switch have := st.known[alg]; {
		case have == nil:
			unknown[alg] = sum
		case subtle.ConstantTimeCompare(have, sum) != 1:
			return ErrDigestMismatch
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	p := newProgress(unknown)
	if err := s.hashRange(st, ranges.Range{End: st.length}, p.hashes); err != nil {
		return err
	}
	if !p.matches(unknown) {
		return ErrDigestMismatch
	}
	return nil
}

// Digest returns a digest of the whole representation. It is computed at
// need, in O(size), and remembered with a complete resource while its version
// stays. CRC32C is put together of the checksums of what was written: it takes
// a thousandth of that time, and does not find out if the disk still returns
// the bytes. Unknown algorithms give nil.
func (sn *Snapshot) Digest(ctx context.Context, alg Algorithm) ([]byte, error) {
	if sum := sn.st.known[alg]; sum != nil {
		return sum, nil
	}
	if alg == CRC32C {
		sum, parts, err := sn.crc32c(ctx)
		if err == nil && parts > rememberCRC {
			sn.remember(ctx, alg, sum)
		}
		return sum, err
	}
	h := newHash(alg)
	if h == nil {
		return nil, nil
	}
	size := sn.st.info.Size()
	for off := int64(0); off < size; off += checkpointEvery / 16 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r := ranges.Range{Start: off, End: min(size, off+checkpointEvery/16)}
		if err := sn.s.hashRange(sn.st, r, map[Algorithm]hash.Hash{alg: h}); err != nil {
			return nil, err
		}
	}
	sum := h.Sum(nil)
	sn.remember(ctx, alg, sum)
	return sum, nil
}

// remember keeps a digest of the representation with a complete resource, if
// it still has the version of the snapshot.
func (sn *Snapshot) remember(ctx context.Context, alg Algorithm, sum []byte) {
	if !sn.st.complete || sn.s.writable() != nil {
		return
	}
	err := sn.s.commit(sn.sl, &ticket{eval: func(cur *state, b *batch) (*state, error) {
		if cur == nil || cur.version() != sn.st.version() {
			return cur, nil
		}
		return cur.withDigest(alg, sum), nil
	}})
	if err != nil {
		sn.s.opts.Logger.WarnContext(ctx, "cannot remember digest", "id", sn.st.id, "err", err)
	}
}

// A progress says how far the digests of a prefix are computed.
//
//	value of key 'h': | epoch varint | offset varint | ( length varint | state ) ... |
//	                  with the algorithms in ascending order
type progress struct {
	off    int64
	hashes map[Algorithm]hash.Hash
}

func newProgress(algs map[Algorithm][]byte) progress {
	p := progress{hashes: make(map[Algorithm]hash.Hash)}
	for alg := range algs {
		p.hashes[alg] = newHash(alg)
	}
	return p
}

func (p progress) matches(want map[Algorithm][]byte) bool {
	ok := true
	for alg, h := range p.hashes {
		ok = ok && subtle.ConstantTimeCompare(h.Sum(nil), want[alg]) == 1
	}
	return ok
}

// loadProgress returns the last checkpoint, or the beginning if there is none
// that holds: replaced bytes and newly declared digests void it.
func (s *Store) loadProgress(st *state) progress {
	v, err := s.get(idKey(kindHash, st.id))
	if err != nil || v == nil {
		return newProgress(st.declared)
	}
	d := decoder{b: v}
	epoch := d.uvarint()
	p := newProgress(st.declared)
	p.off = d.offset()
	for _, alg := range slices.Sorted(maps.Keys(p.hashes)) {
		b := d.bytes(int(min(d.uvarint(), 1<<10)))
		u := p.hashes[alg].(encoding.BinaryUnmarshaler)
		if d.bad || u.UnmarshalBinary(b) != nil {
			return newProgress(st.declared)
		}
	}
	if d.bad || len(d.b) > 0 || epoch != st.epoch || p.off > st.covered.Prefix() {
		return newProgress(st.declared)
	}
	return p
}

// saveProgress writes a checkpoint, if the resource is still there. It need
// not be durable: the log keeps it behind the commits whose bytes it covers.
func (s *Store) saveProgress(sl *slot, st *state, p progress) error {
	v := binary.AppendUvarint(nil, st.epoch)
	v = binary.AppendUvarint(v, uint64(p.off))
	for _, alg := range slices.Sorted(maps.Keys(p.hashes)) {
		b, err := p.hashes[alg].(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return err
		}
		v = binary.AppendUvarint(v, uint64(len(b)))
		v = append(v, b...)
	}
	return s.commit(sl, &ticket{eval: func(cur *state, _ *batch) (*state, error) {
		if cur == nil || cur.id != st.id || cur.complete {
			return cur, nil
		}
		return cur, s.db.Set(idKey(kindHash, st.id), v, pebble.NoSync)
	}})
}
