package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/infill-http/infill/ranges"
)

// A content is what a name has in the model of the crash test. It is not changed once it is in a world.
type content struct {
	data   []byte     // up to the last committed byte; what is not committed is 0
	set    ranges.Set // what is committed
	length int64      // complete-length in bytes, -1 while it is unknown
	etag   string     // "" if it is not known
}

// complete reports whether all bytes are committed.
func (c *content) complete() bool {
	return c.length >= 0 && c.set.Covers(ranges.Range{End: c.length})
}

func (c *content) String() string {
	if c == nil {
		return "absent"
	}
	return fmt.Sprintf("%s %v of %d, %.8x...", c.etag, c.set, c.length, c.data[:min(len(c.data), 8)])
}

// tagged returns c with another entity tag.
func (c *content) tagged(etag string) *content {
	n := *c
	n.etag = etag
	return &n
}

// put returns c with the bytes b at off.
func (c *content) put(off int64, b []byte) *content {
	end := off + int64(len(b))
	n := &content{data: make([]byte, max(end, int64(len(c.data)))), set: c.set, length: c.length}
	copy(n.data, c.data)
	copy(n.data[off:], b)
	n.set.Add(ranges.Range{Start: off, End: end})
	return n
}

// agrees returns how many of the bytes b at off come before the first that differs from one that c has. c may be nil.
func (c *content) agrees(off int64, b []byte) int64 {
	if c == nil {
		return int64(len(b))
	}
	for r := range c.set.Within(ranges.Range{Start: off, End: off + int64(len(b))}) {
		for i := r.Start; i < r.End; i++ {
			if c.data[i] != b[i-off] {
				return i - off
			}
		}
	}
	return int64(len(b))
}

// equal reports whether c may be what was observed. The bytes of an incomplete resource beyond its offset are not
// observed: they cannot be read. An entity tag that is known has to be the same: what did not change keeps it.
func (c *content) equal(seen *content) bool {
	if c == nil || seen == nil {
		return c == seen
	}
	k := seen.set.Prefix()
	return (c.etag == "" || c.etag == seen.etag) && c.length == seen.length && c.set.Equal(seen.set) && bytes.Equal(c.data[:k], seen.data[:k])
}

// A world is what the names of one client have. Names without a resource are not in it.
type world map[string]*content

// with returns w with name having c, which may be nil.
func (w world) with(name string, c *content) world {
	n := maps.Clone(w)
	if n[name] = c; c == nil {
		delete(n, name)
	}
	return n
}

func (w world) equal(seen world) bool {
	if len(w) != len(seen) {
		return false
	}
	for name, c := range w {
		if !c.equal(seen[name]) {
			return false
		}
	}
	return true
}

func (w world) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w)) {
		fmt.Fprintf(&b, "%s: %v; ", name, w[name])
	}
	return cmp.Or(b.String(), "nothing")
}

type opKind int

const (
	opPut    opKind = iota // the whole representation
	opFill                 // one range or several
	opResize               // only the length
	opDelete
	opMove
	opCopy
	opGet // changes nothing
)

var opNames = []string{"PUT", "fill", "resize", "DELETE", "MOVE", "COPY", "GET"}

// A part is the bytes that a request has for one range.
type part struct {
	off  int64
	data []byte
}

// An op is one request, and what became of it.
type op struct {
	kind    opKind
	name    string
	to      string // destination of opMove and opCopy
	parts   []part // of opPut and opFill
	length  int64  // complete-length that is told, or -1
	persist bool   // of one part: what has arrived may stay
	status  int    // of the response; 0: there was none
	etag    string // of the response
}

func (o *op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", opNames[o.kind], o.name, o.to)
	for _, p := range o.parts {
		fmt.Fprintf(&b, " [%d,%d) %.8x...", p.off, p.off+int64(len(p.data)), p.data[:min(len(p.data), 8)])
	}
	fmt.Fprintf(&b, " of %d, persist %t: %d %s", o.length, o.persist, o.status, o.etag)
	return b.String()
}

// acknowledged reports whether the response said that everything is durable.
func (o *op) acknowledged() bool { return o.status/100 == 2 }

// possible reports whether the operation may have had an effect: it was acknowledged, or nobody knows, or it may have
// kept what had arrived when it was refused.
func (o *op) possible() bool {
	return o.kind != opGet && (o.acknowledged() || o.status == 0 || o.persist)
}

