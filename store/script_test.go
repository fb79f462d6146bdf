package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/infill-http/infill/ranges"
)

// A script is the state between the commands of a file in testdata/script.
// Transactions and snapshots have names there; files have the numbers that
// the store gives them. After each command the store is checked.
//
//	open [none]                             a new file system, and a store on it
//	reopen [none]                           close the store and open it again
//	crash PERCENT                           lose power; so much of what was not synced is kept
//	begin TX NAME [create] [replace] [persist]
//	write TX OFFSET BYTES [of=N] [cut]      cut: the body ends early, by one byte
//	length TX N
//	declare TX BYTES                        the digest of the whole is that of BYTES
//	persist TX, commit TX, rollback TX
//	put NAME BYTES, patch NAME OFFSET BYTES [of=N]
//	delete NAME, move NAME NAME, copy NAME NAME
//	stat NAME, read NAME, map NAME, list PREFIX, files
//	snapshot SNAP NAME, show SNAP, close SNAP
type script struct {
	t     *testing.T
	mem   *vfs.MemFS
	s     *Store
	txs   map[string]*Tx
	snaps map[string]*Snapshot
}

func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		sc := &script{t: t, txs: make(map[string]*Tx), snaps: make(map[string]*Snapshot)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := sc.run(d)
			if sc.s != nil {
				sc.s.files.janitor.drain()
				if err := sc.s.check(ctx, true); err != nil {
					d.Fatalf(t, "check: %v", err)
				}
			}
			return out
		})
		sc.end()
	})
}

func (sc *script) open(none bool) string {
	o := Options{FoldExtents: -1}
	if none {
		o.Durability = DurabilityNone
	}
	o.FS, o.MinFree, o.Logger = sc.mem, -1, quiet()
	s, err := Open("store", &o)
	if err != nil {
		return outcome(err)
	}
	sc.s = s
	return "ok"
}

// end ends what is in flight, and closes the store.
func (sc *script) end() {
	for _, tx := range sc.txs {
		tx.Rollback()
	}
	for _, sn := range sc.snaps {
		sn.Close()
	}
	clear(sc.txs)
	clear(sc.snaps)
	if sc.s != nil {
		closeStore(sc.t, sc.s)
		sc.s = nil
	}
}

// outcome names an error by its sentinel, with the numbers for a client.
func outcome(err error) string {
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
	if res.Info == nil {
		return outcome(err)
	}
	out := fmt.Sprintf("%s, revision %d", outcome(err), res.Info.Revision)
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

func (sc *script) run(d *datadriven.TestData) string {
	arg := func(i int) string { return d.CmdArgs[i].Key }
	number := func(i int) (n int64) {
		if _, err := fmt.Sscan(arg(i), &n); err != nil {
			d.Fatalf(sc.t, "%v", err)
		}
		return n
	}
	of := func() int64 {
		n := int64(-1)
		d.MaybeScanArgs(sc.t, "of", &n)
		return n
	}
	switch d.Cmd {
	case "open":
		sc.mem = vfs.NewCrashableMem()
		return sc.open(d.HasArg("none"))
	case "reopen":
		sc.end()
		return sc.open(d.HasArg("none"))
	case "crash":
		image := sc.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(number(0)), RNG: rand.New(rand.NewPCG(1, 1))})
		sc.end()
		sc.mem = image
		return sc.open(d.HasArg("none"))
	case "begin":
		tx, err := sc.s.Begin(ctx, arg(1), TxOptions{Create: d.HasArg("create"), Replace: d.HasArg("replace"), Persist: d.HasArg("persist")})
		if err == nil {
			sc.txs[arg(0)] = tx
		}
		return outcome(err)
	case "write":
		body := arg(2)
		n := int64(len(body))
		if d.HasArg("cut") {
			body = body[:n-1]
		}
		got, err := sc.txs[arg(0)].WriteFrom(strings.NewReader(body), number(1), n, of())
		if err != nil {
			return fmt.Sprintf("%s, %d staged", outcome(err), got)
		}
		return "ok"
	case "length":
		return outcome(sc.txs[arg(0)].SetLength(number(1)))
	case "declare":
		return outcome(sc.txs[arg(0)].Declare(SHA256, sum256(arg(1))))
	case "persist":
		return committed(sc.txs[arg(0)].Persist(ctx))
	case "commit":
		defer delete(sc.txs, arg(0))
		return committed(sc.txs[arg(0)].Commit(ctx))
	case "rollback":
		sc.txs[arg(0)].Rollback()
		delete(sc.txs, arg(0))
		return "ok"
	case "put":
		return committed(put(sc.t, sc.s, arg(0), arg(1)), nil)
	case "patch":
		return committed(patch(sc.s, arg(0), number(1), of(), arg(2)))
	case "delete":
		return outcome(sc.s.Delete(ctx, arg(0), nil))
	case "move":
		return committed(sc.s.Move(ctx, arg(0), arg(1), nil, nil))
	case "copy":
		return committed(sc.s.Copy(ctx, arg(0), arg(1), nil, nil))
	case "stat":
		info, err := sc.s.Stat(ctx, arg(0))
		if err != nil {
			return outcome(err)
		}
		return describeInfo(info)
	case "read":
		if _, err := sc.s.Stat(ctx, arg(0)); err != nil {
			return outcome(err)
		}
		return fmt.Sprintf("%q", read(sc.t, sc.s, arg(0)))
	case "map":
		return sc.describeMap(arg(0))
	case "list":
		return strings.Join(names(sc.t, sc.s, arg(0), ""), "\n")
	case "files":
		ids, err := dataFiles(sc.s)
		if err != nil {
			return outcome(err)
		}
		slices.Sort(ids)
		return fmt.Sprint(ids)
	case "snapshot":
		sn, err := sc.s.Snapshot(ctx, arg(1))
		if err == nil {
			sc.snaps[arg(0)] = sn
		}
		return outcome(err)
	case "show":
		b := make([]byte, sc.snaps[arg(0)].Info().Size())
		if _, err := sc.snaps[arg(0)].ReadAt(b, 0); err != nil {
			return outcome(err)
		}
		return fmt.Sprintf("%q", b)
	case "close":
		sc.snaps[arg(0)].Close()
		delete(sc.snaps, arg(0))
		return "ok"
	}
	d.Fatalf(sc.t, "unknown command %s", d.Cmd)
	return ""
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
func (sc *script) describeMap(name string) string {
	st, err := sc.s.loadName(name)
	if err != nil || st == nil {
		return outcome(errors.Join(err, ErrNotFound))
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
			return outcome(err)
		}
		ps, err := decodeCRC(0, v)
		if err != nil {
			return outcome(err)
		}
		fmt.Fprintf(&b, "file %d: checksums", f)
		for _, p := range ps {
			fmt.Fprintf(&b, " %v", ranges.Range{Start: p.off, End: p.end()})
		}
		fmt.Fprintln(&b)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
