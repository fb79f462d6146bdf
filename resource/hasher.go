package resource

import (
	"crypto/subtle"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/infill-http/infill/ranges/crc32c"
	"github.com/infill-http/infill/store"
)

const (
	// hashAlone is how many bytes of a stretch are hashed by the goroutine that writes them: less is not worth another one.
	hashAlone = 64 << 10
	// hashBlock is how many bytes the other goroutine gets at a time, and hashAhead how many such blocks may wait for it.
	// They bound the memory of one stretch.
	hashBlock = 64 << 10
	hashAhead = 4
	// hashLeast is the least that is handed over; fewer bytes are hashed in the time that this takes.
	hashLeast = 4 << 10
)

// A block is a copy of bytes that are to be hashed.
type block struct {
	n int // of b that are used
	b [hashBlock]byte
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// A hasher computes the digests that were announced for one stretch of bytes. A long stretch is hashed beside the
// goroutine that writes it, which so can do something else with the bytes at the same time: the bytes are copied, so they
// are free as soon as Write returns. Where that copy costs as much as the digest, nothing runs beside. The zero value
// computes none. It is not safe for concurrent use.
type hasher struct {
	algs   []store.Algorithm
	sums   []hash.Hash // while work runs, its own
	costly bool        // a sum takes longer than a copy of the bytes

	n     int64 // bytes written
	queue chan *block

	mu   sync.Mutex    // guards idle
	idle chan struct{} // closed when work ends, nil if it does not run
}

// watch makes s compute alg too, if it does not already. It is called before the first byte.
func (s *hasher) watch(alg store.Algorithm) {
	if !s.watches(alg) {
		s.algs = append(s.algs, alg)
		s.sums = append(s.sums, hashes[alg]())
		s.costly = s.costly || alg != store.CRC32C
	}
}

// watches reports whether s computes alg.
func (s *hasher) watches(alg store.Algorithm) bool {
	for _, a := range s.algs {
		if a == alg {
			return true
		}
	}
	return false
}

// sum returns the digest for alg of all that was written, nil if it is not computed.
func (s *hasher) sum(alg store.Algorithm) []byte {
	s.wait()
	for i, a := range s.algs {
		if a == alg {
			return s.sums[i].Sum(nil)
		}
	}
	return nil
}

// Write adds p to the hashes. It never fails.
func (s *hasher) Write(p []byte) (int, error) {
	n := len(p)
	if len(s.sums) == 0 || n == 0 {
		return n, nil
	}
	if s.n += int64(n); s.n <= hashAlone || n < hashLeast || !s.costly {
		s.wait()
		s.add(p)
		return n, nil
	}
	for len(p) > 0 {
		b := blocks.Get().(*block)
		b.n = copy(b.b[:], p)
		p = p[b.n:]
		s.hand(b)
	}
	return n, nil
}

// joins reports whether all that s computes follows from checksums of the bytes, so that join can take the place of Write.
func (s *hasher) joins() bool { return len(s.algs) == 1 && s.algs[0] == store.CRC32C }

// join adds n bytes that have the CRC-32C crc. It is called only if s joins.
func (s *hasher) join(n int64, crc uint32) {
	s.n += n
	s.sums[0].(*crc32c.Hash).Join(crc, n)
}

// A summed is bytes that are staged, which is when they get into a hash that joins: the store computes their checksums
// anyway. It implements store.Summed.
type summed struct {
	io.Reader
	hash *hasher
}

func (s summed) Staged(n int64, crc uint32) { s.hash.join(n, crc) }

// add adds p to the hashes.
func (s *hasher) add(p []byte) {
	for _, h := range s.sums {
		h.Write(p)
	}
}

// hand gives b to the other goroutine, and starts that if it does not run.
func (s *hasher) hand(b *block) {
	if s.queue == nil {
		s.queue = make(chan *block, hashAhead)
	}
	s.queue <- b // when the queue is full, work runs
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == nil {
		s.idle = make(chan struct{})
		go s.work()
	}
}

// work hashes what is in the queue, and ends when that is empty: so nobody has to end it.
func (s *hasher) work() {
	for {
		select {
		case b := <-s.queue:
			s.add(b.b[:b.n])
			blocks.Put(b)
		default:
			s.mu.Lock()
			if len(s.queue) > 0 {
				s.mu.Unlock()
				continue
			}
			close(s.idle)
			s.idle = nil
			s.mu.Unlock()
			return
		}
	}
}

// wait returns when all that was written is in the hashes.
func (s *hasher) wait() {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// verify returns an error if the bytes do not have all the digests ds.
func (s *hasher) verify(ds []digest) error {
	var bad []digestEntry
	for _, d := range ds {
		sum := s.sum(d.alg)
		if sum == nil {
			return fmt.Errorf("%w: %s in %s", errDigestUnannounced, d.alg, d.field)
		}
		if subtle.ConstantTimeCompare(sum, d.sum) == 0 {
			bad = append(bad, digestEntry{Algorithm: string(d.alg), Header: d.field, Provided: byteSequence(d.sum)})
		}
	}
	if bad != nil {
		return &digestError{errDigestMismatch, bad}
	}
	return nil
}
