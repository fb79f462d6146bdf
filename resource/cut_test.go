package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/infill-http/infill/ranges"
)

// A cutting is a request whose content is cut off at each octet, and what is known to be data of each beginning of it.
type cutting struct {
	name   string
	on     string // fixture
	put    bool   // PUT, not PATCH
	header []string
	doc    string // the content, without transfer coding
	chunks []int  // sizes of the chunks that it is sent in; nil: with Content-Length
	data   []datum
	whole  bool // it replaces the representation, so of a resource that exists nothing changes before its end
	length int  // the complete-length that comes with the data; -1: none
	sets   int  // the complete-length that is told at the end; -1: none
	setsAt int  // octets of content after which that counts, 0: when the request is all there
	// ends are the lengths at which the document could end, the last one its own.
	ends  []int
	final string // content of the resource when the holes are filled too
}

// A datum is a byte that the content gives the resource.
type datum struct {
	after int // octets of content after which it is known to be data
	off   int
	b     byte
}

// arrives returns the data s for off and on, the first byte known after the given octets and each next one with the next.
func arrives(after, off int, s string) []datum {
	var list []datum
	for i := range len(s) {
		list = append(list, datum{after + i, off + i, s[i]})
	}
	return list
}

// together returns the data s for off and on that is known all at once.
func together(after, off int, s string) []datum {
	list := arrives(after, off, s)
	for i := range list {
		list[i].after = after
	}
	return list
}

// The counts are those of the wire formats: a byte is data as soon as it arrived, unless it could begin a delimiter.
var cuttings = []cutting{
	{name: "message", on: "C12", header: []string{mb}, doc: segment("2-5/12", "wxyz"), data: arrives(32, 2, "wxyz"),
		length: 12, sets: -1, ends: []int{35}, final: "01wxyz6789\r\n"},
	{name: "message in chunks", on: "I8", header: []string{mb}, doc: segment("2-7/8", "CDEFGH"), chunks: []int{3, 29, 5},
		data: arrives(31, 2, "CDEFGH"), length: 8, sets: -1, ends: []int{36}, final: "ABCDEFGH"},
	{name: "message without length", on: "IX[0,2)", header: []string{mb}, doc: message("CDEF", "Content-Offset: 2"), chunks: []int{23, 2},
		data: arrives(22, 2, "CDEF"), length: -1, sets: -1, ends: []int{21, 22, 23, 24, 25}, final: "ABCDEF"},

	{name: "binary", on: "C12", header: []string{ab}, doc: v1, data: arrives(31, 2, "wxyz"),
		length: 12, sets: -1, ends: []int{34}, final: "01wxyz6789\r\n"},
	{name: "binary of two parts", on: "N", header: []string{ab}, doc: v3,
		data: slices.Concat(arrives(30, 0, "AB"), arrives(61, 6, "GH")), length: 8, sets: -1, ends: []int{31, 62}, final: "ABCDEFGH"},
	{name: "binary without length", on: "C12", header: []string{ab}, doc: v2, data: slices.Concat(arrives(40, 2, "wx"), arrives(43, 4, "yz")),
		length: 12, sets: -1, ends: []int{45}, final: "01wxyz6789\r\n"},
	{name: "binary of both kinds", on: "N", header: []string{ab}, doc: v4, data: slices.Concat(arrives(30, 0, "AB"), arrives(52, 2, "CD")),
		length: -1, sets: -1, ends: []int{31, 54}, final: "ABCD"},

	{name: "multipart", on: "N", header: []string{mp}, doc: mp1, data: slices.Concat(arrives(36, 0, "AB"), arrives(75, 6, "GH")),
		length: 8, sets: -1, ends: []int{83, 85}, final: "ABCDEFGH"},
	{name: "multipart with look-alikes", on: "C12", header: []string{mp}, doc: multipart(segment("2-7/12", "a\r\n-b\r")),
		data:   slices.Concat(arrives(37, 2, "a"), together(41, 3, "\r\n-b"), together(43, 7, "\r")),
		length: 12, sets: -1, ends: []int{49, 51}, final: "01a\r\n-b\r89\r\n"},
	{name: "multipart with lengths", on: "C12", header: []string{mp},
		doc:  multipart(message("a\r\n-b\r", "Content-Range: bytes 2-7/12", "Content-Length: 6")),
		data: arrives(56, 2, "a\r\n-b\r"), length: 12, sets: -1, ends: []int{68, 70}, final: "01a\r\n-b\r89\r\n"},
	{name: "multipart that ends an upload", on: "N", header: []string{mp}, doc: multipart(segment("0-4/*", "hello"), segment("*/5", "")),
		data: arrives(36, 0, "hello"), length: -1, sets: 5, setsAt: 84, ends: []int{82, 84}, final: "hello"},
	{name: "multipart that describes", on: "I8[0,2)", header: []string{mp},
		doc:  multipart(message("CDEFGH", "Content-Range: bytes 2-7/8", "Content-Type: text/plain")),
		data: arrives(62, 2, "CDEFGH"), length: 8, sets: -1, ends: []int{74, 76}, final: "ABCDEFGH"},

	{name: "segment", on: "I8[0,2)", put: true, header: []string{"Content-Range: bytes 2-7/8"}, doc: "CDEFGH", data: arrives(1, 2, "CDEFGH"),
		length: 8, sets: -1, final: "ABCDEFGH"},
	{name: "segment in chunks", on: "N", put: true, header: []string{"Content-Range: bytes 0-7/8"}, doc: "ABCDEFGH", chunks: []int{3, 5},
		data: arrives(1, 0, "ABCDEFGH"), length: 8, sets: -1, final: "ABCDEFGH"},
	{name: "representation", on: "N", put: true, doc: "ABCDEFGH", data: arrives(1, 0, "ABCDEFGH"),
		whole: true, length: 8, sets: -1, final: "ABCDEFGH"},
	{name: "representation in chunks", on: "N", put: true, doc: "ABCDEFGH", chunks: []int{1, 7}, data: arrives(1, 0, "ABCDEFGH"),
		whole: true, length: -1, sets: 8, final: "ABCDEFGH"},
	{name: "representation over another", on: "C12", put: true, doc: "ABCDEFGH", data: arrives(1, 0, "ABCDEFGH"),
		whole: true, length: 8, sets: -1, final: "ABCDEFGH"},
}

