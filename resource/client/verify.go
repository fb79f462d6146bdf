package client

import (
	"bytes"
	"context"
	"fmt"
	"hash"
	"io"
	"os"
)

// readable returns the state of the resource at url, which must be one that can be read as a whole, with the CRC-32C of
// the whole if alg has a use for it and the server tells it. SHA-256 is asked for later, beside the transfer: a server
// that does not know it has to read the whole before it answers.
func (c *Client) readable(ctx context.Context, url string, alg Algorithm) (*State, error) {
	want := ""
	if alg == "" || alg == CRC32C {
		want = wantCRC32C
	}
	var st *State
	err := c.retry(ctx, func() (err error) {
		st, err = c.ask(ctx, url, want)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !st.Complete:
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrIncomplete, redacted(url), st.Received.Size())
	}
	return st, nil
}

// verifiedBy returns the algorithm of the digest that the bytes of st are compared with.
func (st *State) verifiedBy(alg Algorithm) Algorithm {
	switch {
	case alg == "" && st.crc != nil:
		return CRC32C
	case alg == "":
		return SHA256
	case alg == CRC32C && st.crc == nil:
		return NoDigest
	}
	return alg
}

// sumOf returns the digest of all of st with an algorithm, nil if the server does not tell.
func (c *Client) sumOf(ctx context.Context, st *State, alg Algorithm) ([]byte, error) {
	switch alg {
	case CRC32C:
		return st.crc, nil
	case SHA256:
		d, err := c.digest(ctx, st)
		if err != nil || !d.Known() {
			return nil, err
		}
		return d.sum[:], nil
	}
	return nil, nil
}

// digest asks for the digest of the version st. It is not known if the server does not tell.
func (c *Client) digest(ctx context.Context, st *State) (Digest, error) {
	var now *State
	err := c.retry(ctx, func() (err error) {
		now, err = c.status(ctx, st.URL, true)
		return err
	})
	if err != nil {
		return Digest{}, err
	}
	if now.ETag != st.ETag {
		return Digest{}, changed(st.URL)
	}
	return now.Digest, nil
}

// compare returns an error unless the digest of what was received of st is what it should be, if that is known.
func (st *State) compare(alg Algorithm, got, want []byte) error {
	if want == nil || bytes.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%w: %s came with other bytes than its digest, %s %x, says", ErrDigest, redacted(st.URL), alg, want)
}

// A sequence hashes what comes in order, from the start.
type sequence struct {
	c   *Client
	st  *State
	alg Algorithm
	h   hash.Hash // nil: nothing is compared
}

func (c *Client) newSequence(st *State, alg Algorithm) *sequence {
	alg = st.verifiedBy(alg)
	return &sequence{c, st, alg, alg.hash()}
}

// to returns a writer to w that hashes what it is given, from the start.
func (s *sequence) to(w io.Writer) io.Writer {
	if s.h == nil {
		return w
	}
	s.h.Reset()
	return io.MultiWriter(s.h, w)
}

// verify compares the digest of what was written.
func (s *sequence) verify(ctx context.Context) error {
	want, err := s.c.sumOf(ctx, s.st, s.alg)
	if err != nil || want == nil {
		return err
	}
	return s.st.compare(s.alg, s.h.Sum(nil), want)
}

// there reports whether the file that exists, of the given size, has the content of the resource. Nothing is received
// then, so it takes more than that the CRC-32C is the same, unless that is what the caller wants.
func (d *download) there(ctx context.Context, size int64) (bool, error) {
	if size != d.st.Length {
		return false, nil
	}
	algs := []Algorithm{SHA256}
	switch {
	case d.o.Digest == CRC32C:
		algs = []Algorithm{CRC32C}
	case d.st.crc != nil:
		algs = []Algorithm{CRC32C, SHA256} // the cheaper one first
	}
	f, err := d.dir.OpenFile(d.path, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for _, alg := range algs {
		want, err := d.c.sumOf(ctx, d.st, alg)
		if err != nil || want == nil {
			return false, err
		}
		h := alg.hash()
		if err := hashSection(ctx, h, f, 0, size); err != nil {
			return false, err
		}
		if !bytes.Equal(h.Sum(nil), want) {
			return false, nil
		}
	}
	return true, nil
}
