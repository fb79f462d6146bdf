package resource

import (
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/infill-http/infill/store"
)

var cutsFlag = flag.Int("cuts", 23, "TestInterruptions makes every n-th cut, and a few kinds of cut at each octet; 1 for all of them")

// A fault is a way for content to end early.
type fault string

const (
	faultFIN   fault = "FIN"   // the client closes its half of the connection
	faultRST   fault = "RST"   // the connection is reset
	faultStall fault = "stall" // nothing comes any more
	faultWhole fault = "whole" // the message ends properly, and what is in it does not
	faultShort fault = "short" // HTTP/2: the stream ends before Content-Length octets
	faultReset fault = "reset" // HTTP/2: the stream is reset
)

var faultsOf = map[string][]fault{
	"h1": {faultFIN, faultRST, faultStall, faultWhole},
	"h2": {faultFIN, faultRST, faultStall, faultWhole, faultShort, faultReset},
}

// Content that is cut off at any octet, in any way, is applied as far as it is known to be data if the client prefers
// that, or not at all; all that is told says the same, and nothing is in the way of the next request.
func TestInterruptions(t *testing.T) {
	modes := []struct {
		name  string
		bytes int64 // that a persisting request commits at once
	}{{"atomic", 0}, {"persist", 0}, {"persist at once", 1}}
	before := runtime.NumGoroutine()
	for i := range cuttings {
		v := &cuttings[i]
		for j, mode := range modes {
			t.Run(v.name+"/"+mode.name, func(t *testing.T) {
				var counted *countedStore
				w := newWorldWith(t, newMemFS(), storeOptions(func(o *storeOpts) { o.PersistBytes = mode.bytes }),
					func(w *world) {
						// So a stream that stays is in the way of the next one.
						w.srv.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1}
						w.srv.Listener = w.meter.listener(w.srv.Listener)
					},
					func(h *Handler) {
						h.BodyIdleTimeout = time.Hour
						counted = &countedStore{Store: h.Store}
						h.Store = counted
					})
				for _, proto := range []string{"h1", "h2"} {
					c := w.frames()
					for l, f := range faultsOf[proto] {
						for k := range v.cuts(proto, f) {
							x := interrupted{w: w, v: v, proto: proto, fault: f, k: k, persist: j > 0, atOnce: j == 2}
							if x.applies() && (*cutsFlag <= 1 || x.always() || (i+j+k+l)%*cutsFlag == 0) {
								x.run(c)
								if n := counted.open.Load(); n != 0 {
									t.Fatalf("%v: %d transactions are open", x, n)
								}
							}
						}
					}
					c.c.Close()
				}
				w.http.CloseIdleConnections()
				w.meter.alone()
				w.inspect(v)
			})
		}
	}
	if !eventually(func() bool { return runtime.NumGoroutine() <= before }) {
		t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
	}
}

