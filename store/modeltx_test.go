package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/infill-http/infill/ranges"
)

// A modelTx is a transaction next to what it has staged.
type modelTx struct {
	*Tx
	name   string
	id     int
	create bool
	base   *modelResource // a copy of what the name had at the begin
	fill   bool
	lost   bool // the resource lost the name, if only for a time

	staged    ranges.Set
	data      map[int64][]byte
	expect    int64
	setLength int64
	mediaType string
	declared  []byte
}

// finish fills what is missing of a resource, or makes one that is whole.
func (m *model) finish(name string) {
	tx := m.begin(name, m.names[name] == nil)
	off := int64(0)
	for gap := range m.gaps(name) {
		m.writeBody(tx, gap.Start, m.body(gap.Start, gap.Len()), gap.Len(), -1)
		off = gap.End
	}
	if off > 0 && m.rng.IntN(2) == 0 {
		m.declare(tx)
	}
	if cur := m.names[name]; cur == nil || cur.length < 0 {
		if err := tx.SetLength(max(off, 24*m.unit)); err == nil {
			tx.setLength = max(off, 24*m.unit)
		}
	}
	m.commit(tx, true)
	m.drop(tx)
}

func (m *model) gaps(name string) iter.Seq[ranges.Range] {
	all := ranges.Range{End: 24 * m.unit}
	cur := m.names[name]
	if cur == nil {
		return ranges.Set{}.Gaps(all)
	}
	if cur.length >= 0 {
		all.End = cur.length
	}
	return cur.have.Gaps(all)
}

func (m *model) begin(name string, create bool) *modelTx {
	o := TxOptions{Create: create, Replace: m.rng.IntN(6) == 0}
	tx, err := m.s.Begin(ctx, name, o)
	if err != nil {
		m.fatalf("begin: %v", err)
	}
	mt := &modelTx{Tx: tx, name: name, create: create, expect: -1, setLength: -1, data: make(map[int64][]byte)}
	cur := m.names[name]
	switch {
	case create:
		m.ids++
		mt.id = m.ids
	case cur != nil:
		mt.id = cur.id
	default:
		if m.pend[name] == 0 {
			m.ids++
			m.pend[name] = m.ids
		}
		mt.id = m.pend[name]
	}
	if cur != nil {
		mt.base = cur.clone()
	}
	mt.fill = create || cur == nil || !cur.complete
	m.txs = append(m.txs, mt)
	m.did["begin"]++
	m.logf("%p begin %s %+v (id %d) on %v", mt, name, o, mt.id, cur)
	return mt
}

// drop forgets a transaction that has ended.
func (m *model) drop(tx *modelTx) {
	tx.Rollback()
	m.txs = slices.DeleteFunc(m.txs, func(o *modelTx) bool { return o == tx })
	if m.pend[tx.name] == tx.id && !slices.ContainsFunc(m.txs, func(o *modelTx) bool { return o.id == tx.id }) {
		delete(m.pend, tx.name)
	}
}

// span is a random range that a write to the resource could mean.
func (m *model) span(tx *modelTx) (off, n int64) {
	cells := int64(24)
	off, n = m.rng.Int64N(cells), 1+m.rng.Int64N(8)
	if cur := m.names[tx.name]; cur != nil && m.rng.IntN(3) == 0 {
		off = int64(len(cur.data)) / m.unit // append
	} else if m.rng.IntN(4) == 0 {
		off = 0
	}
	if m.rng.IntN(3) > 0 {
		n = min(n, cells-off)
	}
	return off * m.unit, max(n, 0) * m.unit
}

// body is what a writer sends for a range: mostly what the others send too.
func (m *model) body(off, n int64) []byte {
	salt := byte(0)
	if m.rng.IntN(6) == 0 {
		salt = byte(m.rng.IntN(3))
	}
	b := make([]byte, n)
	for i := range b {
		x := off + int64(i)
		b[i] = byte(x*7+x>>8) + salt
	}
	return b
}

