package resource

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

var (
	historiesFlag   = flag.Int("histories", 50, "how many histories TestHistory records and checks")
	historySeedFlag = flag.Uint64("seed", 0, "seed of TestHistory, as an earlier run logged it; 0 for a new one")
)

const historySize = 4 // bytes of the resource of a history

// A register is a state of the resource of a history.
type register struct {
	exists bool
	mask   uint8 // bit i: byte i is committed
	data   [historySize]byte
	etag   string
}

func (s register) complete() bool { return s.mask == 1<<historySize-1 }

// prefix returns the representation, which for an incomplete resource ends before the first hole.
func (s register) prefix() string {
	n := 0
	for n < historySize && s.mask>>n&1 == 1 {
		n++
	}
	return string(s.data[:n])
}

// A call is a request of a history.
type call struct {
	method    string
	mask      uint8             // for PATCH, the bytes that its parts name
	data      [historySize]byte // for PUT and PATCH
	ifMatch   string            // an entity tag, or "" for no condition
	noneMatch bool              // If-None-Match: *
}

// An outcome is the response to a call, as far as it tells the state.
type outcome struct {
	status   int
	problem  string // last part of the type
	etag     string
	body     string // for GET
	complete bool   // from Upload-Complete
	mask     uint8  // from Upload-Received
}

// holds reports whether the preconditions of c hold in s (RFC 9110, Section 13.1). For a patch, If-None-Match: * lets an
// incomplete resource be filled.
func (c call) holds(s register) bool {
	switch {
	case c.ifMatch != "" && (!s.exists || c.ifMatch != s.etag):
		return false
	case c.noneMatch && c.method == "PATCH":
		return !s.exists || !s.complete()
	}
	return !c.noneMatch || !s.exists
}

// write returns the state after the bytes of c were written to s, and whether one of them differs from a committed one.
func (c call) write(s register) (next register, differs bool) {
	next = s
	for i := range historySize {
		if c.mask>>i&1 == 0 {
			continue
		}
		differs = differs || s.mask>>i&1 == 1 && s.data[i] != c.data[i]
		next.mask |= 1 << i
		next.data[i] = c.data[i]
	}
	next.exists = true
	return next, differs
}

// stepHistory reports whether c can be answered by a in the state s, as one step, and returns the state after it. An
// atomic request has its effect and its answer in one moment between invocation and response.
func stepHistory(s register, c call, a outcome) (bool, register) {
	if a.status == http.StatusPreconditionFailed {
		return !c.holds(s), s
	}
	switch c.method {
	case "GET", "HEAD":
		if !s.exists || a.status != http.StatusOK {
			return !s.exists && a.status == http.StatusNotFound, s
		}
		if c.method == "GET" {
			return a.etag == s.etag && a.body == s.prefix(), s
		}
		return a.etag == s.etag && a.tells(s), s
	case "DELETE":
		if !s.exists {
			return a.status == http.StatusNotFound, s
		}
		return a.status == http.StatusNoContent && c.holds(s), register{}
	case "PUT":
		next := register{exists: true, mask: 1<<historySize - 1, data: c.data, etag: a.etag}
		return a.wrote(s) && c.holds(s) && a.follows(register{}) && identity(a.etag) != identity(s.etag) && a.tells(next), next
	}
	next, differs := c.write(s)
	if a.status == http.StatusConflict {
		// A patch that began on an incomplete resource stays a fill (spec, Section 2.4); with other requests, the resource
		// may be complete by then. What supersedes a request is checked by checkSuperseded.
		return a.problem == "superseded" || a.problem == "range-conflict" && differs && c.ifMatch == "", s
	}
	if !a.wrote(s) || !c.holds(s) || differs && !s.complete() && c.ifMatch == "" {
		return false, s
	}
	changed := next != s
	next.etag = a.etag
	return a.tells(next) && (changed && a.follows(s) || !changed && a.etag == s.etag), next
}

// wrote reports whether a tells the success of a write to s.
func (a outcome) wrote(s register) bool {
	return s.exists && a.status == http.StatusNoContent || !s.exists && a.status == http.StatusCreated
}

// tells reports whether a, which is not the answer to GET, describes s.
func (a outcome) tells(s register) bool {
	return a.complete == s.complete() && (s.complete() || a.mask == s.mask)
}

// follows reports whether the entity tag of a can be that of a commit to s.
func (a outcome) follows(s register) bool {
	return a.etag != "" && (!s.exists || identity(a.etag) == identity(s.etag) && revision(a.etag) > revision(s.etag))
}

