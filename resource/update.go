package resource

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// An update is one request that writes content to one resource: a PATCH, a PUT, or a POST. It is begun before any content
// is read, filled, and then committed in one step, or, if the client prefers transaction=persist, as it is filled.
type update struct {
	h    *Handler
	w    http.ResponseWriter
	q    *request
	name name // of the resource that is written, not always the target of the request

	meta       store.Metadata // that the fields of the request give the resource
	conds      conditions
	fill       bool  // names ranges: for If-None-Match, an incomplete resource is then as if absent
	create     bool  // replaces the resource whole, or makes a new one
	length     int64 // that the resource was declared to have by the request, or -1
	mayCreate  bool  // an absent resource may be created
	sequential bool  // there is one part
	persist    bool  // what was received stays, even if the request fails later

	content  []digest    // that the content of the request must have
	roles    digestRoles // of the digest fields in header and trailer section
	awaiting bool        // a digest decides at the end of the content if any of it counts
	raw      bool        // the content is bytes of the resource, from start on, and nothing else
	start    int64

	tx      Tx
	auto    bool        // tx commits by itself as it is written
	last    *store.Info // what the transactions before tx committed, nil: nothing
	created bool        // one of them created the resource
	final   atomic.Bool // all content was received, and is right; check reads it during commits in the background
	some    bool        // tx holds, or has committed, some of the content: bytes, or a part that is whole without any
	discard bool        // what tx holds is known to be wrong
}

// newUpdate returns the update that q asks for, not yet begun. segment says that its content is a part of a
// representation. It checks everything that needs neither the state nor the content, in that order (RFC 9110, Section
// 13.2.1).
func (h *Handler) newUpdate(w http.ResponseWriter, q *request, segment bool) (*update, error) {
	if err := h.checkContent(q); err != nil {
		return nil, err
	}
	u := &update{h: h, w: w, q: q, name: q.name, length: -1, persist: q.prefer.persist, mayCreate: true}
	var err error
	if u.conds, err = parseConditions(q.Request); err != nil {
		return nil, err
	}
	u.roles = roles(q, segment)
	if u.content, err = q.body.watch(u.roles.content, q.prefer.strict); err != nil {
		return nil, err
	}
	u.awaiting = len(u.content) > 0 || q.body.announces(u.roles.content)
	return u, nil
}

// begin starts the transaction: it evaluates the preconditions.
func (u *update) begin() error {
	if err := u.open(u.persist && !u.awaiting); err != nil {
		return err
	}
	if u.create && u.persist && u.tx.Info() != nil {
		// A whole representation that replaces another one cannot be kept in part (draft-ietf-httpapi-patch-byterange-03,
		// Appendix A): readers have the old one until all of the new one is there.
		u.tx.Rollback()
		u.persist = false
		return u.open(false)
	}
	return nil
}

func (u *update) open(auto bool) error {
	tx, err := u.h.Store.Begin(lasting(u.q), string(u.name), store.TxOptions{
		Cond:       u.check,
		Create:     u.create,
		Persist:    auto,
		Replace:    u.conds.ifMatch != nil && !u.conds.ifMatch.any,
		Sequential: u.sequential,
	})
	if err != nil {
		return err
	}
	u.tx, u.auto = tx, auto
	return nil
}

// check is the condition of the transactions of u. Before the first commit of u these are the preconditions of the
// request. Later, a request that named a state goes on only from the states that it made itself; one that did not does
// not care who else writes (RFC 9110, Section 13.1; draft-ietf-httpapi-patch-byterange-03, Appendix A).
func (u *update) check(cur, own *store.Info) error {
	if own == nil {
		own = u.last
	}
	if own != nil {
		switch {
		case cur == nil || cur.ID != own.ID:
			return errSuperseded
		case u.conds.pins() && cur.Version != own.Version:
			return errSuperseded
		}
		return nil
	}
	switch {
	case cur == nil && !u.mayCreate:
		return store.ErrNotFound
	case u.fill && cur != nil && !cur.Complete && !u.h.StrictNoneMatch && u.conds.ifNoneMatch != nil && u.conds.ifNoneMatch.any:
		c := u.conds
		c.ifNoneMatch = nil
		if err := c.require(cur); err != nil {
			return err
		}
	default:
		if err := u.conds.require(cur); err != nil {
			return err
		}
	}
	switch {
	case u.tx == nil && u.h.RequireConditions && cur != nil && cur.Complete && u.conds.empty():
		return errRequired
	case u.tx != nil && u.create && u.persist && cur != nil && !u.final.Load():
		return errSuperseded // in part, it must not replace what was created meanwhile
	}
	return nil
}

// run begins u, has fill write the content, and commits. If the state does not satisfy the preconditions, but repeated
// finds that u was already made, the result is that of the earlier request.
func (u *update) run(fill func(*update) error) (store.Result, error) {
	if err := u.begin(); err != nil {
		return store.Result{}, err
	}
	defer func() { u.tx.Rollback() }()
	if !u.rereads() {
		u.q.body.watchTrailers()
	}
	u.applied(u.w.Header())
	err := u.describe()
	if err == nil {
		err = fill(u)
	}
	if err == nil {
		err = u.q.body.finish()
	}
	if err == nil {
		err = u.verify()
		u.discard = u.discard || err != nil
	}
	if err == nil {
		err = u.declare(u.q.Trailer)
	}
	if err != nil {
		u.keep()
		return store.Result{}, err
	}
	u.final.Store(true)
	res, err := u.tx.Commit(lasting(u.q))
	res.Created = res.Created || u.created
	return res, err
}

