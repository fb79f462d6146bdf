package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// A crashClient has a few names for itself, and knows what they must have. It sends its requests one after the other, or
// some at the same time.
type crashClient struct {
	t     *testing.T
	id    int
	rng   *rand.Rand
	names []string
	most  int64 // largest complete-length
	epoch *epoch

	base    world // what the names had before pending
	pending []*op // of which the outcome is not certain

	mu     sync.Mutex        // guards what follows
	floor  map[string]uint64 // by resource, the highest revision that was told
	states map[string]string // what was seen with each entity tag
	done   map[string]int    // acknowledged requests by kind, and those that the server was killed in
}

const (
	effect   = "in flight, with effect"
	noEffect = "in flight, without"
)

func newCrashClient(t *testing.T, id int, seed uint64) *crashClient {
	c := &crashClient{t: t, id: id, rng: rand.New(rand.NewPCG(seed, uint64(id))), base: world{},
		floor: map[string]uint64{}, states: map[string]string{}, done: map[string]int{}}
	c.most = []int64{16, 4 << 10, 64 << 10, 1 << 20}[id%4]
	for _, name := range []string{"a", "b", "c"} {
		c.names = append(c.names, fmt.Sprintf("/%d/%s", id, name))
	}
	return c
}

// run sends requests until the process is killed.
func (c *crashClient) run(e *epoch) {
	for c.epoch = e; !e.killed.Load() && !c.t.Failed(); {
		ops := c.plan()
		c.perform(ops)
		c.pending = ops
		if alone := len(ops) == 1 && ops[0].acknowledged(); alone && c.rng.IntN(2) == 0 {
			c.advance(ops[0])
			continue
		}
		if !e.killed.Load() {
			c.settle()
		}
	}
}

// perform sends ops at the same time.
func (c *crashClient) perform(ops []*op) {
	var wg sync.WaitGroup
	for _, o := range ops {
		wg.Go(func() { c.send(o) })
	}
	wg.Wait()
	for _, o := range ops {
		switch {
		case o.status == 0, o.acknowledged():
		case len(ops) > 1 && (o.status == http.StatusConflict || o.status == http.StatusNotFound):
		default:
			c.t.Errorf("client %d: %v\nwith %v\non %v", c.id, o, ops, c.base)
		}
	}
}

// request returns the request of o.
func (c *crashClient) request(o *op) (*http.Request, error) {
	method, body, contentType := opNames[o.kind], io.Reader(nil), ""
	contentRange := ""
	switch o.kind {
	case opPut:
		body = bytes.NewReader(o.parts[0].data)
		if o.length < 0 {
			body = io.MultiReader(body) // sent in chunks
		}
	case opFill, opResize:
		var doc bytes.Buffer
		w, err := byteranges.NewWriter(&doc, byteranges.MediaTypeApplication)
		if err != nil {
			return nil, err
		}
		for _, p := range o.parts {
			pw, err := w.CreatePart(byteranges.PartHeader{Off: p.off, Len: int64(len(p.data)), Length: o.length})
			if err == nil {
				_, err = pw.Write(p.data)
			}
			if err != nil {
				return nil, err
			}
		}
		if o.kind == opResize {
			err = w.SetLength(o.length)
		}
		if err = cmp.Or(err, w.Close()); err != nil {
			return nil, err
		}
		method, body, contentType = "PATCH", &doc, w.ContentType()
		if o.kind == opFill && len(o.parts) == 1 && len(o.parts[0].data)%2 == 0 {
			p := o.parts[0]
			method, body, contentType = "PUT", bytes.NewReader(p.data), ""
			contentRange = ranges.ContentRange{Range: ranges.Range{Start: p.off, End: p.off + int64(len(p.data))}, Length: o.length}.String()
		}
	}
	req, err := http.NewRequest(method, c.epoch.url+o.name, body)
	if err != nil {
		return nil, err
	}
	for field, value := range map[string]string{"Content-Type": contentType, "Content-Range": contentRange, "Destination": o.to} {
		if value != "" {
			req.Header.Set(field, value)
		}
	}
	if o.persist {
		req.Header.Set("Prefer", "transaction=persist")
	}
	return req, nil
}

// send sends the request of o and notes what came of it.
func (c *crashClient) send(o *op) {
	req, err := c.request(o)
	if err != nil {
		c.t.Error(err)
		return
	}
	resp, body, err := c.do(req)
	if err != nil {
		return
	}
	o.status, o.etag = resp.StatusCode, resp.Header.Get("ETag")
	if o.status >= 500 {
		c.t.Errorf("client %d: %v: %s", c.id, o, body)
	}
	if !o.acknowledged() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[opNames[o.kind]]++
	c.told(o.etag)
	if o.kind == opGet {
		c.saw(o.etag, body)
	}
}

// do returns the response with its content. An error means that the process was killed.
func (c *crashClient) do(req *http.Request) (*http.Response, []byte, error) {
	resp, err := c.epoch.http.Do(req)
	var body []byte
	if err == nil {
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
	}
	if err != nil && !c.epoch.killed.Load() {
		c.t.Errorf("client %d: %s %s: %v", c.id, req.Method, req.URL.Path, err)
	}
	return resp, body, err
}

