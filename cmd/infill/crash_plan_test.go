package main

import "github.com/infill-http/infill/ranges"

// plan returns the next requests, which are to be sent at the same time.
func (c *crashClient) plan() []*op {
	switch c.rng.IntN(4) {
	case 0: // several requests that know nothing of each other
		ops := []*op{c.any(false), c.any(false)}
		if c.rng.IntN(2) == 0 {
			ops = append(ops, &op{kind: opGet, name: c.name()})
		}
		return ops
	case 1: // one resource, filled by several requests
		if ops := c.crowd(); ops != nil {
			return ops
		}
	}
	return []*op{c.any(true)}
}

func (c *crashClient) name() string { return c.names[c.rng.IntN(len(c.names))] }

// any returns a request that can be performed on what a name has now. Some are only for a client that sends nothing
// else meanwhile.
func (c *crashClient) any(alone bool) *op {
	name := c.name()
	have := c.base[name]
	choice := c.rng.IntN(20)
	switch {
	case have == nil && choice < 8:
		return c.put(name, choice < 4)
	case have == nil:
		length := c.size()
		if choice == 8 {
			return &op{kind: opFill, name: name, length: -1, parts: []part{{0, c.bytes(length)}}}
		}
		return &op{kind: opFill, name: name, length: length, parts: c.parts(1+c.rng.IntN(3), ranges.Range{End: length})}
	case choice < 1:
		return &op{kind: opDelete, name: name, length: -1}
	case choice < 3:
		return c.put(name, false)
	case !have.complete() && have.length < 0:
		if choice < 8 {
			return &op{kind: opResize, name: name, length: have.set.Prefix()}
		}
		k := have.set.Prefix()
		return &op{kind: opFill, name: name, length: -1, parts: []part{{k, c.bytes(c.size())}}, persist: choice < 14}
	case !have.complete():
		o := &op{kind: opFill, name: name, length: have.length, persist: choice < 8}
		for hole := range have.set.Gaps(ranges.Range{End: have.length}) {
			if o.parts = append(o.parts, c.parts(1, hole)...); o.persist || c.rng.IntN(3) == 0 {
				break
			}
		}
		return o
	case choice < 6 || have.length == 0:
		return c.transfer(opMove, name)
	case choice < 9:
		return c.transfer(opCopy, name)
	case choice < 11 && alone:
		return &op{kind: opResize, name: name, length: c.size()}
	case choice < 13 && alone:
		return &op{kind: opFill, name: name, length: have.length, parts: c.parts(1, ranges.Range{End: have.length}), persist: true}
	}
	return &op{kind: opFill, name: name, length: have.length, parts: c.parts(1+c.rng.IntN(4), ranges.Range{End: have.length})}
}

func (c *crashClient) size() int64 { return 1 + c.rng.Int64N(c.most) }

func (c *crashClient) put(name string, persist bool) *op {
	o := &op{kind: opPut, name: name, persist: persist, parts: []part{{data: c.bytes(c.size())}}}
	if o.length = int64(len(o.parts[0].data)); c.rng.IntN(3) == 0 {
		o.length = -1
	}
	return o
}

// transfer returns a MOVE or COPY to a name that can be its destination.
func (c *crashClient) transfer(kind opKind, name string) *op {
	for _, to := range c.names {
		if have := c.base[to]; to != name && (have == nil || have.complete()) {
			return &op{kind: kind, name: name, to: to, length: -1}
		}
	}
	return &op{kind: opDelete, name: name, length: -1}
}

// crowd returns requests that together fill what is missing of one resource, or nil.
func (c *crashClient) crowd() []*op {
	name := c.name()
	have, length := c.base[name], c.size()
	if have == nil {
		have = &content{}
	} else if length = have.length; length < 0 || have.complete() {
		return nil
	}
	var ops []*op
	for hole := range have.set.Gaps(ranges.Range{End: length}) {
		n := (hole.Len() + 2) / 3
		for ; !hole.Empty() && len(ops) < 4; hole.Start = min(hole.Start+n, hole.End) {
			data := c.bytes(min(n, hole.Len()))
			ops = append(ops, &op{kind: opFill, name: name, length: length, parts: []part{{hole.Start, data}}, persist: c.rng.IntN(4) == 0})
		}
	}
	return ops
}

// parts returns up to n parts with new bytes that lie in r.
func (c *crashClient) parts(n int, r ranges.Range) []part {
	var list []part
	for i := range int64(n) {
		window := ranges.Range{Start: r.Start + r.Len()*i/int64(n), End: r.Start + r.Len()*(i+1)/int64(n)}
		if window.Empty() {
			continue
		}
		off := window.Start
		if c.rng.IntN(2) == 0 {
			off += c.rng.Int64N(window.Len())
		}
		data := c.bytes(1 + c.rng.Int64N(window.End-off))
		if c.rng.IntN(2) == 0 {
			data = c.bytes(window.End - off)
		}
		list = append(list, part{off, data})
	}
	return list
}

// bytes returns n new bytes.
func (c *crashClient) bytes(n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.rng.Uint32())
	}
	return b
}