// eventually reports whether ok becomes true soon, for what has no event to wait for.
func eventually(ok func() bool) bool {
	for end := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// inspect checks the store after it has served v.
func (w *world) inspect(v *cutting) {
	w.t.Helper()
	var report *store.CheckReport
	settled := eventually(func() bool {
		var err error
		if report, err = w.store.Check(w.t.Context(), store.CheckOptions{Data: true}); err != nil {
			w.t.Fatal(err)
		}
		// A resource that was only filled is one file. It would have another one if what a request had reserved in the
		// first, and then did not commit, stayed reserved. Files that nothing refers to go in the background.
		return report.Files <= report.Resources || v.on == "C12"
	})
	if !settled || report.CheckCounts.Faults > 0 {
		w.t.Errorf("%+v", report)
	}
}

// cuts returns how many places there are to cut off the content.
func (v *cutting) cuts(proto string, f fault) int {
	if proto == "h1" && f != faultWhole {
		text, _ := v.wire()
		return len(text) + 1
	}
	return len(v.doc) + 1
}

// An interrupted is one request that is cut off.
type interrupted struct {
	w       *world
	v       *cutting
	proto   string
	fault   fault
	k       int // octets of content that are sent, in HTTP/1.1 with the transfer coding
	persist bool
	atOnce  bool // each octet is committed as it comes
}

func (x interrupted) String() string {
	return fmt.Sprintf("%s %s at %d persist=%v", x.proto, x.fault, x.k, x.persist)
}

// applies reports whether the fault is one for the request.
func (x interrupted) applies() bool {
	switch x.fault {
	case faultWhole:
		return !x.v.put // or it would be another request, with another length
	case faultShort:
		return x.v.chunks == nil
	}
	return true
}

// always reports whether x is one of the cuts that the test never leaves out.
func (x interrupted) always() bool {
	return x.proto == "h1" && x.fault == faultFIN && !x.atOnce
}

// sent returns how many octets of the content, without transfer coding, are sent.
func (x interrupted) sent() int {
	if x.proto == "h1" && x.fault != faultWhole {
		_, content := x.v.wire()
		return content(x.k)
	}
	return x.k
}

// inTrailers reports whether only the end of the trailer section is not sent.
func (x interrupted) inTrailers() bool {
	text, _ := x.v.wire()
	return x.proto == "h1" && x.v.chunks != nil && x.k >= len(text)-len("\r\n")
}

// done reports whether the request is all there.
func (x interrupted) done() bool {
	switch {
	case x.fault == faultWhole:
		return slices.Contains(x.v.ends, x.k)
	case x.proto == "h1":
		text, _ := x.v.wire()
		return x.k == len(text)
	}
	return x.fault == faultShort && x.k == len(x.v.doc)
}

// counts returns how many bytes of data have to be committed.
func (x interrupted) counts() int {
	if !x.done() && (!x.persist || x.v.whole && x.v.on != "N") {
		return 0
	}
	return x.v.known(x.sent())
}

// step returns the request, and what the response has to be if there is one.
func (x interrupted) step(path string) step {
	s := x.v.step(path, x.persist)
	switch {
	case x.done():
	case x.fault == faultWhole:
		s.status = 400
	case x.fault == faultStall && !x.inTrailers(): // TestStall has that, with time that passes
		s.status, s.typ = 408, "content-timeout"
	default:
		s.status, s.typ = 400, "incomplete-body"
	}
	return s
}

// run sends the request, checks what has come of it, and then goes on from there. In HTTP/2 it uses c, unless the fault
// is one of the connection.
func (x interrupted) run(c *frames) {
	w := x.w
	path := fmt.Sprintf("/%s/%s/%d", x.proto, x.fault, x.k)
	w.fixture(x.v.on, path)
	before, _, _ := w.shown(path)
	var r *reply
	if x.proto == "h1" {
		r = x.h1(path)
	} else {
		r = x.h2(path, c)
	}
	after, head, content := w.shown(path)

	n := x.counts()
	if n == 0 && !x.done() {
		if after != before {
			w.t.Errorf("%v: it was\n%s\nand is\n%s", x, before, after)
		}
	} else if e := x.v.after(x.sent(), x.done()); content != e.content || !e.told(head.Header) {
		w.t.Errorf("%v: %q, want %+v:\n%s", x, content, e, after)
	}
	if r != nil && head.StatusCode == 200 {
		for _, field := range []string{"ETag", "Upload-Complete", "Upload-Received"} {
			if told := r.Header.Get(field); told != head.Header.Get(field) {
				w.t.Errorf("%v: the response had %s %q, and HEAD\n%s", x, field, told, after)
			}
		}
	}

	w.resume(x.v, path)
	if _, _, content := w.shown(path); content != x.v.final {
		w.t.Errorf("%v: then completed: %q, want %q", x, content, x.v.final)
	}
}

// told reports whether the header section of a response to HEAD tells e.
func (e expected) told(hd http.Header) bool {
	complete, length, received := "?1", "", ""
	if !e.complete {
		complete = "?0"
		if e.length >= 0 {
			length = fmt.Sprint(e.length)
		}
		var list []string
		for r := range e.received.All() {
			list = append(list, fmt.Sprintf("(%d %d)", r.Start, r.End))
		}
		received = strings.Join(list, ", ")
	}
	return hd.Get("Upload-Complete") == complete && hd.Get("Upload-Received") == received &&
		(e.complete || hd.Get("Upload-Length") == length) && hd.Get("Content-Length") == fmt.Sprint(len(e.content))
}

// h1 sends the request in HTTP/1.1. It returns when the server is done with it, with the response if one can be read.
func (x interrupted) h1(path string) *reply {
	w, s := x.w, x.step(path)
	text, _ := x.v.wire()
	text = text[:min(x.k, len(text))]
	n := len(x.v.doc)
	if x.v.chunks != nil {
		n = -1
	}
	if x.fault == faultWhole {
		text = x.v.doc[:x.k]
		if n >= 0 {
			n = x.k
		}
	}
	f := w.start(s, n)
	defer f.c.Close()
	if x.fault == faultWhole && n < 0 {
		if text != "" {
			f.write(text)
		}
		f.last()
	} else {
		f.raw(text)
	}
	if (x.fault == faultRST || x.fault == faultStall) && !x.done() {
		w.meter.took(f.c, f.size) // net/http may keep the beginning of a chunk to itself
	}
	switch x.fault {
	case faultFIN:
		f.cut()
	case faultRST:
		if x.done() {
			w.meter.wait(f.id, x.sent())
		}
		f.reset()
		w.meter.end(f.id)
		return nil
	case faultStall:
		if !x.done() {
			x.expire(f.id)
			s.want = []string{"Connection: close"}
		}
	}
	r := f.end(s)
	w.meter.end(f.id)
	if x.fault == faultFIN || x.fault == faultStall && !x.done() {
		if n, err := f.c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			w.t.Errorf("%v: connection stays open: %v", x, err)
		}
	}
	return &r
}

// h2 is the same for HTTP/2.
func (x interrupted) h2(path string, c *frames) *reply {
	w, s := x.w, x.step(path)
	broken := x.fault == faultFIN || x.fault == faultRST
	if broken {
		c = w.frames()
		defer c.c.Close()
	}
	n := len(x.v.doc)
	if x.v.chunks != nil || x.fault == faultWhole {
		n = -1
	}
	id := rand.Text()
	c.request(s, id, n)
	ends := x.fault == faultWhole || x.fault == faultShort
	if x.k > 0 || ends {
		c.send(x.v.doc[:x.k], ends)
	}
	if !ends {
		w.meter.starve(id, x.sent())
	}
	switch x.fault {
	case faultFIN:
		if err := c.c.(*net.TCPConn).CloseWrite(); err != nil {
			w.t.Fatal(err)
		}
		w.meter.gone(c.c)
	case faultRST:
		if err := c.c.(*net.TCPConn).SetLinger(0); err != nil {
			w.t.Fatal(err)
		}
		c.c.Close()
		w.meter.gone(c.c)
	case faultReset:
		c.reset()
	case faultStall:
		x.expire(id)
		fallthrough
	default:
		r, err := c.response(s)
		if err != nil {
			w.t.Fatalf("%v: %v", x, err)
		}
		w.meter.end(id)
		return &r
	}
	w.meter.end(id)
	return nil
}

// expire makes the time pass for which the server waits for content.
func (x interrupted) expire(id string) {
	if !x.w.meter.expire(id) {
		x.w.t.Fatalf("%v: the server waits for ever", x)
	}
}
