package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/infill-http/infill/ranges"
)

// A modelTx is a transaction as the model knows it.
type modelTx struct {
	name       string
	id         int
	base       *modelResource // what the name had at the begin
	baseVer    Version
	create     bool
	replace    bool
	eager      bool // what is not adjacent is refused before it is read
	sequential bool
	fill       bool
	lost       bool // the resource lost the name, if only for a time
	failed     error

	staged    modelResource // no more than its data
	expect    int64
	setLength int64
	mediaType string
	declared  []byte

	created, changed, completed bool // by one of its commits
	awaits                      bool // a digest was declared, so that the verdict decides
}

func (m *model) begin(o op) error {
	name := o.arg(1)
	cur := m.names[name]
	tx := &modelTx{
		name: name, create: o.has("create"), replace: o.has("replace"), sequential: o.has("sequential"),
		eager: o.has("persist") || o.has("sequential"), expect: -1, setLength: -1,
	}
	switch {
	case tx.create:
		m.ids++
		tx.id = m.ids
	case cur != nil:
		tx.id = cur.id
	default:
		if m.pend[name] == 0 {
			m.ids++
			m.pend[name] = m.ids
		}
		tx.id = m.pend[name]
	}
	if cur != nil {
		tx.base, tx.baseVer = cur.clone(), m.vers[name]
	}
	tx.fill = tx.create || cur == nil || !cur.complete
	m.txs[o.arg(0)] = tx
	m.did["begin"]++
	return nil
}

// drop forgets a transaction that has ended.
func (m *model) drop(t string) {
	tx := m.txs[t]
	delete(m.txs, t)
	if m.pend[tx.name] == tx.id && !m.uses(tx.id) {
		delete(m.pend, tx.name)
	}
}

func (m *model) uses(id int) bool {
	for _, tx := range m.txs {
		if tx.id == id {
			return true
		}
	}
	return false
}

// current is the resource that the transaction adds to, as far as there is one.
func (m *model) current(tx *modelTx) *modelResource {
	if cur := m.names[tx.name]; cur != nil && cur.id == tx.id {
		return cur
	}
	if tx.base != nil && tx.base.id == tx.id {
		return tx.base
	}
	return &modelResource{id: tx.id, length: -1}
}

// A plan is what is known of a transaction with a write, or a length, about
// to be added to it.
type plan struct {
	written ranges.Set
	at      int64 // where the write begins
	expect  int64
	length  int64 // that is set
	partial bool  // an overwrite may still become longer
}

func (tx *modelTx) plan() plan {
	return plan{written: tx.staged.have, expect: tx.expect, length: tx.setLength, partial: true}
}

// fits says what is wrong with a plan for a resource.
func (p plan) fits(tx *modelTx, cur *modelResource) error {
	if !tx.fill {
		length := cur.length
		for r := range p.written.All() {
			if r.Start > length {
				return ErrNotAdjacent
			}
			length = max(length, r.End)
		}
		switch {
		case p.at > length:
			return ErrNotAdjacent
		case p.expect >= 0 && (length > p.expect || length < p.expect && !p.partial):
			return ErrLengthConflict
		}
		return nil
	}
	length := cur.length
	for _, n := range []int64{p.expect, p.length} {
		if n >= 0 && length >= 0 && n != length {
			return ErrLengthConflict
		}
		length = max(length, n)
	}
	if length >= 0 {
		if max(p.written.Bounds().End, cur.have.Bounds().End, p.at) > length {
			return ErrLengthConflict
		}
		return nil
	}
	end := cur.have.Prefix()
	for r := range p.written.All() {
		if r.Start > end {
			return ErrNotAdjacent
		}
		end = max(end, r.End)
	}
	if p.at > end {
		return ErrNotAdjacent
	}
	return nil
}

