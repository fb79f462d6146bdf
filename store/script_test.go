package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// A script is the state between commands on a store. Transactions and
// snapshots have names there; files have the numbers that the store gives
// them. BYTES are those of decodeBody, PERCENT is how much of what was not
// synced a loss of power leaves, and options are what they say, in bytes.
//
//	open [none] [settle] [age=MINUTES] [buffer=N] [cache=N] [mapcache=N] [fold=N] [ranges=N] [max=N] [pages own=N]
//	                                        a new file system, and a store on it; settle: each
//	                                        command waits for what it caused in the background;
//	                                        pages: with a page cache, and syncs of their own for
//	                                        writes of so many bytes
//	reopen [none]                           close the store and open it again
//	crash PERCENT [SEED]                    lose power, and open what is left
//	power PERCENT SEED at=N|every=N         crash images are taken during the next command,
//	                                        before the writes of that number, and judged
//	begin TX NAME [create] [replace] [persist] [sequential]
//	write TX OFFSET BYTES [of=N] [cut=N] [stream]
//	                                        cut: the body ends early, by so much;
//	                                        stream: its length is not said
//	length TX N, type TX TYPE
//	declare TX BYTES                        the digest of the whole is that of BYTES
//	persist TX, commit TX, rollback TX
//	put NAME BYTES, patch NAME OFFSET BYTES [of=N]
//	delete NAME, move NAME NAME, copy NAME NAME
//	advance MINUTES                         of the clock; what expires is gone then
//	settle                                  wait for folds and for files to be removed
//	stat NAME, read NAME, map NAME, digest NAME, list PREFIX, files
//	snapshot SNAP NAME, show SNAP, close SNAP
type script struct {
	mem     *vfs.MemFS
	crasher *crasher
	clock   *fakeClock
	opts    Options
	settled bool // each command waits for the background
	cached  bool // files have a page cache
	s       *Store
	txs     map[string]*Tx
	snaps   map[string]*Snapshot
}

func newScript() *script {
	return &script{clock: newClock(), txs: make(map[string]*Tx), snaps: make(map[string]*Snapshot)}
}

// An outcome is what came of a command.
type outcome struct {
	err     error
	skipped bool   // it named a transaction or a snapshot that there is not
	n       int64  // staged by a write
	res     Result // of a commit, if it has one
	body    []byte // of what was read
	text    string // of anything else that a script prints
}

func (out outcome) String() string {
	switch {
	case out.res.Info != nil:
		return committed(out.res, out.err)
	case out.err != nil && out.text != "":
		return errorText(out.err) + ", " + out.text
	case out.err != nil:
		return errorText(out.err)
	case out.body != nil:
		return fmt.Sprintf("%q", out.body)
	case out.text != "":
		return out.text
	}
	return "ok"
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		sc := newScript()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := sc.run(opOf(d))
			if out.skipped {
				d.Fatalf(t, "no such transaction or snapshot")
			}
			if sc.s != nil {
				sc.s.files.janitor.drain()
				if err := sc.s.check(ctx, true); err != nil {
					d.Fatalf(t, "check: %v", err)
				}
			}
			return out.String()
		})
		if err := sc.end(); err != nil {
			t.Fatal(err)
		}
	})
}

// options takes the options of a store from its open.
func (sc *script) options(o op) {
	sc.settled, sc.cached = o.has("settle"), o.has("pages")
	sc.opts = Options{
		IncompleteMaxAge: time.Duration(o.option("age", 0)) * time.Minute,
		BufferSize:       int(o.option("buffer", 0)),
		CacheExtents:     int(o.option("cache", 0)),
		MapCache:         o.option("mapcache", 0),
		FoldExtents:      int(o.option("fold", -1)),
		InlineSize:       int(o.option("inline", -1)),
		MaxRanges:        int(o.option("ranges", 0)),
		MaxLength:        o.option("max", 0),
		// Nothing but what the script asks for is committed.
		PersistBytes: 1 << 40, PersistInterval: time.Hour, ownSync: o.option("own", 0),
		MinFree: -1, Logger: quiet(), clock: sc.clock,
	}
}

// open opens the store on the file system. What expired meanwhile is gone
// when it returns.
func (sc *script) open(none bool) error {
	sc.mount()
	return sc.reopen(none)
}

// mount has the store use the file system, of which images can be taken.
func (sc *script) mount() {
	sc.opts.FS, sc.crasher = crashable(sc.mem)
	if sc.cached {
		sc.opts.FS = newPageCache(sc.opts.FS)
	}
}

func (sc *script) reopen(none bool) error {
	o := sc.opts
	if none {
		o.Durability = DurabilityNone
	}
	s, err := Open("store", &o)
	if err != nil {
		return err
	}
	sc.s = s
	sc.crasher.live.Store(s)
	sc.tick(0)
	return nil
}

