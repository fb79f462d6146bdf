package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// DownloadOptions say how a resource is downloaded. Nil has the defaults.
type DownloadOptions struct {
	// Restart throws away what an earlier download to the same file has left.
	Restart bool

	// Digest is the algorithm of the digest that the server has for the whole, and that what came is compared with. If
	// the server does not tell one with this algorithm, nothing is compared. Default: CRC32C if the server tells that,
	// and else SHA256.
	//
	// CRC32C finds damage, on the way and on a disk, and no forgery. It is computed of each piece as it comes, and a
	// server that keeps checksums need not read anything for it. SHA256 is computed in order, beside the transfer, at
	// less than the speed of a fast network; that of the server may have to read the whole once. It finds forgery too,
	// but only if what tells the digest cannot be forged itself. NoDigest compares nothing.
	Digest Algorithm

	// Sync makes the finished file durable before Download returns.
	Sync bool

	// Checkpoint is how often it is noted in the sidecar what was received: what a kill can cost. SyncEvery is how often
	// that is made durable at most: what a loss of power can cost, or ten times as long as making it durable takes, if
	// that is more. Where it cannot be told if the system was started anew, it is made durable whenever it is noted.
	// Defaults: DefaultCheckpoint, DefaultSyncEvery.
	Checkpoint, SyncEvery time.Duration

	// Root, if it is not nil, is the directory that the path is relative to, and that no link in it leads out of. Default:
	// the path is that of any file.
	Root *os.Root

	// Progress, if it is not nil, is called now and then, by one goroutine at a time.
	Progress func(Progress)

	// Stale, if it is not nil, is called if an earlier download to the same file is thrown away, because the resource
	// is another version now.
	Stale func()
}

// Defaults of DownloadOptions.
const (
	DefaultCheckpoint = time.Second
	DefaultSyncEvery  = 10 * time.Second
)

// Download gets the complete resource at url into the file at path, which is replaced when all is there, and returns the
// state of the resource. Until then the bytes are in a file with the suffix .part, and a second one with the suffix
// .part.json says which; the same call goes on with them, if the resource is still the same version. If path has the
// content already, as the digest of the server shows (SHA256, unless o.Digest is CRC32C), nothing is received.
//
// If the resource is not complete, the error wraps ErrIncomplete; if it changes meanwhile, ErrChanged, and the next call
// begins anew. If another call has begun the same download and is still at work, it wraps ErrBusy.
//
// A file that is replaced hands on its permissions. If path is a symbolic link to a file, and o.Root is not set, that file
// is replaced.
func (c *Client) Download(ctx context.Context, url, path string, o *DownloadOptions) (*State, error) {
	if o == nil {
		o = new(DownloadOptions)
	}
	d := &download{c: c, o: *o, url: url, dir: systemFiles{}, path: path}
	if o.Root != nil {
		d.dir = o.Root
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return d.run(ctx)
}

// A download is one call of Download.
type download struct {
	transfer
	c      *Client
	o      DownloadOptions
	url    string
	dir    fileSystem
	path   string
	st     *State
	part   *partFile
	report reporter

	verified Algorithm // by which the whole is
	sums     checksums // of what is there, if that is CRC32C
}

func (d *download) run(ctx context.Context) (*State, error) {
	info, err := d.dir.Stat(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if info != nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "download", Path: d.path, Err: errors.New("not a regular file")}
	}
	if info != nil && d.o.Root == nil {
		if d.path, err = filepath.EvalSymlinks(d.path); err != nil {
			return nil, err
		}
	}
	if d.st, err = d.c.readable(ctx, d.url, d.o.Digest); err != nil {
		return nil, err
	}
	if info != nil && d.o.Digest != NoDigest {
		same, err := d.there(ctx, info.Size())
		if same {
			err = clearSidecar(d.dir, d.path)
		}
		if same || err != nil {
			return d.st, err
		}
	}
	part, have, stale, err := openPart(d.dir, d.path, d.st, d.o.Restart)
	if err != nil {
		return nil, err
	}
	defer part.Close()
	d.part = part
	if info != nil {
		if err := part.Chmod(info.Mode().Perm()); err != nil {
			return nil, err
		}
	}
	if stale && d.o.Stale != nil {
		d.o.Stale()
	}
	d.report = reporter{f: d.o.Progress, now: Progress{Size: d.st.Length, Done: have.Size()}}
	if !d.st.ranged && !d.st.Segmented || strongTag(d.st.ETag) == "" || d.st.Length < 0 {
		err = d.single(ctx)
	} else {
		d.transfer = transfer{plan: newPlan(d.c, d.st.Length), changed: make(chan struct{})}
		d.plan.have, d.plan.fast = have, fastFetch
		d.plan.segment = max(d.plan.least, d.plan.segment/4)
		err = d.fetch(ctx)
	}
	if errors.Is(err, ErrDigest) {
		err = errors.Join(err, part.forget()) // nobody knows which of the bytes are right
	}
	if err != nil {
		return nil, err
	}
	if err := part.finish(d.o.Sync); err != nil {
		return nil, err
	}
	d.report.done(d.st.Length, true)
	return d.st, nil
}

// changed is the error for a resource that is not what it was.
func changed(url string) error {
	return fmt.Errorf("%w: %s; what was received of it is of no use", ErrChanged, redacted(url))
}

// single receives all with one request, from the start.
func (d *download) single(ctx context.Context) error {
	seq := d.c.newSequence(d.st, d.o.Digest)
	begin := func() io.Writer { return seq.to(io.NewOffsetWriter(d.part, 0)) }
	again := func() (io.Writer, error) { return begin(), d.part.Truncate(0) }
	n, err := d.c.read(ctx, d.st, begin(), &d.report, again)
	if err != nil {
		return err
	}
	d.st.Length = n
	return seq.verify(ctx)
}
