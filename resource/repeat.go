package resource

import (
	"errors"
	"io"

	"github.com/infill-http/infill/store"
)

// repeated reports whether the request was already performed, so that a client which lost the response can send it again
// in spite of its preconditions (RFC 9110, Section 13.1.1): the last commit was made from the state that they name, over
// the one range that it names now, and the bytes are the same. equal compares them: it reads the content, and is only
// called if all else is so. A client that waits for 100 (Continue) asked to be told first.
func (u *update) repeated(whole bool, equal func(Snapshot) (bool, error)) (*store.Info, error) {
	if u.q.body.waits() || u.q.ContentLength == 0 {
		return nil, nil
	}
	sn, err := u.h.Store.Snapshot(u.q.Context(), string(u.name))
	if err != nil {
		return nil, nil // the precondition is what failed
	}
	defer sn.Close()
	info := sn.Info()
	if info.BaseRange.Empty() || info.BaseRange.End > info.Size() || !u.conds.namesBase(info) {
		return nil, nil
	}
	if whole && (!info.Complete || info.BaseRange.Start != 0 || info.BaseRange.End != info.Length) {
		return nil, nil
	}
	u.q.body.watchTrailers() // nothing is staged that could be read again
	same, err := equal(sn)
	switch {
	case errors.Is(err, store.ErrDamaged):
		return nil, nil // nobody can tell any more
	case err != nil:
		return nil, err
	case !same:
		return nil, nil // and maybe not all of the content was read, so that its digest is not known
	}
	if err := u.q.body.verify(u.content, u.roles.content, u.q.prefer.strict); err != nil {
		return nil, err
	}
	return info, nil
}

// namesBase reports whether c holds for the state that the last commit to info was made from, and for no other reason
// fails for info.
func (c *conditions) namesBase(info *store.Info) bool {
	fresh := info.Base == (store.Version{})
	switch {
	case !c.ifUnmodifiedSince.IsZero():
		return false
	case c.ifMatch != nil:
		return !c.ifMatch.any && !fresh && c.ifMatch.matchStrong(entityTag(info.Base)) && c.ifNoneMatch == nil
	case c.ifNoneMatch != nil:
		return c.ifNoneMatch.any && fresh
	}
	return false
}

// sameBytes reports whether r has exactly the bytes of rng of sn. It reads r to its end, unless they differ.
func sameBytes(r io.Reader, sn Snapshot, off, n int64) (bool, error) {
	a, b := make([]byte, compareSize), make([]byte, compareSize)
	for {
		k, err := io.ReadFull(r, a)
		if int64(k) > n {
			return false, nil
		}
		if _, rerr := sn.ReadAt(b[:k], off); rerr != nil && rerr != io.EOF {
			return false, rerr
		}
		if string(a[:k]) != string(b[:k]) {
			return false, nil
		}
		off, n = off+int64(k), n-int64(k)
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return n == 0, nil
		default:
			return false, err
		}
	}
}

const compareSize = 64 << 10
