package client

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/infill-http/infill/ranges"
)

const (
	// keystoneSize is how many bytes are held back at most.
	keystoneSize = 64 << 10

	// A digest that is not needed is computed if after hashAfter the upload goes slower than hashBelow bytes per second.
	hashAfter = 2 * time.Second
	hashBelow = 256 << 20
)

// keystone returns the bytes that are held back until it is sure that the source did not change: the last ones that are
// missing. All clients that share an upload hold back the same ones, and the resource is not complete before one of them
// has told the digest.
func (u *upload) keystone() ranges.Range {
	var last ranges.Range
	for gap := range u.plan.have.Gaps(u.plan.all()) {
		last = gap
	}
	last.Start = max(last.Start, last.End-keystoneSize)
	return last
}

// A sourceStat is what a source tells of itself. It is zero if it tells nothing.
type sourceStat struct {
	modified time.Time
	size     int64
}

// stat asks the source.
func (u *upload) stat() (sourceStat, error) {
	f, ok := u.src.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return sourceStat{}, nil
	}
	info, err := f.Stat()
	if err != nil {
		return sourceStat{}, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if info.Mode().IsRegular() && info.Size() < u.size {
		return sourceStat{}, fmt.Errorf("%w: it has %d bytes, want %d", ErrSource, info.Size(), u.size)
	}
	return sourceStat{info.ModTime(), info.Size()}, nil
}

// needDigest has the digest computed.
func (u *upload) needDigest() {
	select {
	case u.need <- struct{}{}:
	default:
	}
}

// guard releases the keystone when that is safe.
func (u *upload) guard(ctx context.Context) error {
	hash := u.o.Whole == WholeAlways || u.was.modified.IsZero()
	if !hash {
		var err error
		if hash, err = u.awaitRest(ctx); err != nil {
			return err
		}
	}
	var digest Digest
	var err error
	if hash {
		if digest, err = digestOf(ctx, u.src, u.size); err == nil {
			err = u.sameSize()
		}
	} else {
		err = u.unchanged()
	}
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.digest, u.plan.held, u.guarded = digest, ranges.Range{}, false
	u.wake()
	return nil
}

// awaitRest waits until all but the keystone is there. It returns true before that if the digest is needed, or costs no
// time.
func (u *upload) awaitRest(ctx context.Context) (hash bool, err error) {
	timer := time.NewTimer(hashAfter)
	defer timer.Stop()
	for {
		u.mu.Lock()
		rest, changed, ended := u.plan.missing()-u.plan.held.Len(), u.changed, u.ended
		u.mu.Unlock()
		if ended {
			return true, nil // by someone else, who need not have had the same bytes
		}
		select {
		case <-u.need:
			return true, nil
		default:
		}
		if rest == 0 {
			return false, nil
		}
		select {
		case <-changed:
		case <-u.need:
			return true, nil
		case <-timer.C:
			if float64(u.report.total()) < hashBelow*time.Since(u.began).Seconds() {
				return true, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// unchanged returns an error if the source was modified since the upload began.
func (u *upload) unchanged() error {
	now, err := u.stat()
	if err == nil && !now.modified.Equal(u.was.modified) {
		err = fmt.Errorf("%w: it was modified while it was sent", ErrSource)
	}
	return err
}

// sameSize returns an error if the source is longer or shorter than when the upload began. The digest does not tell that
// there is more of it now.
func (u *upload) sameSize() error {
	now, err := u.stat()
	if err == nil && now.size != u.was.size {
		err = fmt.Errorf("%w: it had %d bytes when the upload began, and has %d now", ErrSource, u.was.size, now.size)
	}
	return err
}

// known returns the digest, if it is or gets known, after waiting for guard.
func (u *upload) known(ctx context.Context) (Digest, error) {
	for {
		u.mu.Lock()
		digest, guarded, changed := u.digest, u.guarded, u.changed
		u.mu.Unlock()
		if !guarded {
			return digest, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Digest{}, context.Cause(ctx)
		}
	}
}
