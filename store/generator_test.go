package store

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/infill-http/infill/ranges"
)

// A generator draws commands that make sense, as far as the model can tell.
type generator struct {
	rng     *rand.Rand
	unit    int64 // of offsets and lengths, in bytes
	crashes int   // before one in so many steps, crash images are asked for; 0: none
	names   int   // transactions and snapshots so far
}

// cells is how many units a resource has, as a rule.
const cells = 24

func (g *generator) odds(n int) bool { return g.rng.IntN(n) == 0 }

// open draws the options of a store: small limits, so that they are met.
func (g *generator) open() op {
	o := newOp("open", "buffer=4096")
	if !g.odds(4) {
		o = append(o, "settle")
	}
	if g.odds(2) {
		o = append(o, "cache=1", "mapcache=1")
	}
	if g.odds(2) {
		o = append(o, fmt.Sprintf("fold=%d", 1+g.rng.IntN(6)))
	}
	if g.odds(2) {
		o = append(o, fmt.Sprintf("inline=%d", 1+g.rng.Int64N(4*g.unit)))
	}
	if g.odds(2) {
		o = append(o, "age=960")
	}
	if g.odds(4) {
		o = append(o, fmt.Sprintf("ranges=%d", 1+g.rng.IntN(3)))
	}
	if g.odds(2) {
		o = append(o, fmt.Sprintf("max=%d", 26*g.unit))
	}
	if len(o)%2 == 0 { // not a draw: what the fixed seeds draw is known to be enough
		o = append(o, "pages", fmt.Sprintf("own=%d", 2*g.unit))
	}
	return o
}

// name draws one, often the same.
func (g *generator) name() string { return modelNames[max(0, g.rng.IntN(len(modelNames)+2)-2)] }

// next draws a step: one command, or some that belong together, and perhaps
// that power is lost during the last of them.
func (g *generator) next(m *model) []op {
	ops := g.step(m)
	if len(ops) == 0 || g.crashes == 0 {
		return ops
	}
	odds, writes, every := 10*g.crashes, 60, 10
	switch ops[len(ops)-1].word() {
	case "commit", "persist", "delete", "move", "copy", "advance":
		odds, writes, every = g.crashes, 8, 2
	}
	if !g.odds(odds) {
		return ops
	}
	at := fmt.Sprintf("at=%d", 1+g.rng.IntN(writes))
	if g.odds(every) {
		at = "every=1"
	}
	power := newOp("power", []int{0, 0, 20, 50, 90, 100}[g.rng.IntN(6)], g.rng.IntN(1000), at)
	return slices.Insert(ops, len(ops)-1, power)
}

func (g *generator) step(m *model) (ops []op) {
	txs := slices.Sorted(maps.Keys(m.txs))
	add := func(words ...any) { ops = append(ops, newOp(words...)) }
	switch n := g.rng.IntN(120); {
	case n < 20:
		if len(txs) < 5 {
			ops = append(ops, g.begin(g.name(), g.odds(5)))
		}
	case n < 55:
		if len(txs) > 0 {
			ops = append(ops, g.write(m, txs[g.rng.IntN(len(txs))]))
		}
	case n < 86:
		if len(txs) > 0 {
			ops = append(ops, g.tx(m, n, txs[g.rng.IntN(len(txs))])...)
		}
	case n < 89:
		add("delete", g.name())
	case n < 93:
		// The one that is written most goes to any other, so that some are absent.
		add([]string{"move", "copy"}[n%2], g.name(), modelNames[g.rng.IntN(len(modelNames))])
	case n < 96:
		if len(m.snaps) < 4 {
			add("snapshot", fmt.Sprintf("s%d", g.number()), g.name())
		}
	case n < 100:
		for _, sn := range slices.Sorted(maps.Keys(m.snaps)) {
			add("show", sn)
			if g.odds(2) {
				add("close", sn)
				break
			}
		}
	case n < 108:
		ops = append(ops, g.finish(m, g.name())...)
	case n < 112:
		ops = append(ops, g.race(m, g.name())...)
	case n < 115:
		add("advance", []int{0, 60, 61, 480, 959, 960, 2000}[g.rng.IntN(7)])
	default:
		switch n {
		case 115:
			add("read", g.name())
		case 116:
			add("digest", g.name())
		case 117:
			add("list", "/")
		case 118:
			add("settle")
		case 119:
			if g.odds(2) {
				add("reopen")
			} else {
				add("crash", 10*g.rng.IntN(11), g.rng.IntN(1000))
			}
		}
	}
	return ops
}

func (g *generator) number() int { g.names++; return g.names }

func (g *generator) begin(name string, create bool) op {
	o := newOp("begin", fmt.Sprintf("t%d", g.number()), name)
	if create {
		o = append(o, "create")
	}
	if g.odds(6) {
		o = append(o, "replace")
	}
	if g.odds(8) {
		o = append(o, []string{"persist", "sequential"}[g.rng.IntN(2)])
	}
	return o
}