// apply returns what comes of w by the whole operation, and whether a server may acknowledge it then.
func (o *op) apply(w world) (world, bool) {
	c := w[o.name]
	switch {
	case o.kind == opPut:
		data := o.parts[0].data
		empty := &content{length: int64(len(data))}
		return w.with(o.name, empty.put(0, data)), true
	case o.kind == opFill:
		n, ok := o.fill(c, o.parts)
		return w.with(o.name, n), ok
	case c == nil:
		return w, false
	case o.kind == opDelete:
		return w.with(o.name, nil), true
	case o.kind == opResize:
		n, ok := c.resize(o.length)
		return w.with(o.name, n), ok
	}
	if to := w[o.to]; !c.complete() || to != nil && !to.complete() {
		return w, false
	}
	if o.kind == opMove {
		w = w.with(o.name, nil)
	}
	return w.with(o.to, c.tagged("")), true
}

// fill writes parts over c, which may be nil.
func (o *op) fill(c *content, parts []part) (*content, bool) {
	if c == nil {
		c = &content{length: -1}
	}
	complete := c.complete()
	n := &content{data: c.data, set: c.set, length: c.length}
	if o.length >= 0 && !complete {
		if n.length >= 0 && n.length != o.length {
			return c, false
		}
		n.length = o.length
	}
	for _, p := range parts {
		end := p.off + int64(len(p.data))
		switch {
		case !complete && (c.agrees(p.off, p.data) < int64(len(p.data)) || n.length >= 0 && end > n.length),
			n.length < 0 && p.off > n.set.Prefix(), complete && p.off > n.length:
			return c, false
		}
		n = n.put(p.off, p.data)
		if complete {
			n.length = max(n.length, end)
		}
	}
	return n, !complete || o.length < 0 || n.length == o.length
}

// resize sets the complete-length of c.
func (c *content) resize(length int64) (*content, bool) {
	n := &content{data: c.data, set: c.set, length: length}
	switch {
	case !c.complete():
		return n, c.length == length || c.length < 0 && c.set.Bounds().End <= length
	case length < c.length:
		n.data = c.data[:length]
		n.set.Sub(ranges.Range{Start: length, End: c.length})
		return n, true
	}
	return n.put(c.length, make([]byte, length-c.length)), true
}

// cut returns what comes of w by an operation that persists and did not come to its end, as far as the state that was
// observed shows how much of it did.
func (o *op) cut(w, observed world) (world, bool) {
	seen := observed[o.name]
	if seen == nil || o.kind == opPut && w[o.name] != nil {
		return nil, false // a PUT that replaces something is atomic
	}
	p, length := o.parts[0], int64(0)
	for r := range seen.set.Within(ranges.Range{Start: p.off, End: p.off + int64(len(p.data))}) {
		if r.Start == p.off {
			length = r.Len()
		}
	}
	if c := w[o.name]; c == nil || !c.complete() {
		length = c.agrees(p.off, p.data[:length])
	}
	if readable := seen.set.Prefix() - p.off; readable > 0 {
		visible := &content{data: seen.data, set: ranges.NewSet(ranges.Range{End: seen.set.Prefix()})}
		length = visible.agrees(p.off, p.data[:length])
	}
	n, ok := o.fill(w[o.name], []part{{p.off, p.data[:length]}})
	return w.with(o.name, n), ok
}

// explain calls accept with worlds that base may have become by ops, which ran at the same time, and that are like the
// observed one: each that was acknowledged has happened, each that may have happened has or has not. It tells accept
// which have not, and reports whether accept returned true, after which it is not called again.
func explain(base world, ops []*op, observed world, accept func(w world, left []*op) bool) bool {
	settled := true
	for _, o := range ops {
		settled = settled && !(o.possible() && o.acknowledged())
	}
	if settled && base.equal(observed) && accept(base, ops) {
		return true
	}
	for i, o := range ops {
		if !o.possible() {
			continue
		}
		rest := slices.Delete(slices.Clone(ops), i, i+1)
		if next, ok := o.apply(base); ok && o.status/100 != 4 && explain(next, rest, observed, accept) {
			return true
		}
		if !o.persist || o.acknowledged() {
			continue
		}
		if next, ok := o.cut(base, observed); ok && explain(next, rest, observed, accept) {
			return true
		}
	}
	return false
}