func identity(etag string) string {
	id, _, _ := strings.Cut(etag, ".")
	return id
}

func revision(etag string) uint64 {
	_, digits, _ := strings.Cut(strings.Trim(etag, `"`), ".")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

var historyModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		return stepHistory(state.(register), input.(call), output.(outcome))
	},
}

// TestHistoryModel checks that the model accepts what it should, and notices what a broken server would do.
func TestHistoryModel(t *testing.T) {
	const all = 1<<historySize - 1
	abcd, wxyz := [historySize]byte([]byte("abcd")), [historySize]byte([]byte("wxyz"))
	put := call{method: "PUT", data: abcd}
	patch := call{method: "PATCH", mask: 0b1001, data: wxyz}
	get, head, del := call{method: "GET"}, call{method: "HEAD"}, call{method: "DELETE"}
	one := call{method: "PATCH", mask: 0b1001, data: wxyz, ifMatch: `"a.1"`}
	two := call{method: "PATCH", mask: 0b0110, data: wxyz, ifMatch: `"a.1"`}
	created := outcome{status: 201, etag: `"a.1"`, complete: true, mask: all}
	patched := outcome{status: 204, etag: `"a.2"`, complete: true, mask: all}
	absent, gone := outcome{status: 404}, outcome{status: 204}
	failed := outcome{status: 412}
	holes := outcome{status: 201, etag: `"a.1"`, mask: 0b1001}

	at := func(call, ret int64, in call, out outcome) porcupine.Operation {
		return porcupine.Operation{Call: call, Input: in, Output: out, Return: ret}
	}
	for _, c := range []struct {
		name    string
		ok      bool
		history []porcupine.Operation
	}{
		{"lost write", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, get, absent)}},
		{"stale read", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, patch, patched),
			at(5, 6, get, outcome{status: 200, etag: `"a.1"`, body: "abcd"})}},
		{"stale head", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, patch, patched),
			at(5, 6, head, outcome{status: 200, etag: `"a.1"`, complete: true, mask: all})}},
		{"half of a patch", false, []porcupine.Operation{at(1, 2, put, created), at(3, 9, patch, patched),
			at(4, 5, get, outcome{status: 200, etag: `"a.2"`, body: "wbcd"})}},
		{"back in time", false, []porcupine.Operation{at(1, 2, put, created), at(3, 9, patch, patched),
			at(4, 5, get, outcome{status: 200, etag: `"a.2"`, body: "wbcz"}), at(6, 7, get, outcome{status: 200, etag: `"a.1"`, body: "abcd"})}},
		{"two for one state", false, []porcupine.Operation{at(1, 2, put, created), at(3, 6, one, patched),
			at(4, 5, two, outcome{status: 204, etag: `"a.3"`, complete: true, mask: all})}},
		{"two creations", false, []porcupine.Operation{at(1, 5, put, created), at(2, 4, put, outcome{status: 201, etag: `"b.1"`, complete: true, mask: all})}},
		{"refused without reason", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, one, failed)}},
		{"after deletion", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, del, gone),
			at(5, 6, get, outcome{status: 200, etag: `"a.1"`, body: "abcd"})}},
		{"resurrection by a patch", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, del, gone), at(5, 6, patch, patched)}},
		{"entity tag kept", false, []porcupine.Operation{at(1, 2, put, created), at(3, 4, patch, outcome{status: 204, etag: `"a.1"`, complete: true, mask: all})}},
		{"hole shown", false, []porcupine.Operation{at(1, 2, patch, holes), at(3, 4, get, outcome{status: 200, etag: `"a.1"`, body: "w\x00\x00z"})}},
		{"over-reported", false, []porcupine.Operation{at(1, 2, patch, holes), at(3, 4, head, outcome{status: 200, etag: `"a.1"`, mask: 0b1011})}},
		{"replaced in a fill", false, []porcupine.Operation{at(1, 2, patch, holes),
			at(3, 4, call{method: "PATCH", mask: 0b0011, data: abcd}, outcome{status: 204, etag: `"a.2"`, mask: 0b1011})}},

		{"atomic patch", true, []porcupine.Operation{at(1, 2, put, created), at(3, 9, patch, patched),
			at(4, 5, get, outcome{status: 200, etag: `"a.1"`, body: "abcd"}), at(6, 7, get, outcome{status: 200, etag: `"a.2"`, body: "wbcz"})}},
		{"one for one state", true, []porcupine.Operation{at(1, 2, put, created), at(3, 6, one, patched), at(4, 5, two, failed)}},
		{"fill", true, []porcupine.Operation{at(1, 2, patch, holes), at(3, 4, get, outcome{status: 200, etag: `"a.1"`, body: "w"}),
			at(5, 6, patch, outcome{status: 204, etag: `"a.1"`, mask: 0b1001}),
			at(7, 8, call{method: "PATCH", mask: 0b0110, data: abcd}, outcome{status: 204, etag: `"a.2"`, complete: true, mask: all}),
			at(9, 10, del, gone), at(11, 12, head, absent)}},
	} {
		if got := porcupine.CheckOperations(historyModel, c.history); got != c.ok {
			t.Errorf("%s: accepted %t", c.name, got)
		}
	}
}