// tick moves the clock and waits for what expires.
func (sc *script) tick(d time.Duration) {
	if sc.opts.IncompleteMaxAge > 0 {
		sc.clock.advance(d)
		return
	}
	sc.clock.mu.Lock()
	defer sc.clock.mu.Unlock()
	sc.clock.t = sc.clock.t.Add(d)
}

// end ends what is in flight, and closes the store.
func (sc *script) end() error {
	for _, tx := range sc.txs {
		tx.Rollback()
	}
	for _, sn := range sc.snaps {
		sn.Close()
	}
	clear(sc.txs)
	clear(sc.snaps)
	if sc.s == nil {
		return nil
	}
	s := sc.s
	sc.s = nil
	sc.crasher.live.Store(nil)
	return s.Close()
}

// settle waits for folds and for files to be removed.
func (sc *script) settle() {
	sc.s.settle("/")
	sc.s.files.janitor.drain()
}

// errorText names an error by its sentinel, with the numbers for a client.
func errorText(err error) string {
	var re *RangeError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &re):
		return "error: " + re.Error()
	}
	for _, s := range []error{ErrUnclean, ErrFormat} {
		if errors.Is(err, s) {
			return "error: " + s.Error()
		}
	}
	return "error: " + sentinel(err).Error()
}

func committed(res Result, err error) string {
	out := fmt.Sprintf("%s, revision %d", errorText(err), res.Info.Revision)
	for _, flag := range []struct {
		set  bool
		name string
	}{{res.Created, "created"}, {res.Changed, "changed"}, {res.Completed, "completed"}} {
		if flag.set {
			out += ", " + flag.name
		}
	}
	return out
}

// run runs a command.
func (sc *script) run(o op) (out outcome) {
	defer func() {
		if sc.settled && sc.s != nil && !out.skipped {
			sc.settle()
		}
	}()
	switch o.word() {
	case "open":
		sc.mem = vfs.NewCrashableMem()
		sc.options(o)
		return outcome{err: sc.open(o.has("none"))}
	case "reopen":
		if err := sc.end(); err != nil {
			return outcome{err: err}
		}
		return outcome{err: sc.reopen(o.has("none"))}
	case "crash":
		return outcome{err: sc.crash(o)}
	case "begin":
		if sc.txs[o.arg(0)] != nil {
			return outcome{skipped: true}
		}
		tx, err := sc.s.Begin(ctx, o.arg(1), TxOptions{
			Create: o.has("create"), Replace: o.has("replace"), Persist: o.has("persist"), Sequential: o.has("sequential"),
		})
		if err == nil {
			sc.txs[o.arg(0)] = tx
		}
		return outcome{err: err}
	case "write", "length", "type", "declare", "persist", "commit", "rollback":
		if tx := sc.txs[o.arg(0)]; tx != nil {
			return sc.runTx(tx, o)
		}
		return outcome{skipped: true}
	case "snapshot":
		if sc.snaps[o.arg(0)] != nil {
			return outcome{skipped: true}
		}
		sn, err := sc.s.Snapshot(ctx, o.arg(1))
		if err == nil {
			sc.snaps[o.arg(0)] = sn
		}
		return outcome{err: err}
	case "show", "close":
		sn := sc.snaps[o.arg(0)]
		if sn == nil {
			return outcome{skipped: true}
		}
		if o.word() == "show" {
			return readSnapshot(sn)
		}
		delete(sc.snaps, o.arg(0))
		return outcome{err: sn.Close()}
	case "advance":
		sc.tick(time.Duration(o.number(0)) * time.Minute)
		return outcome{}
	case "settle":
		sc.settle()
		return outcome{}
	}
	return sc.runName(o)
}

// crash goes on with what a loss of power leaves.
func (sc *script) crash(o op) error {
	seed := uint64(1)
	if len(o) > 2 && !o.has("none") {
		seed = uint64(o.number(1))
	}
	image := sc.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(o.number(0)), RNG: rand.New(rand.NewPCG(seed, 1))})
	if err := sc.end(); err != nil {
		return err
	}
	sc.mem = image
	return sc.open(o.has("none"))
}

// runTx runs a command of a transaction.
func (sc *script) runTx(tx *Tx, o op) (out outcome) {
	switch o.word() {
	case "write":
		body := decodeBody(o.arg(2), o.number(1))
		n := int64(len(body))
		sent := max(0, n-o.option("cut", 0))
		if o.has("stream") {
			n = -1
		}
		out.n, out.err = tx.WriteFrom(bytes.NewReader(body[:sent]), o.number(1), n, o.option("of", -1))
		if out.err != nil {
			out.text = fmt.Sprintf("%d staged", out.n)
		}
	case "length":
		out.err = tx.SetLength(o.number(1))
	case "type":
		out.err = tx.SetMetadata(Metadata{Type: o.arg(1)})
	case "declare":
		out.err = tx.Declare(SHA256, sum256(string(decodeBody(o.arg(1), 0))))
	case "persist":
		out.res, out.err = tx.Persist(ctx)
	case "commit":
		delete(sc.txs, o.arg(0))
		out.res, out.err = tx.Commit(ctx)
	case "rollback":
		delete(sc.txs, o.arg(0))
		tx.Rollback()
	}
	return out
}