// write expects what came of a write. Whether it is refused before it begins
// is certain; what stops it later depends on how far it comes.
func (m *model) write(tx *modelTx, o op, out outcome) (want string, err error) {
	off := o.number(1)
	body := decodeBody(o.arg(2), off)
	n := int64(len(body))
	sent, length, stream := max(0, n-o.option("cut", 0)), o.option("of", -1), o.has("stream")
	twice := int64(-1) // where the write comes to bytes that the transaction has written
	for r := range tx.staged.have.Within(ranges.Range{Start: off, End: off + sent}) {
		twice = r.Start
		break
	}

	p := tx.plan()
	p.at, p.partial = off, !tx.sequential || stream
	if length >= 0 {
		p.expect = length
	}
	bound, said := m.maxLength, n
	if stream {
		said = 0
	}
	p.written.Add(ranges.Range{Start: off, End: off + said})
	cur := m.current(tx)
	var refused error
	switch fault := p.fits(tx, cur); {
	case tx.failed != nil:
		refused = tx.failed
	case off > bound || said > bound-off || length > bound:
		refused = ErrTooLarge
	case !stream && tx.staged.have.Overlaps(ranges.Range{Start: off, End: off + n}):
		refused = ErrRangeConflict
	case fault == ErrLengthConflict, fault == ErrNotAdjacent && tx.eager:
		refused = fault
	}
	got := sentinel(out.err)
	m.did[fmt.Sprintf("write %v", got)]++
	if refused != nil {
		if fault := differ(out.err, refused); fault != nil || out.n == 0 {
			return errorText(refused), fault
		}
		return errorText(refused), fmt.Errorf("refused, and %d bytes staged", out.n)
	}
	tx.expect = p.expect
	want = "ok"
	if got != nil {
		want = errorText(got)
	}
	if out.n > sent || out.n < sent && got == nil {
		return want, fmt.Errorf("%d of %d bytes staged", out.n, sent)
	}
	tx.staged.put(off, body[:out.n])
	legit := true
	switch got {
	case nil:
		legit = (sent == n || stream) && twice < 0
	case io.ErrUnexpectedEOF:
		legit = sent < n && !stream
	case ErrRangeConflict:
		legit = stream && off+out.n == twice || tx.fill && tx.base != nil && tx.base.id == tx.id && !tx.replace && tx.base.differs(off, body)
	case ErrReplaced:
		now := m.names[tx.name]
		legit = tx.lost || now != nil && now.id != tx.id && !tx.create || now == nil && m.born[tx.id]
	case ErrLengthConflict, ErrTooLarge:
		// Only a stream can turn out to be too long.
		limit := bound
		for _, n := range []int64{p.expect, p.length, cur.length} {
			if n >= 0 && (tx.fill || n == p.expect) {
				limit = min(limit, max(n, off))
			}
		}
		legit = stream && off+sent > limit && out.n == limit-off && (got == ErrTooLarge) == (limit == bound)
	default:
		legit = false
	}
	if !legit {
		if want = "ok"; sent < n && !stream {
			want = errorText(io.ErrUnexpectedEOF)
		}
		return want, fmt.Errorf("write to %v, based on %v: %w", m.names[tx.name], tx.base, out.err)
	}
	return want, nil
}

// stage takes in a length, a type or a digest, and returns the error that the
// transaction has to return for it.
func (m *model) stage(tx *modelTx, o op) error {
	switch o.word() {
	case "length":
		p := tx.plan()
		if p.length = o.number(1); p.length > m.maxLength {
			return ErrTooLarge
		}
		if tx.fill && p.fits(tx, m.current(tx)) == ErrLengthConflict {
			return ErrLengthConflict
		}
		tx.setLength = p.length
	case "type":
		tx.mediaType = o.arg(1)
	case "declare":
		sum := sum256(string(decodeBody(o.arg(1), 0)))
		have := tx.declared
		if have == nil {
			have = m.current(tx).declared
		}
		if have != nil && !bytes.Equal(have, sum) {
			return ErrMetadataConflict
		}
		tx.declared = sum
	}
	return nil
}