// A historian records the requests that clients send to one resource.
type historian struct {
	t     *testing.T
	http  *http.Client
	url   string
	start time.Time
	tick  chan struct{} // a request was answered
	ended chan struct{} // closed when only the slow client is left

	mu  sync.Mutex // guards ops
	ops []porcupine.Operation
}

// client sends n requests, drawn from rng. A slow one sends the content of its requests after others have had answers.
func (h *historian) client(id, n int, rng *rand.Rand, slow bool) {
	etag := ""
	for range n {
		c := h.draw(rng, etag)
		called := int64(time.Since(h.start))
		a, err := h.do(c, slow)
		returned := int64(time.Since(h.start))
		if err != nil {
			h.t.Error(err)
			return
		}
		if a.etag != "" {
			etag = a.etag
		}
		h.mu.Lock()
		h.ops = append(h.ops, porcupine.Operation{ClientId: id, Input: c, Call: called, Output: a, Return: returned})
		h.mu.Unlock()
		if !slow {
			select {
			case h.tick <- struct{}{}:
			default:
			}
		}
	}
}

// draw returns a random request. One with If-Match names the last state that the client has seen.
func (h *historian) draw(rng *rand.Rand, etag string) call {
	c := call{method: []string{"PUT", "PATCH", "PATCH", "PATCH", "GET", "GET", "HEAD", "DELETE"}[rng.IntN(8)]}
	if c.method == "GET" || c.method == "HEAD" {
		return c
	}
	switch rng.IntN(4) {
	case 0:
		c.ifMatch = etag
	case 1:
		c.noneMatch = c.method != "DELETE"
	}
	if c.method == "PATCH" {
		i := rng.IntN(historySize)
		c.mask = 1<<i | 1<<((i+1+rng.IntN(historySize-1))%historySize)
	}
	for i := range c.data {
		c.data[i] = byte('a' + rng.IntN(26))
	}
	return c
}

// A lateBody is content that is not there before another request was answered.
type lateBody struct {
	io.Reader
	h *historian
}

func (b *lateBody) Read(p []byte) (int, error) {
	if b.h != nil {
		select {
		case <-b.h.tick:
		case <-b.h.ended:
		}
		b.h = nil
	}
	return b.Reader.Read(p)
}

