package store

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A Store is an open store. Its methods may be called concurrently.
type Store struct {
	opts    Options
	dir     string
	disk    vfs.FS // Options.FS as it was given: with syncs
	lock    *pebble.Lock
	unclean bool // the store was found marked, see unclean.go
	mapFS   *mapFS
	db      *pebble.DB
	files   files
	header  header
	buffers sync.Pool // of *[]byte, Options.BufferSize long
	intakes intakes

	drops sync.Mutex   // orders the batches that drop references to files
	sums  sync.RWMutex // held to remove checksums; shared, to add some

	broken error // guarded by mu: writing has ended

	mu      sync.Mutex // guards what follows; held for moments only
	closed  bool
	slots   map[string]*slot
	leaving map[string]int // names whose resource a batch in flight takes away
	idle    list.List      // of *slot that nobody uses, least recently used first
	cached  int            // cost of the idle slots
	active  sync.WaitGroup

	verifiers verifiers
	folder    folder
	expirer   expirer
	damage    damage
	scrubber  scrubber
}

// Open opens the store in dir, making one there if there is none. One
// process at a time can have it open: ErrLocked. Opening after any crash needs
// no scan of the data.
//
// An error of writing the log of the map ends the process, after a message to
// Options.Logger: what the map shows then need not be durable. While the store
// opens, such an error is one of Open, and the directory stays locked until
// the process ends.
func Open(dir string, opts *Options) (*Store, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{opts: o, dir: dir, slots: make(map[string]*slot), leaving: make(map[string]int)}
	s.verifiers.running = make(map[*slot]*verifier)
	s.verifiers.stopped = make(chan struct{})
	if o.ReadOnly {
		s.broken = fmt.Errorf("%w: it was opened so", ErrReadOnly)
		s.verifiers.closing = true // the verdict would be written
	}
	s.buffers.New = func() any {
		b := make([]byte, o.BufferSize)
		return &b
	}
	s.intakes.init(&s.opts)
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	s.disk = s.opts.FS
	if s.opts.Durability == DurabilityNone {
		s.opts.FS = withoutSyncs(s.disk)
	}
	dir := filepath.Join(s.dir, "map")
	if err := s.makeMap(dir); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(dir, s.disk)
	if err != nil {
		return lockError(err)
	}
	if err := s.openLocked(dir, lock); err != nil {
		return errors.Join(err, lock.Close())
	}
	s.lock = lock
	return nil
}

// makeMap makes the directory of the map, and that of the store, as far as
// they are not there. A store that is opened to be read has to exist.
func (s *Store) makeMap(dir string) error {
	if s.opts.ReadOnly {
		_, err := s.disk.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return err
	}
	if err := makeRoot(s.disk, s.dir); err != nil {
		return err
	}
	return s.disk.MkdirAll(dir, 0o755)
}

func (s *Store) openLocked(dir string, lock *pebble.Lock) error {
	if err := s.admitUnclean(); err != nil {
		return err
	}
	cache := pebble.NewCache(s.opts.MapCache)
	defer cache.Unref()
	s.mapFS = newMapFS(s)
	db, err := s.mapFS.open(dir, s.mapOptions(lock, cache))
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return err
	}
	s.db = db
	s.files = files{
		fs: s.opts.FS, dir: filepath.Join(s.dir, "data"), db: db, opts: &s.opts, fail: s.fail,
		pins: make(map[fileID]int), doomed: make(map[fileID]bool),
		open: make(map[fileID]*dataFile), sealed: make(map[fileID]error),
	}
	s.files.handles = newHandles(s.files.openHandle, max(0, s.opts.MaxOpenFiles))
	if err := s.start(); err != nil {
		s.mapFS.close()
		return errors.Join(err, db.Close())
	}
	return nil
}