// apply is the model of a commit: the resource after it, or an error.
func (m *model) apply(tx *modelTx, last bool) (next *modelResource, changed bool, err error) {
	cur := m.names[tx.name]
	switch {
	case tx.failed != nil:
		return nil, false, tx.failed
	case tx.lost:
		return nil, false, ErrReplaced
	case cur != nil && cur.id == tx.id:
		next = cur.clone()
	case m.born[tx.id] || cur != nil && !tx.create:
		return nil, false, ErrReplaced
	default:
		next, changed = &modelResource{id: tx.id, length: -1}, true
		cur = next.clone()
	}
	p := tx.plan()
	p.partial = !last
	if err := p.fits(tx, cur); err != nil {
		return nil, false, err
	}
	length := cur.length
	switch {
	case tx.fill:
		length = max(length, tx.expect, tx.setLength)
	case last && tx.setLength >= 0:
		length = tx.setLength
	default:
		length = max(length, tx.staged.have.Bounds().End)
	}
	bytesChanged := changed || length != cur.length
	for r := range tx.staged.have.All() {
		b := tx.staged.data[r.Start:r.End]
		diff := cur.differs(r.Start, b)
		if diff && tx.fill && (cur.complete || !tx.replace && !cur.mismatch) {
			return nil, false, ErrRangeConflict
		}
		if diff || !cur.have.Covers(r) {
			bytesChanged = true
			next.put(r.Start, b)
		}
	}
	if next.length = length; cur.complete {
		if have := int64(len(next.data)); length < have {
			next.data = next.data[:length]
			next.have.Sub(ranges.Range{Start: length, End: have})
		} else {
			next.put(have, make([]byte, length-have))
		}
	}
	changed = changed || bytesChanged
	if tx.mediaType != "" && next.mediaTyp != tx.mediaType {
		next.mediaTyp, changed = tx.mediaType, true
	}
	if tx.declared != nil && !cur.complete {
		if next.declared != nil && !bytes.Equal(next.declared, tx.declared) {
			return nil, false, ErrMetadataConflict
		}
		changed = changed || next.declared == nil
		next.declared = tx.declared
	}
	if bytesChanged {
		next.mismatch = false
	}
	whole := next.length >= 0 && next.have.Covers(ranges.Range{End: next.length})
	if !whole && !next.complete && next.have.Len() > max(m.maxRanges, cur.have.Len()) {
		return nil, false, ErrTooManyRanges
	}
	if whole && !next.complete && !next.mismatch {
		sum := sha256.Sum256(next.data)
		next.complete = next.declared == nil || bytes.Equal(next.declared, sum[:])
		next.mismatch = !next.complete
	}
	if next.complete {
		if tx.declared != nil && last && cur.complete {
			if sum := sha256.Sum256(next.data); !bytes.Equal(tx.declared, sum[:]) {
				return nil, false, ErrDigestMismatch
			}
		}
		next.declared = nil
	}
	return next, changed, nil
}

// commit expects what came of a commit, the last one of a transaction or not.
func (m *model) commit(s *Store, o op, out outcome) (string, error) {
	last := o.word() == "commit"
	tx := m.txs[o.arg(0)]
	if last {
		defer m.drop(o.arg(0))
	}
	next, changed, want := m.apply(tx, last)
	cur := m.names[tx.name]
	tx.staged = modelResource{}
	if next == nil {
		tx.failed = want
		m.did[fmt.Sprintf("commit %v", want)]++
		return errorText(want), errors.Join(differ(out.err, want), m.look(s, tx.name))
	}
	if last && next.mismatch {
		want = ErrDigestMismatch
	}
	m.did[fmt.Sprintf("commit %v", want)]++
	version := m.vers[tx.name]
	m.set(tx.name, next)
	fault := differ(out.err, want)
	if !last && fault == nil {
		fault = verdict(s, tx.name)
	}
	tx.tell(cur, next, changed)
	if !changed && out.res.Info != nil && out.res.Info.Version != version && tx.baseVer != version {
		changed = true // bytes of a complete resource were replaced by equal ones
	}
	if changed {
		next.touch(m.now)
	}
	text := fmt.Sprintf("%s, %s", errorText(want), m.show(tx.name))
	if fault != nil {
		return text, fault
	}
	if changed == (out.res.Info.Version == version) {
		return text, fmt.Errorf("changed %v: version %v, was %v", changed, out.res.Info.Version, version)
	}
	return text, errors.Join(m.look(s, tx.name), tx.told(out.res))
}

// tell notes what a commit did.
func (tx *modelTx) tell(cur, next *modelResource, changed bool) {
	fresh := cur == nil || cur.id != next.id
	tx.created = tx.created || cur == nil
	tx.changed = tx.changed || changed
	tx.completed = tx.completed || next.complete && (fresh || !cur.complete)
	tx.awaits = tx.awaits || tx.declared != nil || next.declared != nil || !fresh && cur.declared != nil
}

// told says how a result is not what the commits of the transaction did.
func (tx *modelTx) told(res Result) error {
	if res.Created != tx.created || tx.changed && !res.Changed || !tx.awaits && res.Completed != tx.completed {
		return fmt.Errorf("created %v, changed %v, completed %v; it says %v, %v, %v",
			tx.created, tx.changed, tx.completed, res.Created, res.Changed, res.Completed)
	}
	return nil
}