// do sends c and returns what came of it.
func (h *historian) do(c call, slow bool) (outcome, error) {
	content, contentType := "", ""
	switch c.method {
	case "PUT":
		content = string(c.data[:])
	case "PATCH":
		var parts []string
		for i := range historySize {
			if c.mask>>i&1 == 1 {
				parts = append(parts, segment(fmt.Sprintf("%d-%d/%d", i, i, historySize), string(c.data[i])))
			}
		}
		content = multipart(parts...)
		_, contentType, _ = strings.Cut(mp, ": ")
	}
	req, err := http.NewRequest(c.method, h.url, strings.NewReader(content))
	if err != nil {
		return outcome{}, err
	}
	if content != "" && slow {
		req.Body = io.NopCloser(&lateBody{strings.NewReader(content), h})
		req.Header.Set("Expect", "100-continue") // which comes when the server has begun
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.ifMatch != "" {
		req.Header.Set("If-Match", c.ifMatch)
	}
	if c.noneMatch {
		req.Header.Set("If-None-Match", "*")
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return outcome{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return outcome{}, err
	}
	a := outcome{status: resp.StatusCode, etag: resp.Header.Get("ETag"), complete: resp.Header.Get("Upload-Complete") == "?1"}
	if a.status >= 400 {
		var p struct{ Type string }
		if c.method != "HEAD" {
			err = json.NewDecoder(bytes.NewReader(body)).Decode(&p)
		}
		a.problem = path.Base(p.Type)
		return a, err
	}
	a.body = string(body)
	received, err := ranges.ParseReceived(resp.Header.Values("Upload-Received"))
	for i := range int64(historySize) {
		if received.Contains(i) {
			a.mask |= 1 << i
		}
	}
	return a, err
}

// checkSuperseded checks that of the requests which were told that another one superseded them, each met one that
// removed or replaced the resource.
func checkSuperseded(t *testing.T, ops []porcupine.Operation) {
	t.Helper()
	for _, o := range ops {
		if o.Output.(outcome).problem != "superseded" {
			continue
		}
		met := false
		for _, other := range ops {
			method := other.Input.(call).method
			met = met || (method == "PUT" || method == "DELETE") && other.Output.(outcome).status < 300 && other.Call < o.Return && o.Call < other.Return
		}
		if !met {
			t.Errorf("%+v of client %d, at %d, was superseded by nothing", o.Input, o.ClientId, o.Call)
		}
	}
}

// TestHistory lets clients write to one resource, and read it, at the same time, and checks that what they are told is
// what one after the other would have been told, in some order that contradicts no client: that requests are linearizable.
//
//	go test ./resource -run TestHistory -histories 5000
func TestHistory(t *testing.T) {
	seed := *historySeedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with -seed=%d -histories=%d", seed, *historiesFlag)
	const clients, requests = 4, 12
	w := newWorldOn(t, vfs.NewMem(), store.Options{InlineSize: []int{-1, 16}[seed%2]})
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: clients, ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	counts := map[string]int{}
	for n := range *historiesFlag {
		h := &historian{t: t, http: &http.Client{Transport: transport, Timeout: time.Minute}, url: fmt.Sprintf("%s/%d", w.srv.URL, n),
			start: time.Now(), tick: make(chan struct{}), ended: make(chan struct{})}
		var slow, fast sync.WaitGroup
		for id := range clients {
			rng := rand.New(rand.NewPCG(seed, uint64(n*clients+id)))
			if id == 0 {
				slow.Go(func() { h.client(id, requests, rng, true) })
			} else {
				fast.Go(func() { h.client(id, requests, rng, false) })
			}
		}
		fast.Wait()
		close(h.ended)
		slow.Wait()
		checkSuperseded(t, h.ops)
		if got := porcupine.CheckOperationsTimeout(historyModel, h.ops, time.Minute); got != porcupine.Ok {
			t.Errorf("the history is %s", got)
		}
		if t.Failed() {
			for _, o := range h.ops {
				t.Logf("client %d: %d-%d %+v: %+v", o.ClientId, o.Call, o.Return, o.Input, o.Output)
			}
			t.Fatalf("history %d of seed %d", n, seed)
		}
		for _, o := range h.ops {
			counts[fmt.Sprint(o.Input.(call).method, " ", o.Output.(outcome).status, " ", o.Output.(outcome).problem)]++
		}
	}
	t.Logf("%v", counts)
	for _, want := range []string{"PUT 201 ", "PUT 204 ", "PUT 412 precondition-failed", "PATCH 201 ", "PATCH 204 ", "PATCH 412 precondition-failed",
		"PATCH 409 range-conflict", "PATCH 409 superseded", "GET 200 ", "GET 404 not-found", "HEAD 200 ", "DELETE 204 ", "DELETE 404 not-found"} {
		if counts[want] == 0 {
			t.Errorf("too few histories: no %s in %v", want, counts)
		}
	}
}

// A write that began before its name was taken and became free again is superseded, and does not get in the way of those
// that began after that. TestHistory found that it did.
func TestWriteOfEarlierAbsence(t *testing.T) {
	w := newWorld(t)
	s := step{req: "PATCH /a", header: []string{mb}, status: http.StatusConflict, typ: "superseded"}
	before, after := segment("0-0/4", "a"), segment("0-0/4", "b")
	f := w.start(s, len(before)).send(before[:len(before)-1])
	w.put("/a", "abcd", "e1")
	w.do(step{req: "DELETE /a", status: http.StatusNoContent})
	g := w.start(s, len(after)).send(after[:len(after)-1])
	f.write(before[len(before)-1:])
	f.end(s)
	s.status, s.typ = http.StatusCreated, ""
	g.send(after[len(after)-1:]).end(s)
	w.do(step{req: "GET /a", status: http.StatusOK, is: ptr("b")})
}
