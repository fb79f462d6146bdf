package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/ranges/crc32c"
)

// A modelResource is what a resource has to be, by the rules of the model in
// the package documentation and nothing else.
type modelResource struct {
	id       int
	length   int64 // -1: unknown
	complete bool
	mismatch bool
	data     []byte // zero where nothing is committed
	have     ranges.Set
	mediaTyp string
	declared []byte // sha-256
	modified time.Time
	idle     time.Time // since when it is listed as idle; zero: it is not
}

func (r *modelResource) clone() *modelResource {
	c := *r
	c.data = bytes.Clone(r.data)
	return &c
}

func (r *modelResource) String() string {
	if r == nil {
		return "absent"
	}
	out := fmt.Sprintf("incomplete, received %v of %d", r.have, r.length)
	switch {
	case r.complete:
		out = fmt.Sprintf("complete, %d bytes", r.length)
	case r.length < 0:
		out = fmt.Sprintf("incomplete, received %v of unknown", r.have)
	}
	if r.mismatch {
		out += ", digest does not match"
	}
	if r.declared != nil {
		out += ", digest declared"
	}
	if r.mediaTyp != "" {
		out += ", " + r.mediaTyp
	}
	return out + fmt.Sprintf(", crc %08x", crc32c.Checksum(r.data))
}

func (r *modelResource) put(off int64, b []byte) {
	if len(b) == 0 {
		return
	}
	if end := off + int64(len(b)); end > int64(len(r.data)) {
		r.data = append(r.data, make([]byte, end-int64(len(r.data)))...)
	}
	copy(r.data[off:], b)
	r.have.Add(ranges.Range{Start: off, End: off + int64(len(b))})
}

// touch makes it a new version.
func (r *modelResource) touch(now time.Time) {
	r.modified = now
	if r.complete {
		r.idle = time.Time{}
	} else if r.idle.IsZero() {
		r.idle = now
	}
}

// differs reports whether b is other than what is committed at off.
func (r *modelResource) differs(off int64, b []byte) bool {
	for w := range r.have.Within(ranges.Range{Start: off, End: off + int64(len(b))}) {
		if !bytes.Equal(r.data[w.Start:w.End], b[w.Start-off:w.End-off]) {
			return true
		}
	}
	return false
}

// A model knows what has to come of the commands of a script, from what came
// of those before.
type model struct {
	names map[string]*modelResource
	vers  map[string]Version // that the store gave them
	pend  map[string]int     // identity that writes to an absent name share
	born  map[int]bool
	ids   int
	txs   map[string]*modelTx
	snaps map[string][]byte
	now   time.Time

	age       time.Duration // Options.IncompleteMaxAge
	maxRanges int
	maxLength int64

	did map[string]int // how often each thing happened
}

var modelNames = []string{"/a", "/b", "/c"}

func newModel(did map[string]int) *model {
	return &model{
		names: make(map[string]*modelResource), vers: make(map[string]Version), pend: make(map[string]int), born: make(map[int]bool),
		txs: make(map[string]*modelTx), snaps: make(map[string][]byte), did: did,
	}
}

// clone returns the model without what is in flight, as after a crash.
func (m *model) clone() *model {
	c := *m
	c.names, c.vers, c.born = make(map[string]*modelResource), maps.Clone(m.vers), maps.Clone(m.born)
	c.pend, c.txs, c.snaps = make(map[string]int), make(map[string]*modelTx), make(map[string][]byte)
	for name, r := range m.names {
		c.names[name] = r.clone()
	}
	return &c
}

// set notes that a name has a resource now, or none.
func (m *model) set(name string, r *modelResource) {
	old := m.names[name]
	if r == nil {
		delete(m.names, name)
	} else {
		m.names[name] = r
		m.born[r.id] = true
	}
	if old == nil || r == nil || old.id != r.id {
		for _, tx := range m.txs {
			// So is the chance to make one, once the name was taken.
			pending := !tx.create && !m.born[tx.id]
			tx.lost = tx.lost || tx.name == name && (pending || old != nil && tx.id == old.id)
		}
		delete(m.pend, name)
	}
}