// told notes that a revision was told to a client. c.mu is held.
func (c *crashClient) told(etag string) {
	if id, revision, ok := cutTag(etag); ok {
		c.floor[id] = max(c.floor[id], revision)
	}
}

// saw notes the representation that an entity tag came with, and checks that it is the only one. c.mu is held.
func (c *crashClient) saw(etag string, body []byte) {
	state := fmt.Sprintf("%d bytes, %x", len(body), sha256.Sum256(body))
	if was, ok := c.states[etag]; ok && was != state {
		c.t.Errorf("client %d: %s was %s and is %s", c.id, etag, was, state)
	}
	c.states[etag] = state
}

// cutTag returns the resource and the revision in an entity tag.
func cutTag(etag string) (id string, revision uint64, ok bool) {
	id, digits, ok := strings.Cut(strings.Trim(etag, `"`), ".")
	revision, err := strconv.ParseUint(digits, 10, 64)
	return id, revision, ok && err == nil
}

// advance goes on from what o, which was the only one, has made.
func (c *crashClient) advance(o *op) {
	next, ok := o.apply(c.base)
	if !ok {
		c.t.Errorf("client %d: %v\ncannot be on %v", c.id, o, c.base)
		return
	}
	name := cmp.Or(o.to, o.name)
	if have := next[name]; have != nil {
		next = next.with(name, have.tagged(o.etag))
	}
	c.base, c.pending = next, nil
}

// settle looks at what all names have, checks that it is something that the pending operations may have come to, and
// goes on from there. It does nothing if the process is killed meanwhile.
func (c *crashClient) settle() {
	observed := world{}
	for _, name := range c.names {
		seen, err := c.observe(name)
		if err != nil {
			return
		}
		if seen != nil {
			observed[name] = seen
		}
	}
	var next world
	var without []*op
	var probing error
	found := explain(c.base, c.pending, observed, func(w world, left []*op) bool {
		next, without = world{}, left
		for name, have := range w {
			next[name] = have.tagged(observed[name].etag)
			if probing = c.probe(name, next[name]); probing != nil {
				return false
			}
		}
		return true
	})
	switch {
	case found:
		for _, o := range c.pending {
			if o.status == 0 && o.kind != opGet && slices.Contains(without, o) {
				c.done[noEffect]++
			} else if o.status == 0 && o.kind != opGet {
				c.done[effect]++
			}
		}
		c.base, c.pending = next, nil
	case !c.epoch.killed.Load():
		c.t.Errorf("client %d: %v\non %v\ncannot come to %v (%v)", c.id, c.pending, c.base, observed, probing)
	}
}

// observe returns what a name has, nil if nothing.
func (c *crashClient) observe(name string) (*content, error) {
	head, err := http.NewRequest("HEAD", c.epoch.url+name, nil)
	if err != nil {
		return nil, err
	}
	resp, _, err := c.do(head)
	if err != nil || resp.StatusCode == http.StatusNotFound {
		return nil, err
	}
	get, err := http.NewRequest("GET", c.epoch.url+name, nil)
	if err != nil {
		return nil, err
	}
	got, body, err := c.do(get)
	if err != nil {
		return nil, err
	}
	etag := resp.Header.Get("ETag")
	seen := &content{data: body, length: -1, etag: etag}
	if resp.Header.Get("Upload-Complete") == "?1" {
		seen.length = resp.ContentLength
		seen.set.Add(ranges.Range{End: seen.length})
	} else {
		if seen.set, err = ranges.ParseReceived(resp.Header.Values("Upload-Received")); err != nil {
			c.t.Errorf("client %d: HEAD %s: %v", c.id, name, err)
		}
		if s := resp.Header.Get("Upload-Length"); s != "" {
			if seen.length, err = strconv.ParseInt(s, 10, 64); err != nil {
				c.t.Errorf("client %d: HEAD %s: %v", c.id, name, err)
			}
		}
	}
	if resp.StatusCode != 200 || got.StatusCode != 200 || got.Header.Get("ETag") != etag || int64(len(body)) != resp.ContentLength ||
		seen.set.Prefix() != int64(len(body)) {
		c.t.Errorf("client %d: HEAD %s: %s %v\nGET: %s, %d bytes, %v", c.id, name, resp.Status, resp.Header, got.Status, len(body), got.Header)
		return nil, fmt.Errorf("%s is not consistent", name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, revision, ok := cutTag(etag); !ok || revision < c.floor[id] {
		c.t.Errorf("client %d: %s has %s after revision %d", c.id, name, etag, c.floor[id])
	}
	c.told(etag)
	c.saw(etag, body)
	return seen, nil
}

// probe checks the bytes that a HEAD reports and that cannot be read yet: the same ones again change nothing.
func (c *crashClient) probe(name string, have *content) error {
	for r := range have.set.All() {
		if r.Start == 0 {
			continue
		}
		value := ranges.ContentRange{Range: r, Length: have.length}
		req, err := http.NewRequest("PUT", c.epoch.url+name, bytes.NewReader(have.data[r.Start:r.End]))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Range", value.String())
		resp, body, err := c.do(req)
		switch {
		case err != nil:
			return err
		case resp.StatusCode != http.StatusNoContent || resp.Header.Get("ETag") != have.etag:
			return fmt.Errorf("the same bytes again at %v of %s: %s %v %s", r, name, resp.Status, resp.Header, body)
		}
	}
	return nil
}