// runName runs a command that needs no more than names.
func (sc *script) runName(o op) (out outcome) {
	s := sc.s
	switch o.word() {
	case "put":
		tx, err := s.Begin(ctx, o.arg(0), TxOptions{Create: true})
		if err == nil {
			defer tx.Rollback()
			body := decodeBody(o.arg(1), 0)
			if _, err = tx.WriteFrom(bytes.NewReader(body), 0, -1, -1); err == nil {
				err = tx.SetLength(int64(len(body)))
			}
		}
		if out.err = err; err == nil {
			out.res, out.err = tx.Commit(ctx)
		}
	case "patch":
		body := decodeBody(o.arg(2), o.number(1))
		out.res, out.err = patch(s, o.arg(0), o.number(1), o.option("of", -1), string(body))
	case "delete":
		out.err = s.Delete(ctx, o.arg(0), nil)
	case "move":
		out.res, out.err = s.Move(ctx, o.arg(0), o.arg(1), nil, nil)
	case "copy":
		out.res, out.err = s.Copy(ctx, o.arg(0), o.arg(1), nil, nil)
	case "stat":
		info, err := s.Stat(ctx, o.arg(0))
		if out.err = err; err == nil {
			out.text = describeInfo(info)
		}
	case "read", "digest":
		sn, err := s.Snapshot(ctx, o.arg(0))
		if err != nil {
			return outcome{err: err}
		}
		defer sn.Close()
		if o.word() == "read" {
			return readSnapshot(sn)
		}
		out.body, out.err = sn.Digest(ctx, SHA256)
	case "map":
		out.text, out.err = sc.describeMap(o.arg(0))
	case "list":
		var all []string
		for e, err := range s.List(ctx, o.arg(0), "") {
			if err != nil {
				return outcome{err: err}
			}
			all = append(all, e.Name)
		}
		out.text = strings.Join(all, "\n")
	case "files":
		ids, err := dataFiles(s)
		slices.Sort(ids)
		out.text, out.err = fmt.Sprint(ids), err
	default:
		panic("unknown command " + o.word())
	}
	return out
}

// readSnapshot reads a snapshot in both ways, and compares the bytes with the
// checksum that their pieces come to.
func readSnapshot(sn *Snapshot) outcome {
	b := make([]byte, sn.Info().Size())
	if _, err := sn.ReadAt(b, 0); err != nil {
		return outcome{err: err}
	}
	var w bytes.Buffer
	if _, err := sn.WriteRange(&w, ranges.Range{End: int64(len(b))}); err != nil {
		return outcome{err: err}
	}
	if !bytes.Equal(w.Bytes(), b) {
		return outcome{err: fmt.Errorf("two ways of reading differ")}
	}
	sum, err := sn.Digest(ctx, CRC32C)
	if err != nil {
		return outcome{err: err}
	}
	if want := crc32c.Checksum(b); binary.BigEndian.Uint32(sum) != want {
		return outcome{err: fmt.Errorf("the pieces have the checksum %x, the bytes %08x", sum, want)}
	}
	return outcome{body: b}
}

func describeInfo(info *Info) string {
	out := fmt.Sprintf("revision %d, ", info.Revision)
	switch {
	case info.Complete:
		return out + fmt.Sprintf("complete, %d bytes", info.Length)
	case info.Length < 0:
		out += fmt.Sprintf("incomplete, prefix %d of unknown", info.Offset)
	default:
		out += fmt.Sprintf("incomplete, prefix %d of %d", info.Offset, info.Length)
	}
	if info.Mismatched {
		out += ", digest does not match"
	}
	return out + ", received " + info.Received.String()
}

// describeMap shows where the bytes of a resource are, and the checksums of
// the files that it names.
func (sc *script) describeMap(name string) (string, error) {
	st, err := sc.s.loadName(name)
	if err != nil || st == nil {
		return "", errors.Join(err, ErrNotFound)
	}
	var b strings.Builder
	if st.home != 0 {
		fmt.Fprintf(&b, "home %d, committed to %d\n", st.home, st.homeHigh)
	}
	for r, p := range st.extents.All() {
		if p.kind == placeZero {
			fmt.Fprintf(&b, "%v zero\n", r)
		} else {
			fmt.Fprintf(&b, "%v file %d at %d\n", r, p.file, p.off)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(st.files)) {
		v, err := sc.s.get(crcKey(f, 0))
		if err != nil {
			return "", err
		}
		ps, err := decodeCRC(0, v)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "file %d: checksums", f)
		for _, p := range ps {
			fmt.Fprintf(&b, " %v", ranges.Range{Start: p.off, End: p.end()})
		}
		fmt.Fprintln(&b)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