// expect compares what came of a command with what has to, and returns the
// latter as a script shows it. The store is the one that it was run on.
func (m *model) expect(s *Store, o op, out outcome) (want string, err error) {
	switch o.word() {
	case "open":
		m.now = s.opts.clock.now()
		m.age, m.maxRanges, m.maxLength = s.opts.IncompleteMaxAge, s.opts.MaxRanges, s.opts.MaxLength
		return "ok", out.err
	case "reopen", "crash":
		return "ok", errors.Join(out.err, m.restart(s))
	case "begin":
		return "ok", errors.Join(out.err, m.begin(o))
	case "write":
		return m.write(m.txs[o.arg(0)], o, out)
	case "length", "type", "declare":
		want := m.stage(m.txs[o.arg(0)], o)
		m.did[fmt.Sprintf("%s %v", o.word(), want)]++
		return errorText(want), differ(out.err, want)
	case "persist", "commit":
		return m.commit(s, o, out)
	case "rollback":
		m.drop(o.arg(0))
		return "ok", out.err
	case "delete":
		return m.delete(s, o, out)
	case "move", "copy":
		return m.relocate(s, o, out)
	case "advance":
		m.expire(time.Duration(o.number(0)) * time.Minute)
		return m.String(), errors.Join(out.err, m.lookAll(s))
	case "settle":
		return "ok", errors.Join(out.err, m.lookAll(s), verify(s))
	case "list":
		want := strings.Join(slices.Sorted(maps.Keys(m.names)), "\n")
		if out.err == nil && out.text != want {
			out.err = fmt.Errorf("list: %q", out.text)
		}
		return want, out.err
	case "snapshot":
		r := m.names[o.arg(1)]
		if r == nil {
			return errorText(ErrNotFound), differ(out.err, ErrNotFound)
		}
		m.snaps[o.arg(0)] = bytes.Clone(r.data[:r.have.Prefix()])
		return r.String(), out.err
	case "show":
		m.did["show"]++
		return same(out, m.snaps[o.arg(0)])
	case "close":
		delete(m.snaps, o.arg(0))
		return "ok", out.err
	case "read", "digest":
		r := m.names[o.arg(0)]
		if r == nil {
			return errorText(ErrNotFound), differ(out.err, ErrNotFound)
		}
		b := r.data[:r.have.Prefix()]
		if o.word() == "digest" {
			sum := sha256.Sum256(b)
			b = sum[:]
		}
		return same(out, b)
	}
	return "", fmt.Errorf("the model does not know %s", o)
}