func (m *model) write(tx *modelTx) {
	off, n := m.span(tx)
	b := m.body(off, n)
	if cur := m.names[tx.name]; cur != nil && m.rng.IntN(4) == 0 && off+n <= int64(len(cur.data)) {
		b = bytes.Clone(cur.data[off : off+n]) // as it is
	}
	length := int64(-1)
	if m.rng.IntN(3) == 0 {
		length = 24 * m.unit
	}
	sent := n
	if m.rng.IntN(10) == 0 {
		sent = m.rng.Int64N(n + 1) // the body is cut off
	}
	m.writeBody(tx, off, b, sent, length)
}

func (m *model) writeBody(tx *modelTx, off int64, b []byte, sent, length int64) {
	n := int64(len(b))
	own := tx.staged.Overlaps(ranges.Range{Start: off, End: off + n})
	got, err := tx.WriteFrom(bytes.NewReader(b[:sent]), off, n, length)
	m.logf("%p write [%d,%d) of %d: %d, %v", tx, off, off+n, length, got, err)
	if got > sent || err == nil && got != n {
		m.fatalf("%d of %d bytes staged, %v", got, n, err)
	}
	admitted := true
	cur := m.names[tx.name]
	switch {
	case err == nil:
	case errors.Is(err, io.ErrUnexpectedEOF):
		if sent == n {
			m.fatalf("the body was not cut off")
		}
	case errors.Is(err, ErrRangeConflict):
		if admitted = !own; own {
			break
		}
		if !tx.fill || tx.base == nil || tx.base.id != tx.id || !differs(tx.base, off, b) {
			m.fatalf("no conflict with %v", tx.base)
		}
	case errors.Is(err, ErrLengthConflict):
		end := max(tx.current().length, tx.staged.Bounds().End, off+n)
		if admitted = false; !tx.fill && end <= max(length, tx.expect) {
			m.fatalf("refused an overwrite early")
		}
	case errors.Is(err, ErrReplaced):
		if tx.lost {
			break
		}
		if cur != nil && cur.id == tx.id || cur == nil && !m.born[tx.id] || tx.create && !m.born[tx.id] {
			m.fatalf("not replaced")
		}
	default:
		m.fatalf("write: %v", err)
	}
	if admitted && length >= 0 {
		tx.expect = length
	}
	if got > 0 {
		tx.staged.Add(ranges.Range{Start: off, End: off + got})
		tx.data[off] = b[:got]
	}
	m.did[fmt.Sprintf("write %v", sentinel(err))]++
}

// differs reports whether b is other than what is committed at off.
func differs(r *modelResource, off int64, b []byte) bool {
	for w := range r.have.Within(ranges.Range{Start: off, End: off + int64(len(b))}) {
		if !bytes.Equal(r.data[w.Start:w.End], b[w.Start-off:w.End-off]) {
			return true
		}
	}
	return false
}

func (m *model) setLength(tx *modelTx) {
	n := int64(24) * m.unit
	if m.rng.IntN(3) == 0 {
		n = m.rng.Int64N(30) * m.unit
	}
	err := tx.SetLength(n)
	m.logf("%p length %d: %v", tx, n, err)
	switch {
	case err == nil:
		tx.setLength = n
	case !errors.Is(err, ErrLengthConflict) || !tx.fill:
		m.fatalf("set length: %v", err)
	}
	if m.rng.IntN(5) == 0 {
		tx.mediaType = fmt.Sprintf("type/%d", m.rng.IntN(3))
		if err := tx.SetMetadata(Metadata{Type: tx.mediaType}); err != nil {
			m.fatalf("set metadata: %v", err)
		}
	}
}