// known returns how many bytes of data the first k octets of the content have.
func (v *cutting) known(k int) int {
	n := 0
	for n < len(v.data) && v.data[n].after <= k {
		n++
	}
	return n
}

// An expected is the state of a resource as the responses have to tell it.
type expected struct {
	content  string // of GET
	received ranges.Set
	length   int // -1: not known
	complete bool
}

// after returns the state that the first k octets of the content lead to; done says that the request was all there.
func (v *cutting) after(k int, done bool) expected {
	n := v.known(k)
	e := expected{length: v.length}
	var content []byte
	switch v.on {
	case "C12":
		e.complete = true
		if content = []byte("0123456789\r\n"); v.whole {
			content = make([]byte, v.length)
		}
	case "I8[0,2)", "IX[0,2)":
		content = []byte("AB")
		e.received.Add(ranges.Range{End: 2})
	}
	content = append(content, make([]byte, 16)...)
	for _, d := range v.data[:n] {
		content[d.off] = d.b
		e.received.Add(ranges.Range{Start: int64(d.off), End: int64(d.off) + 1})
	}
	if v.sets >= 0 && (done || v.setsAt > 0 && k >= v.setsAt) {
		e.length = v.sets
	}
	e.complete = e.complete || e.length >= 0 && e.received.Prefix() == int64(e.length)
	size := int(e.received.Prefix())
	if e.complete {
		size = e.length
		e.received = ranges.NewSet(ranges.Range{End: int64(size)})
	}
	e.content = string(content[:size])
	return e
}

// wire returns the content as HTTP/1.1 carries it, and how many octets of the content the first k octets of that have.
func (v *cutting) wire() (text string, content func(k int) int) {
	if v.chunks == nil {
		return v.doc, func(k int) int { return k }
	}
	var is []bool // octet of the content, not of the coding
	add := func(s string, content bool) {
		text += s
		is = append(is, slices.Repeat([]bool{content}, len(s))...)
	}
	rest := v.doc
	for _, n := range append(v.chunks, len(v.doc)) {
		n = min(n, len(rest))
		if n > 0 {
			add(fmt.Sprintf("%x\r\n", n), false)
			add(rest[:n], true)
			add("\r\n", false)
			rest = rest[n:]
		}
	}
	add("0\r\n\r\n", false)
	return text, func(k int) int {
		n := 0
		for _, b := range is[:k] {
			if b {
				n++
			}
		}
		return n
	}
}

// step returns the request for path, and what the response has to be.
func (v *cutting) step(path string, keep bool) step {
	s := step{req: "PATCH " + path, header: slices.Clone(v.header)}
	if v.put {
		s.req = "PUT " + path
	}
	if keep {
		s.header = append(s.header, persist)
	}
	return s
}

// resume does what a client does that knows the data, and of the resource what HEAD says: it sends what is missing.
func (w *world) resume(v *cutting, path string) {
	w.t.Helper()
	for range 2 {
		head := w.do(step{req: "HEAD " + path, status: w.exists(path)})
		if head.Header.Get("Upload-Complete") != "?0" || head.Header.Get("Upload-Length") == "" {
			s := v.step(path, false)
			s.body = v.doc
			w.do(s)
			continue
		}
		received, err := ranges.ParseReceived(head.Header.Values("Upload-Received"))
		if err != nil {
			w.t.Fatal(err)
		}
		for gap := range received.Gaps(ranges.Range{End: int64(len(v.final))}) {
			value := ranges.ContentRange{Range: gap, Length: int64(len(v.final))}.String()
			w.do(step{req: "PUT " + path, header: []string{"Content-Range: " + value}, body: v.final[gap.Start:gap.End], status: 204})
		}
	}
}

// exists returns the status that a request to read path has to get.
func (w *world) exists(path string) int {
	if _, err := w.store.Stat(w.t.Context(), path); err != nil {
		return 404
	}
	return 200
}

// shown returns what GET and HEAD tell about path, which has to be the same: their status, all fields but Date, and the
// content.
func (w *world) shown(path string) (text string, head reply, content string) {
	w.t.Helper()
	head = w.do(step{req: "HEAD " + path, status: w.exists(path)})
	get := w.do(step{req: "GET " + path, status: head.StatusCode})
	if head.StatusCode != 200 {
		return head.Status, head, ""
	}
	var b strings.Builder
	fmt.Fprintln(&b, head.Status)
	for _, name := range slices.Sorted(maps.Keys(head.Header)) {
		if name == "Date" {
			continue
		}
		value := strings.Join(head.Header.Values(name), ", ")
		fmt.Fprintf(&b, "%s: %s\n", name, value)
		if other := strings.Join(get.Header.Values(name), ", "); other != value && name != "Upload-Complete" {
			w.t.Errorf("HEAD %s has %s %q, and GET %q", path, name, value, other)
		}
	}
	fmt.Fprintf(&b, "%q", get.body)
	return b.String(), head, get.body
}