// String shows all names.
func (m *model) String() string {
	var b strings.Builder
	for _, name := range modelNames {
		fmt.Fprintf(&b, "%s %v\n", name, m.names[name])
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (m *model) show(name string) string { return fmt.Sprintf("%s %v", name, m.names[name]) }

// differ says how an error is not the one that it has to be.
func differ(err, want error) error {
	if sentinel(err) != want {
		return fmt.Errorf("error %q, want %q", errorText(err), errorText(want))
	}
	return nil
}

// same says how what was read is not what it has to be.
func same(out outcome, want []byte) (string, error) {
	if out.err == nil && !bytes.Equal(out.body, want) {
		out.err = fmt.Errorf("%d wrong bytes", len(out.body))
	}
	return fmt.Sprintf("%d bytes, crc %08x", len(want), crc32c.Checksum(want)), out.err
}

// restart: everything in flight has ended, and nothing else has changed.
func (m *model) restart(s *Store) error {
	clear(m.txs)
	clear(m.snaps)
	clear(m.pend)
	m.expire(0)
	vers := maps.Clone(m.vers)
	if err := errors.Join(m.lookAll(s), verify(s), accounted(s)); err != nil {
		return err
	}
	if !maps.Equal(vers, m.vers) {
		return fmt.Errorf("versions %v after reopening, were %v", m.vers, vers)
	}
	return nil
}

func (m *model) delete(s *Store, o op, out outcome) (string, error) {
	var want error
	if m.names[o.arg(0)] == nil {
		want = ErrNotFound
	}
	m.did[fmt.Sprintf("delete %v", want)]++
	if want == nil {
		m.set(o.arg(0), nil)
	}
	return errorText(want), errors.Join(differ(out.err, want), m.look(s, o.arg(0)))
}

func (m *model) relocate(s *Store, o op, out outcome) (string, error) {
	from, to := o.arg(0), o.arg(1)
	src := m.names[from]
	var want error
	switch {
	case from == to:
		want = ErrSameName
	case src == nil:
		want = ErrNotFound
	case !src.complete:
		want = ErrIncomplete
	}
	over := "nothing"
	if m.names[to] != nil {
		over = "another"
	}
	m.did[fmt.Sprintf("%s over %s %v", o.word(), over, want)]++
	if want != nil {
		return errorText(want), differ(out.err, want)
	}
	next := src.clone()
	next.modified = m.now
	if o.word() == "move" {
		m.set(from, nil)
	} else {
		m.ids++
		next.id = m.ids
	}
	m.set(to, next)
	return m.show(to), errors.Join(differ(out.err, want), m.look(s, from), m.look(s, to))
}

// expire moves the clock. A resource that is listed as idle for long enough
// is looked at, and goes if that is so and no transaction is on it.
func (m *model) expire(d time.Duration) {
	m.now = m.now.Add(d)
	if m.age == 0 {
		return
	}
	for name, r := range m.names {
		if r.idle.IsZero() || r.idle.Add(m.age).After(m.now) {
			continue
		}
		switch {
		case r.modified.Add(m.age).After(m.now):
			r.idle = r.modified
			m.did["renewed"]++
		case m.written(r.id):
			r.idle = m.now.Add(m.age/16 - m.age)
			m.did["expiry put off"]++
		default:
			m.set(name, nil)
			m.did["expired"]++
		}
	}
}

// written reports whether a transaction on a resource is in flight.
func (m *model) written(id int) bool {
	for _, tx := range m.txs {
		if tx.id == id && !tx.lost {
			return true
		}
	}
	return false
}

// look compares what the store has under a name with what it should have.
func (m *model) look(s *Store, name string) error {
	version, err := compare(s, name, m.names[name])
	if m.vers[name] = version; version == (Version{}) {
		delete(m.vers, name)
	}
	return err
}

func (m *model) lookAll(s *Store) error {
	for _, name := range modelNames {
		if err := m.look(s, name); err != nil {
			return err
		}
	}
	return nil
}

// compare says how what the store has under a name differs from what it should have.
func compare(s *Store, name string, want *modelResource) (Version, error) {
	sn, err := s.Snapshot(ctx, name)
	if err != nil {
		if errors.Is(err, ErrNotFound) && want == nil {
			return Version{}, nil
		}
		return Version{}, fmt.Errorf("%s: %w, want %v", name, err, want)
	}
	defer sn.Close()
	info := sn.Info()
	if want == nil {
		return Version{}, fmt.Errorf("%s: %+v, want nothing", name, info)
	}
	if info.Length != want.length || info.Complete != want.complete || info.Mismatched != want.mismatch || info.Unverified ||
		!info.Received.Equal(want.have) || info.Offset != want.have.Prefix() || info.Metadata.Type != want.mediaTyp ||
		!bytes.Equal(info.Declared[SHA256], want.declared) || !info.Modified.Equal(want.modified) {
		return Version{}, fmt.Errorf("%s: %+v, want %v, modified %v", name, info, want, want.modified)
	}
	if age := s.opts.IncompleteMaxAge; info.Expires.IsZero() != (info.Complete || age == 0) ||
		!info.Expires.IsZero() && !info.Expires.Equal(info.Modified.Add(age)) {
		return Version{}, fmt.Errorf("%s expires %v, was modified %v", name, info.Expires, info.Modified)
	}
	// Islands can be seen through the map alone.
	got := make([]byte, len(want.data))
	for r, p := range sn.st.extents.All() {
		if err := s.readPlace(p, got[r.Start:r.End]); err != nil {
			return Version{}, err
		}
	}
	if !bytes.Equal(got, want.data) {
		return Version{}, fmt.Errorf("%s: bytes differ from %v", name, want)
	}
	return info.Version, nil
}

// verdict waits for the verdict on a resource all of whose bytes are there.
func verdict(s *Store, name string) error {
	tx, err := s.Begin(ctx, name, TxOptions{Cond: func(cur, _ *Info) error {
		if cur == nil {
			return ErrNotFound
		}
		return nil
	}})
	if err == nil {
		_, err = tx.Commit(ctx)
	}
	if errors.Is(err, ErrDigestMismatch) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// accounted says which files are there although nothing names them. Nothing
// may be in flight.
func accounted(s *Store) error {
	s.settle("/")
	s.files.janitor.drain()
	named := make(map[fileID]bool)
	for _, name := range modelNames {
		st, err := s.loadName(name)
		if err != nil {
			return err
		}
		if st != nil {
			for f := range st.files {
				named[f] = true
			}
		}
	}
	ids, err := dataFiles(s)
	if err == nil && len(ids) != len(named) {
		err = fmt.Errorf("files %v, named are %v", ids, named)
	}
	return err
}

// sentinel returns the error of this package that err is.
func sentinel(err error) error {
	for _, s := range []error{ErrNotFound, ErrRangeConflict, ErrNotAdjacent, ErrLengthConflict, ErrMetadataConflict, ErrReplaced,
		ErrIncomplete, ErrDigestMismatch, ErrSameName, ErrTooLarge, ErrTooManyRanges, io.ErrUnexpectedEOF} {
		if errors.Is(err, s) {
			return s
		}
	}
	return err
}