func lockError(err error) error {
	if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

// start reads the header, or writes it, and takes up what the last process
// left: garbage, and digests that wait for their verdict.
func (s *Store) start() error {
	h, err := s.readHeader()
	if err != nil {
		return err
	}
	s.header = h
	s.files.ids.db, s.files.ids.end = s.db, h.nextFile
	garbage, unverified, err := s.leftovers()
	if err != nil {
		return err
	}
	s.files.janitor.start(&s.files)
	s.startFolder()
	s.startExpirer()
	s.startMender()
	s.startScrubber()
	for _, id := range garbage {
		s.files.janitor.remove(id)
	}
	for _, name := range unverified {
		// Loading it starts the verification.
		sl, err := s.acquire(context.Background(), name)
		if err != nil {
			s.opts.Logger.Error("cannot load resource", "name", name, "err", err)
			continue
		}
		s.release(sl)
	}
	return nil
}

// leftovers returns the files that are garbage and the names of the resources
// that wait for a verdict.
func (s *Store) leftovers() (garbage []fileID, unverified []string, err error) {
	if s.opts.ReadOnly {
		return nil, nil, nil // they stay as they are
	}
	if err := s.scan(kindGarbage, func(key, _ []byte) {
		d := fileID(0)
		for _, c := range key[1:] {
			d = d<<8 | fileID(c)
		}
		garbage = append(garbage, d)
	}); err != nil {
		return nil, nil, err
	}
	err = s.scan(kindVerify, func(_, name []byte) { unverified = append(unverified, string(name)) })
	return garbage, unverified, err
}

// scan calls f with the keys of a kind and their values, valid during the call.
func (s *Store) scan(kind byte, f func(key, value []byte)) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		f(it.Key(), it.Value())
	}
	return it.Close()
}

// Close waits for transactions and snapshots to end, and closes the store.
// Operations that begin after the call return ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	s.verifiers.stop()
	s.stopFolder()
	s.stopExpirer()
	s.stopScrubber()
	s.stopMender()
	s.active.Wait()
	s.files.janitor.close()
	s.files.handles.close()
	s.mapFS.close()
	err := s.db.Close()
	if err == nil {
		err = s.settleUnclean()
	}
	return errors.Join(err, s.lock.Close())
}

// Secret returns 32 random bytes that were made with the store.
func (s *Store) Secret() []byte { return s.header.secret[:] }

// Stat describes the state that a name has now; ErrNotFound: none.
func (s *Store) Stat(ctx context.Context, name string) (*Info, error) {
	sl, err := s.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.release(sl)
	st := sl.pub.Load()
	if st == nil {
		return nil, ErrNotFound
	}
	return st.info, nil
}

// Writable reports whether the store takes writes: nil, ErrFull below
// Options.MinFree, ErrReadOnly, or, for as long as the map cannot be written,
// the reason.
func (s *Store) Writable() error {
	if err := s.writable(); err != nil {
		return err
	}
	if err := s.mapFS.writable(); err != nil {
		return fmt.Errorf("write the map: %w", err)
	}
	if s.opts.MinFree < 0 {
		return nil
	}
	u, err := s.opts.FS.GetDiskUsage(s.dir)
	if err != nil {
		return nil // not every file system can tell
	}
	if u.AvailBytes < uint64(s.opts.MinFree) {
		return fmt.Errorf("%w: %d bytes free, the floor is %d", ErrFull, u.AvailBytes, s.opts.MinFree)
	}
	return nil
}

func (s *Store) writable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// fail ends writing, for good, after an I/O error.
func (s *Store) fail(err error) {
	s.mu.Lock()
	first := s.broken == nil
	if first {
		s.broken = fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	s.mu.Unlock()
	if first {
		s.opts.Logger.Error("the store is read-only from now on", "err", err)
	}
}

// newID returns an id that nobody has: the milliseconds since 1970, so that
// what is made together is together in the map and new keys come after old
// ones, and 80 random bits.
func newID() (id ID) {
	rand.Read(id[6:]) // never fails
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(id[:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	return id
}
