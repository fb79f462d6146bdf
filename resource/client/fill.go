package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/infill-http/infill/ranges"
)

// fill sends what is missing, and returns the state of the complete resource.
func (u *upload) fill(ctx context.Context) (*State, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if u.o.Whole != WholeNever && !u.digest.Known() {
		u.plan.held = u.keystone()
		u.guarded = true
		go func() {
			if err := u.guard(ctx); err != nil {
				cancel(err)
			}
		}()
	}
	const rounds = 3
	for range rounds {
		n := u.c.connections()
		if !u.segmented {
			n = 1
		}
		if err := u.work(ctx, n, u.sendClaim); err != nil {
			return nil, err
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		st, err := u.finish(ctx)
		if st != nil || err != nil {
			return st, err
		}
	}
	return nil, fmt.Errorf("%w: %s lacks bytes that it acknowledged", ErrServer, redacted(u.url))
}

// sendClaim sends one segment.
func (u *upload) sendClaim(ctx context.Context, cl claim) error {
	u.mu.Lock()
	strict := u.strict
	digest := u.digest
	if u.told && u.plan.missing() > cl.Len() {
		digest = Digest{} // it need not be told each time
	}
	fields := u.fields(digest)
	u.mu.Unlock()
	head, err := rangePart(cl.Range, u.size, fields)
	if err != nil {
		return err
	}
	hd := http.Header{fieldPrefer: {"transaction=persist"}}
	if u.segmented {
		// The resource must be there, or else it was removed; and must not be complete, or else bytes of it would be
		// overwritten one segment after the other.
		hd.Set(fieldIfMatch, "*")
		if !strict {
			hd.Set(fieldIfNoneMatch, "*")
		}
	}
	if digest.Known() {
		hd.Set(fieldWantReprDigest, wantSHA256)
	}
	st, err := u.c.send(ctx, patch{url: u.url, head: head, src: u.src, r: cl.Range, header: hd,
		digest: u.o.Segments, moved: u.report.moved, slow: digest.Known(),
		pace: u.pace, began: func() { cl.begun = time.Now() }})
	if err != nil {
		return u.refused(ctx, cl, strict, err)
	}
	u.mu.Lock()
	u.told = u.told || digest.Known()
	if st.Complete && st.Segmented && u.final == nil {
		st.Length = u.size
		u.final, u.ended = st, true
	}
	u.mu.Unlock()
	u.succeeded(cl)
	u.note(st)
	return nil
}

// note learns from a state, and reports progress.
func (u *upload) note(st *State) {
	if st != nil && st.Segmented && !st.Complete {
		u.learn(st.Received)
	}
	u.mu.Lock()
	done, foreign := u.plan.have.Size(), u.plan.foreign
	u.mu.Unlock()
	if foreign {
		u.needDigest()
	}
	u.report.done(done, false)
}

// refused deals with the error of a segment. What it returns ends the upload.
func (u *upload) refused(ctx context.Context, cl claim, strict bool, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	st := stateOf(err, u.url)
	switch {
	case errors.Is(err, ErrDigest) && st != nil && st.Received.Covers(cl.Range):
		return u.mismatch(err)
	case errors.Is(err, ErrChanged): // 412, or the resource is another one now
		return u.explain(ctx, cl, strict, err)
	case errors.Is(err, ErrNotFound):
		return u.gone()
	case statusOf(err) == http.StatusRequestEntityTooLarge && cl.Len() > u.c.minSegment():
		u.mu.Lock()
		u.plan.most = max(u.c.minSegment(), cl.Len()/2)
		u.plan.failed(cl.Range)
		u.plan.segment = min(u.plan.segment, u.plan.most)
		u.wake()
		u.mu.Unlock()
		return nil
	case !temporary(err):
		return segmentError(cl.Range, err)
	}
	u.note(st)
	err = u.failed(ctx, u.c, cl, err, func() error { return u.recover(ctx) })
	if err != nil && ctx.Err() == nil {
		err = segmentError(cl.Range, err)
	}
	return err
}

// recover finds out what is committed after a failure.
func (u *upload) recover(ctx context.Context) error {
	st, err := u.c.status(ctx, u.url, false)
	switch {
	case errors.Is(err, ErrNotFound):
		if !u.segmented {
			return nil // nothing was kept, and the next segment creates the resource anew
		}
		return u.gone()
	case err != nil:
		return err
	}
	if st.Complete && st.Segmented {
		u.mu.Lock()
		u.ended = true
		u.wake()
		u.mu.Unlock()
		return nil
	}
	if !st.Segmented {
		u.mu.Lock()
		u.plan.have = st.Received.Intersect(ranges.NewSet(u.plan.all())) // all that it has, and nothing else
		u.mu.Unlock()
		return nil
	}
	u.learn(st.Received)
	u.note(st)
	return nil
}

// explain finds out why a condition of a segment did not hold.
func (u *upload) explain(ctx context.Context, cl claim, strict bool, cause error) error {
	err := u.c.retry(ctx, func() error { return u.recover(ctx) })
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.plan.failed(cl.Range)
	u.wake()
	switch {
	case u.ended:
		return nil
	case statusOf(cause) == http.StatusPreconditionFailed && !strict:
		u.strict = true
		return nil
	}
	return segmentError(cl.Range, cause)
}

func (u *upload) gone() error {
	return fmt.Errorf("%w: %s was removed while it was uploaded", ErrChanged, redacted(u.url))
}

// mismatch is the verdict that the bytes of the resource do not have the declared digest.
func (u *upload) mismatch(err error) error {
	return fmt.Errorf("%s has all bytes and is not complete, because they are not those of the source: the source changed while it was sent, or something else was begun there: %w",
		redacted(u.url), err)
}

// finish returns the state of the complete resource, or nil if bytes are missing after all.
func (u *upload) finish(ctx context.Context) (*State, error) {
	digest, err := u.known(ctx)
	if err != nil {
		return nil, err
	}
	if st := u.final; st != nil && (st.Digest.Known() || !digest.Known()) {
		return st, u.right(st)
	}
	for n := 1; ; n++ {
		st, err := u.c.state(ctx, u.url, digest.Known())
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, u.gone()
		case err != nil:
			return nil, err
		case st.Complete && st.Segmented && u.final == nil && st.Length != u.size:
			return nil, fmt.Errorf("%w: %s was completed by someone else, with %d bytes", ErrChanged, redacted(u.url), st.Length)
		case st.Complete && st.Segmented && u.final == nil && !digest.Known():
			// Nobody told this client that its bytes are those that were completed.
			if digest, err = digestOf(ctx, u.src, u.size); err != nil {
				return nil, err
			}
			u.digest = digest
			continue
		case st.Complete && (st.Segmented || st.Length == u.size):
			return st, u.right(st)
		}
		missing := ranges.NewSet(u.plan.all()).Subtract(st.Received)
		if !missing.Empty() {
			u.mu.Lock()
			u.plan.have, u.plan.cursor, u.ended = st.Received, -1, false
			u.mu.Unlock()
			return nil, nil
		}
		// All is there, and the server has not verified it yet, or does not know that it is all. This waits for it.
		if err := u.setLength(ctx, digest); err != nil && (!temporary(err) || errors.Is(err, ErrDigest)) {
			if errors.Is(err, ErrDigest) {
				err = u.mismatch(err)
			}
			return nil, err
		} else if err != nil || n > 1 {
			if err == nil {
				err = fmt.Errorf("%w: %s has all bytes and is not complete", ErrServer, redacted(u.url))
			}
			if err := u.c.again(ctx, n, err); err != nil {
				return nil, err
			}
		}
	}
}

// setLength writes nothing but the length.
func (u *upload) setLength(ctx context.Context, digest Digest) error {
	head, err := lengthPart(u.size, u.fields(digest))
	if err != nil {
		return err
	}
	hd := http.Header{}
	if u.segmented {
		hd.Set(fieldIfMatch, "*")
	}
	_, err = u.c.send(ctx, patch{url: u.url, head: head, src: u.src, header: hd, slow: true})
	return err
}