// rereads reports whether the content can be read again at its end, because all of it is staged. So a digest that nobody
// announced costs something only if it comes.
func (u *update) rereads() bool { return u.raw && !u.auto }

// verify returns an error if the content, which was read to its end, has not all the digests that it was given.
func (u *update) verify() error {
	ds, err := u.q.body.digests(u.content, u.roles.content, u.q.prefer.strict)
	if err != nil {
		return err
	}
	hash := &u.q.body.hash
	if !u.rereads() || !u.q.body.mayTrail() || hash.watches(store.SHA256) {
		return hash.verify(ds)
	}
	late := slices.DeleteFunc(slices.Clone(ds), func(d digest) bool { return d.alg != store.SHA256 })
	if len(late) > 0 {
		var again hasher
		again.watch(store.SHA256)
		if err := u.tx.ReadStaged(&again, ranges.Range{Start: u.start, End: u.start + u.q.body.n}); err != nil {
			return err
		}
		if err := again.verify(late); err != nil {
			return err
		}
	}
	return hash.verify(slices.DeleteFunc(ds, func(d digest) bool { return d.alg == store.SHA256 }))
}

// describe tells the transaction what the header section says of the whole representation.
func (u *update) describe() error {
	if err := u.tx.SetMetadata(u.meta); err != nil {
		return err
	}
	return u.declare(u.q.Header)
}

// keep commits what a failed request wrote, if it asked for that. A request of whose content nothing counts changes
// nothing: it neither makes a resource nor describes one. With a digest of the content that is still awaited,
// only content that was cut off is kept: of all other, it is not known if it is what the client meant.
func (u *update) keep() {
	if !u.persist || u.discard || !u.some {
		return
	}
	if u.awaiting {
		switch {
		case u.q.body.lost():
		case !u.q.body.complete(), u.q.body.verify(u.content, u.roles.content, false) != nil:
			return
		}
	}
	// Not a commit: the length that the whole of it was to arrive at does not bind the part.
	if _, err := u.tx.Persist(lasting(u.q)); err != nil {
		u.h.log(u.q, newProblem(err).Status, "interrupted write was not kept", err)
	}
}

// settle commits what was written so far, and goes on with a transaction that commits only when it is told to. So a part
// that turns out to be wrong can be dropped alone.
func (u *update) settle() error {
	switch {
	case !u.some && u.auto:
		u.tx.Rollback()
		if err := u.open(false); err != nil {
			return err
		}
		return u.describe()
	case !u.some:
		return nil
	case !u.auto:
		res, err := u.tx.Persist(lasting(u.q))
		if err == nil {
			u.created = u.created || res.Created
		}
		return err
	}
	res, err := u.tx.Commit(lasting(u.q))
	if err != nil && !errors.Is(err, store.ErrDigestMismatch) {
		return err
	}
	u.last, u.created = res.Info, res.Created
	return u.open(false)
}

// declare tells the transaction the digests of the whole representation that hd gives.
func (u *update) declare(hd http.Header) error {
	ds, err := parseDigestFields(hd, u.roles.whole, u.q.prefer.strict)
	if err != nil {
		return err
	}
	return u.declareDigests(ds)
}

func (u *update) declareDigests(ds []digest) error {
	for _, d := range ds {
		if err := u.tx.Declare(d.alg, d.sum); err != nil {
			return err
		}
	}
	return nil
}

// whole writes the content of the request as all of the representation. If the length is known it fixes the
// complete-length from the first commit on; otherwise the end of the content does.
func (u *update) whole() error {
	n := u.q.ContentLength
	length := max(n, u.length)
	u.q.body.hold()
	got, err := u.tx.WriteFrom(u.q.body.skip(u.q.body, 0), 0, n, length)
	u.some = got > 0 || err == nil
	switch {
	case n < 0 && length >= 0 && errors.Is(err, store.ErrLengthConflict):
		return errDeclared
	case err != nil:
		return err
	case length < 0:
		if err := u.tx.SetLength(got); err != nil {
			return err
		}
	case got != length:
		return errDeclared
	}
	for _, alg := range u.q.body.hash.algs {
		if alg != store.CRC32C {
			u.tx.Computed(alg, u.q.body.hash.sum(alg))
		}
	}
	return nil
}

// setLength sets the length that the request declared, if it did.
func (u *update) setLength() error {
	if u.length < 0 {
		return nil
	}
	return u.tx.SetLength(u.length)
}

// applied tells which transaction preference was followed.
func (u *update) applied(hd http.Header) {
	switch {
	case u.persist:
		hd.Set(fieldPreferenceApplied, "transaction=persist")
	case u.q.prefer.atomic:
		hd.Set(fieldPreferenceApplied, "transaction=atomic")
	}
}
