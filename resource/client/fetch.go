package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// fetch receives what is missing over several connections, and compares the whole with its digest.
func (d *download) fetch(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	earlier := d.plan.have
	d.verified = d.st.verifiedBy(d.o.Digest)
	var verifying sync.WaitGroup
	verifying.Go(func() {
		if err := d.verify(ctx, earlier); err != nil {
			cancel(err)
		}
	})
	stop := make(chan struct{})
	var saved sync.WaitGroup
	saved.Go(func() {
		if err := d.checkpoints(stop); err != nil {
			cancel(err)
		}
	})
	err := d.work(ctx, d.c.connections(), d.fetchClaim)
	close(stop)
	saved.Wait()
	if err == nil {
		verifying.Wait()
		err = context.Cause(ctx)
	}
	if err == nil && d.verified == CRC32C {
		err = d.st.compare(CRC32C, d.sums.whole(d.st.Length), d.st.crc)
	}
	cancel(err)
	verifying.Wait()
	if err != nil && !errors.Is(err, ErrDigest) {
		// What is there stays. If it cannot be noted, an earlier note holds.
		_ = d.part.save(d.present(), true)
	}
	return err
}

// present returns what is there.
func (d *download) present() ranges.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plan.have
}

// syncShare is how many times as long as a sync took it is until the next one, at least.
const syncShare = 9

// checkpoints notes every so often what is there, until stop is closed, and now and then makes it durable.
func (d *download) checkpoints(stop <-chan struct{}) error {
	tick := time.NewTicker(cmp.Or(d.o.Checkpoint, DefaultCheckpoint))
	defer tick.Stop()
	every := cmp.Or(d.o.SyncEvery, DefaultSyncEvery)
	next := time.Now().Add(every)
	for {
		select {
		case <-stop:
			return nil
		case begun := <-tick.C:
			durable := !begun.Before(next)
			if err := d.part.save(d.present(), durable); err != nil {
				return err
			}
			if now := time.Now(); durable {
				next = now.Add(max(every, syncShare*now.Sub(begun)))
			}
		}
	}
}

// fetchClaim receives one segment.
func (d *download) fetchClaim(ctx context.Context, cl claim) error {
	n, sum, err := d.receive(ctx, &cl)
	if n > 0 {
		got := ranges.Range{Start: cl.Start, End: cl.Start + n}
		if d.verified == CRC32C {
			d.sums.add(got, sum)
		}
		d.learn(ranges.NewSet(got))
		d.report.done(d.present().Size(), false)
	}
	switch {
	case err == nil:
		d.succeeded(cl)
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !temporary(err):
		return err
	}
	return d.failed(ctx, d.c, cl, err, func() error { return nil })
}

// receive writes the bytes of cl to their place in the file, and returns how many are there, from the start on, and
// their checksum if that is of use.
func (d *download) receive(ctx context.Context, cl *claim) (n int64, sum uint32, err error) {
	r := cl.Range
	resp, err := d.c.do(ctx, call{method: http.MethodGet, url: d.url, header: http.Header{
		fieldRange: {rangeField(r.Start, r.End)}, fieldIfMatch: {d.st.ETag}}})
	if err != nil {
		return 0, 0, d.st.lost(err)
	}
	defer resp.Body.Close()
	cl.latency = time.Since(cl.begun)
	if err := d.st.matches(resp, r); err != nil {
		return 0, 0, err
	}
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	for n < r.Len() {
		m, err := resp.Body.Read(buf[:min(int64(len(buf)), r.Len()-n)])
		if m > 0 {
			if _, err := d.part.WriteAt(buf[:m], r.Start+n); err != nil {
				return n, sum, err
			}
			n += int64(m)
			if d.verified == CRC32C {
				sum = crc32c.Update(sum, buf[:m])
			}
			d.report.moved(m)
		}
		if err == io.EOF && n < r.Len() {
			err = lostError(resp.Request, io.ErrUnexpectedEOF)
		}
		if err != nil && err != io.EOF {
			return n, sum, err
		}
	}
	return n, sum, nil
}

// matches returns an error unless resp has the bytes of r, which is not all of st, of the version st.
func (st *State) matches(resp *http.Response, r ranges.Range) error {
	if tag := resp.Header.Get(fieldETag); tag != "" && tag != st.ETag {
		return changed(st.URL)
	}
	if resp.StatusCode == http.StatusOK && r.Start == 0 && (r.End == st.Length || st.Length < 0) {
		if n := resp.ContentLength; n >= 0 && st.Length >= 0 && n != st.Length {
			return fmt.Errorf("%w: %s has %d bytes, and sends %d", ErrServer, redacted(st.URL), st.Length, n)
		}
		return nil
	}
	if resp.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("%w: GET %s: %d in the place of the range that was asked for", ErrServer, redacted(st.URL), resp.StatusCode)
	}
	got, err := ranges.ParseContentRange(resp.Header.Get(fieldContentRange))
	switch {
	case err != nil:
		return fmt.Errorf("%w: GET %s: %w", ErrServer, redacted(st.URL), err)
	case got.Range != r || got.Length >= 0 && got.Length != st.Length:
		return fmt.Errorf("%w: GET %s: %q in the place of bytes %d to %d of %d", ErrServer, redacted(st.URL), got, r.Start, r.End-1, st.Length)
	case resp.ContentLength >= 0 && resp.ContentLength != r.Len():
		return fmt.Errorf("%w: GET %s: %d bytes in the place of %d", ErrServer, redacted(st.URL), resp.ContentLength, r.Len())
	}
	return nil
}

// lost turns an error response that means that the version st is gone into one that says so.
func (st *State) lost(err error) error {
	switch statusOf(err) {
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return changed(st.URL)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s was removed while it was downloaded", ErrChanged, redacted(st.URL))
	}
	return err
}

// verify compares the whole with its digest, as it comes.
func (d *download) verify(ctx context.Context, earlier ranges.Set) error {
	switch d.verified {
	case CRC32C:
		return d.readBack(ctx, earlier)
	case SHA256:
		return d.follow(ctx)
	}
	return nil
}

// readBack adds the checksums of what an earlier download has left. Those of all else are added as it comes.
func (d *download) readBack(ctx context.Context, earlier ranges.Set) error {
	for r := range earlier.All() {
		h := crc32c.New()
		if err := hashSection(ctx, h, d.part, r.Start, r.Len()); err != nil {
			return err
		}
		d.sums.add(r, h.Sum32())
	}
	return nil
}

// follow hashes what is there from the start on, as it comes, and compares the digest of all of it.
func (d *download) follow(ctx context.Context) error {
	want, err := d.c.sumOf(ctx, d.st, SHA256)
	if err != nil || want == nil {
		return err
	}
	h := SHA256.hash()
	for off := int64(0); off < d.st.Length; {
		d.mu.Lock()
		end, changed := d.plan.have.Prefix(), d.changed
		d.mu.Unlock()
		if end == off {
			select {
			case <-changed:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			continue
		}
		if err := hashSection(ctx, h, d.part, off, end-off); err != nil {
			return err
		}
		off = end
	}
	return d.st.compare(SHA256, h.Sum(nil), want)
}
