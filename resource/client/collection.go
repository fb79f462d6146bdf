package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// CollectionOptions say how a collection is downloaded. Nil has the defaults.
type CollectionOptions struct {
	// Begin, if it is not nil, is called for each resource before it is downloaded, and for each resource or collection
	// that is listed and cannot be, by one goroutine. The path is that of the file, with the directory, or "" if there
	// can be none. It returns the options of the download, but for Root, and a function that is called with the result;
	// both may be nil. Those functions are called by several goroutines.
	Begin func(e Entry, path string) (o *DownloadOptions, end func(*State, error))

	// MaxDepth is how many collections may be in each other, the first one included. Default: DefaultMaxDepth.
	MaxDepth int
}

// perConnection is how many bytes of a file are worth a connection. Files that are worth fewer than all connections are
// downloaded several at a time.
const perConnection = 4 << 20

// DownloadCollection gets all resources of the collection at url, which ends in a slash, and of the collections in it,
// into the directory dir, which is made if it does not exist. Each has its name and is downloaded by Download; all of
// them together have no more requests in flight than Client.Connections. So a second call receives what the first one
// did not, and what is not the same any more, as the digest of the server shows. What is in dir and not in the collection
// stays.
//
// Nothing outside of dir is read or written, whatever the names in the collection and the links in dir are. A resource
// with a name that no file can have, or that collides with another one, is an error that wraps ErrName: of a resource
// and a collection of one name the first one is downloaded, as is x of the resources x and x.part.
//
// A resource that cannot be downloaded does not keep the others from it, nor does a collection that cannot be listed. But
// once the server does not answer any more, or the disk is full, nothing more is begun. The error is the first one of all.
// That of a resource that is not complete wraps ErrIncomplete, and that of one that was removed after it was listed,
// ErrChanged.
// What comes into the collection meanwhile may or may not be downloaded. Memory does not grow with the number of
// resources, except on file systems that do not tell upper from lower case.
func (c *Client) DownloadCollection(ctx context.Context, url, dir string, o *CollectionOptions) error {
	if o == nil {
		o = new(CollectionOptions)
	}
	d := &collectionDownload{c: *c, o: *o, dir: dir}
	n := c.connections()
	d.c.limit, d.slots = make(slots, n), make(chan struct{}, n)
	defer func() {
		if d.root != nil {
			d.root.Close()
		}
	}()
	w := &walk{c: &d.c, maxDepth: cmp.Or(o.MaxDepth, DefaultMaxDepth), fold: d.open}
	w.found = func(e Entry, path string, err error) bool { return d.found(ctx, e, path, err) }
	w.run(ctx, url)
	d.wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.err
}

// A collectionDownload is one call of DownloadCollection.
type collectionDownload struct {
	c     Client
	o     CollectionOptions
	dir   string
	root  *os.Root      // nil until there is a listing
	fold  bool          // see foldsNames
	slots chan struct{} // has an element for each connection of the downloads that go on; only found adds some
	wg    sync.WaitGroup

	mu   sync.Mutex
	err  error // the first one
	stop bool  // nothing more is begun
}

// open makes and opens the directory, and reports whether it takes names that differ in case only for one.
func (d *collectionDownload) open() (fold bool, err error) {
	if d.root != nil {
		return d.fold, nil
	}
	if err := os.Mkdir(d.dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return false, err
	}
	if d.fold, err = foldsNames(root); err != nil {
		return false, errors.Join(err, root.Close())
	}
	d.root = root
	return d.fold, nil
}

// found downloads e to path, or notes that err keeps it from that. It waits until there are connections, and goes on in
// the background.
func (d *collectionDownload) found(ctx context.Context, e Entry, path string, err error) bool {
	if err == nil && !e.Complete {
		err = fmt.Errorf("%w: %s has %d bytes", ErrIncomplete, redacted(e.URL), e.Offset)
	}
	n := 0
	if err == nil {
		n = int(min(1+max(0, e.Length-1)/perConnection, int64(cap(d.slots))))
	}
	for i := range n {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			d.release(i)
			return false
		}
	}
	d.mu.Lock()
	stop := d.stop
	d.mu.Unlock()
	if stop || ctx.Err() != nil {
		d.release(n)
		return false
	}
	var o *DownloadOptions
	end := func(*State, error) {}
	if d.o.Begin != nil {
		shown := ""
		if path != "" {
			shown = filepath.Join(d.dir, path)
		}
		options, f := d.o.Begin(e, shown)
		if o = options; f != nil {
			end = f
		}
	}
	if err != nil {
		end(nil, d.note(ctx, e, path, err))
		return true
	}
	d.wg.Go(func() {
		defer d.release(n)
		st, err := d.download(ctx, e, path, n, o)
		end(st, d.note(ctx, e, path, err))
	})
	return true
}

// release gives n connections back.
func (d *collectionDownload) release(n int) {
	for range n {
		<-d.slots
	}
}

// download gets e over n connections.
func (d *collectionDownload) download(ctx context.Context, e Entry, path string, n int, o *DownloadOptions) (*State, error) {
	c := d.c
	c.Connections = n
	var own DownloadOptions
	if o != nil {
		own = *o
	}
	own.Root = d.root
	dir := filepath.Dir(path)
	if err := d.makeDirectory(dir); err != nil {
		return nil, err
	}
	st, err := c.Download(ctx, e.URL, path, &own)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: it was removed after it was listed", ErrChanged)
	}
	if err == nil && own.Sync {
		err = d.syncAbove(dir)
	}
	return st, err
}

// makeDirectory makes dir and those it is in, as far as they do not exist.
func (d *collectionDownload) makeDirectory(dir string) error {
	err := d.root.MkdirAll(dir, 0o777)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := d.root.Stat(dir); err != nil {
		return err // a link that leads out of the root, for one
	}
	return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
}

// syncAbove makes the names of a directory and of those it is in durable.
func (d *collectionDownload) syncAbove(dir string) error {
	for dir != "." {
		dir = filepath.Dir(dir)
		if err := syncDirectory(d.root, dir); err != nil {
			return err
		}
	}
	return syncDirectory(systemFiles{}, filepath.Dir(filepath.Clean(d.dir)))
}

// note notes why e was not downloaded, and returns an error that says where. With a nil error it does nothing.
func (d *collectionDownload) note(ctx context.Context, e Entry, path string, err error) error {
	if err == nil {
		return nil
	}
	stop := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || temporary(err) && !d.answers(ctx, e.URL)
	where := redacted(e.URL)
	if path != "" {
		where = filepath.Join(d.dir, path)
	}
	full := fmt.Errorf("%s: %w", where, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = full
	}
	d.stop = d.stop || stop
	return full
}

// answers reports whether the server answers at all, once a request about url was given up: it may have trouble with this
// resource only.
func (d *collectionDownload) answers(ctx context.Context, url string) bool {
	_, err := d.c.status(ctx, url, false)
	lost := asError(err)
	return lost == nil || lost.Status != 0
}