// declare gives the digest of the bytes that everybody sends, or another.
func (m *model) declare(tx *modelTx) {
	if !tx.fill || tx.declared != nil {
		return
	}
	b := make([]byte, 24*m.unit)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	if m.rng.IntN(4) == 0 {
		b[0]++
	}
	sum := sha256.Sum256(b)
	err := tx.Declare(SHA256, sum[:])
	m.logf("%p declare: %v", tx, err)
	switch {
	case err == nil:
		tx.declared = sum[:]
	case !errors.Is(err, ErrMetadataConflict):
		m.fatalf("declare: %v", err)
	}
}

// apply is the model of a commit: the resource after it, or an error.
func (m *model) apply(tx *modelTx, last bool) (next *modelResource, changed bool, err error) {
	cur := m.names[tx.name]
	switch {
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
	length := cur.length
	if tx.fill {
		for _, n := range []int64{tx.expect, tx.setLength} {
			if n >= 0 && length >= 0 && n != length {
				return nil, false, ErrLengthConflict
			}
			length = max(length, n)
		}
		end := cur.have.Prefix()
		for r := range tx.staged.All() {
			if length < 0 && r.Start > end {
				return nil, false, ErrNotAdjacent
			}
			end = max(end, r.End)
		}
		if length >= 0 && (tx.staged.Bounds().End > length || cur.have.Bounds().End > length) {
			return nil, false, ErrLengthConflict
		}
	} else {
		for r := range tx.staged.All() {
			if r.Start > length {
				return nil, false, ErrNotAdjacent
			}
			length = max(length, r.End)
		}
		if tx.expect >= 0 && (length > tx.expect || length < tx.expect && last) {
			return nil, false, ErrLengthConflict
		}
		if last && tx.setLength >= 0 {
			length = tx.setLength
		}
	}
	bytesChanged := changed || length != cur.length
	for off, b := range tx.data {
		diff := differs(cur, off, b)
		if diff && tx.fill && (cur.complete || !tx.opts.Replace && !cur.mismatch) {
			return nil, false, ErrRangeConflict
		}
		if diff || !cur.have.Covers(ranges.Range{Start: off, End: off + int64(len(b))}) {
			bytesChanged = true
			next.put(off, b)
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
	if whole && !next.complete && !next.mismatch {
		sum := sha256.Sum256(next.data)
		next.complete = next.declared == nil || bytes.Equal(next.declared, sum[:])
		next.mismatch = !next.complete
	}
	if next.complete {
		if tx.declared != nil && last && tx.fill && cur.complete {
			if sum := sha256.Sum256(next.data); !bytes.Equal(tx.declared, sum[:]) {
				return nil, false, ErrDigestMismatch
			}
		}
		next.declared = nil
	}
	return next, changed, nil
}

func (m *model) commit(tx *modelTx, last bool) error {
	next, changed, want := m.apply(tx, last)
	cur := m.names[tx.name]
	var res Result
	var err error
	if last {
		res, err = tx.Commit(ctx)
	} else {
		res, err = tx.Persist(ctx)
	}
	m.logf("%p commit last=%v: %v; %v -> %v", tx, last, err, cur, next)
	if want == nil && last && next.mismatch {
		want = ErrDigestMismatch
	} else if want == nil && !last {
		m.awaitVerdict(tx.name)
	}
	if sentinel(err) != want {
		m.fatalf("commit of %v, %v over %v: %v, want %v", tx.staged, tx.Tx.opts, cur, err, want)
	}
	m.did[fmt.Sprintf("commit %v", want)]++
	if next == nil {
		return err
	}
	tx.staged, tx.data = ranges.Set{}, make(map[int64][]byte)
	if (cur == nil || cur.id != tx.id) != res.Created && cur == nil {
		m.fatalf("created: %v", res.Created)
	}
	version := m.vers[tx.name]
	m.set(tx.name, next)
	if changed && res.Info.Version == version {
		m.fatalf("changed and still version %v", version)
	}
	m.look(tx.name)
	if now := m.vers[tx.name]; !changed && now != version && tx.Tx.base != nil && tx.Tx.base.version() == version {
		m.fatalf("not changed and version %v, was %v", now, version)
	}
	return nil
}