// tx draws what a transaction does beside writing.
func (g *generator) tx(m *model, n int, t string) (ops []op) {
	add := func(words ...any) { ops = append(ops, newOp(words...)) }
	switch {
	case n < 62:
		length := cells * g.unit
		if g.odds(3) {
			length = g.rng.Int64N(30) * g.unit
		}
		add("length", t, length)
		if g.odds(5) {
			add("type", t, fmt.Sprintf("type/%d", g.rng.IntN(3)))
		}
	case n < 68:
		ops = append(ops, g.declare(m, t))
	case n < 80:
		add("commit", t)
	case n < 84:
		add("persist", t)
	default:
		add("rollback", t)
	}
	return ops
}

// declare gives the digest of the bytes that everybody sends, of the bytes
// that are there, or another.
func (g *generator) declare(m *model, t string) op {
	body := fmt.Sprintf("~%d", cells*g.unit)
	if cur := m.names[m.txs[t].name]; cur != nil && cur.complete && !g.odds(3) {
		body = encodeBody(cur.data, 0)
	} else if g.odds(4) {
		body += "+1"
	}
	return newOp("declare", t, body)
}

// finish fills what is missing of a resource, or makes one that is whole.
func (g *generator) finish(m *model, name string) (ops []op) {
	cur := m.names[name]
	b := g.begin(name, cur == nil)
	t := b.arg(0)
	ops = append(ops, b)
	off := int64(0)
	for gap := range g.gaps(cur) {
		ops = append(ops, newOp("write", t, gap.Start, g.body(gap.Len())))
		off = gap.End
	}
	if off > 0 && g.odds(2) {
		body := fmt.Sprintf("~%d", cells*g.unit)
		if g.odds(4) {
			body += "+1"
		}
		ops = append(ops, newOp("declare", t, body))
	}
	if cur == nil || cur.length < 0 {
		ops = append(ops, newOp("length", t, max(off, cells*g.unit)))
	}
	return append(ops, newOp("commit", t))
}

// race has two transactions begin before either commits, with bytes, lengths
// and digests that need not agree.
func (g *generator) race(m *model, name string) (ops []op) {
	one, two := g.begin(name, false), g.begin(name, false)
	ops = append(ops, one, two)
	for _, t := range []string{one.arg(0), two.arg(0)} {
		off, n := g.span(m.names[name])
		w := newOp("write", t, off/2, fmt.Sprintf("~%d+%d", n, g.rng.IntN(2)))
		switch g.rng.IntN(3) {
		case 0:
			w = append(w, fmt.Sprintf("of=%d", (cells-g.rng.Int64N(2))*g.unit))
		case 1:
			ops = append(ops, newOp("declare", t, fmt.Sprintf("~%d+%d", cells*g.unit, g.rng.IntN(2))))
		}
		ops = append(ops, w)
	}
	return append(ops, newOp("commit", one.arg(0)), newOp("commit", two.arg(0)))
}

func (g *generator) gaps(cur *modelResource) iter.Seq[ranges.Range] {
	all := ranges.Range{End: cells * g.unit}
	if cur == nil {
		return ranges.Set{}.Gaps(all)
	}
	if cur.length >= 0 {
		all.End = cur.length
	}
	return cur.have.Gaps(all)
}

// span draws a range that a write to a resource could mean.
func (g *generator) span(cur *modelResource) (off, n int64) {
	off, n = g.rng.Int64N(cells), 1+g.rng.Int64N(8)
	if cur != nil && g.odds(3) {
		off = int64(len(cur.data)) / g.unit // append
	} else if g.odds(4) {
		off = 0
	}
	if !g.odds(3) {
		n = min(n, cells-off)
	}
	return off * g.unit, max(n, 0) * g.unit
}

// body is what a writer sends: mostly what the others send too.
func (g *generator) body(n int64) string {
	if salt := g.rng.IntN(3); salt > 0 && g.odds(4) {
		return fmt.Sprintf("~%d+%d", n, salt)
	}
	return fmt.Sprintf("~%d", n)
}

func (g *generator) write(m *model, t string) op {
	cur := m.names[m.txs[t].name]
	off, n := g.span(cur)
	if g.odds(6) && n > 1 { // an odd boundary
		off, n = off+g.rng.Int64N(n), 1+g.rng.Int64N(n)
	}
	body := g.body(n)
	if cur != nil && g.odds(4) && off+n <= int64(len(cur.data)) {
		b := bytes.Clone(cur.data[off : off+n]) // as it is
		if g.odds(3) && n > 0 {
			b[n-1]++ // but for the last byte
		}
		body = encodeBody(b, off)
	}
	o := newOp("write", t, off, body)
	if g.odds(3) {
		o = append(o, fmt.Sprintf("of=%d", cells*g.unit))
	}
	if g.odds(10) {
		o = append(o, fmt.Sprintf("cut=%d", g.rng.Int64N(n+1)))
	}
	if g.odds(10) {
		o = append(o, "stream")
	}
	return o
}
