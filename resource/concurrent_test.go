package resource

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/infill-http/infill/store"
)

// each runs f n times at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// loop runs f again and again until stop is called, which waits for the last time.
func loop(f func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				f()
			}
		}
	}()
	return func() { close(done); <-ended }
}

// Readers see all of a patch or nothing of it, and nothing before its response.
func TestPatchIsAtomic(t *testing.T) {
	w := newWorld(t)
	w.put("/a", "AB......", "e1")
	doc := multipart(segment("0-1/8", "ab"), segment("6-7/8", "gh"))
	s := step{req: "PATCH /a", header: []string{mp}, status: 204}
	stop := loop(func() {
		r := w.do(step{req: "GET /a", status: 200})
		if (r.Header.Get("ETag") == w.tags["e1"]) != (r.body == "AB......") || r.body != "AB......" && r.body != "ab....gh" {
			t.Errorf("%s %q", r.Header.Get("ETag"), r.body)
		}
	})
	f := w.start(s, len(doc))
	for _, c := range doc[:len(doc)-1] {
		f.send(string(c))
	}
	w.do(step{req: "HEAD /a", status: 200, want: []string{"Etag: $e1"}})
	f.send(doc[len(doc)-1:]).end(s)
	stop()
	w.do(step{req: "GET /a", status: 200, is: ptr("ab....gh")})

	// Without the last octet, nothing.
	doc = multipart(segment("0-1/8", "XX"), segment("6-7/8", "XX"))
	w.start(s, len(doc)).send(doc[:len(doc)-1]).reset()
	w.do(step{req: "GET /a", status: 200, is: ptr("ab....gh")})

	// The same for a PUT.
	w.c10("/b", "e2")
	s = step{req: "PUT /b", status: 204}
	f = w.start(s, 5).send("hell")
	w.do(step{req: "GET /b", status: 200, is: ptr("0123456789"), want: []string{"Etag: $e2"}})
	f.send("o").end(s)
	w.do(step{req: "GET /b", status: 200, is: ptr("hello")})
}

// A write is checked against the state that it changes, not only against the one it began on.
func TestWriteMeetsAnother(t *testing.T) {
	doc := segment("8-9/*", "xy")
	patching := step{req: "PATCH /a", header: []string{mb}}
	for _, c := range []struct {
		name   string
		other  step
		status []int
		want   string
	}{
		{"put", step{req: "PUT /a", body: "1234", status: 204}, []int{409}, "1234"},
		{"delete", step{req: "DELETE /a", status: 204}, []int{404, 409, 410}, ""},
		{"move away", step{req: "MOVE /a", header: []string{"Destination: /b"}, status: 201}, []int{404, 409, 410}, ""},
		{"move here", step{req: "MOVE /other", header: []string{"Destination: /a"}, status: 204}, []int{404, 409, 410}, "other bytes"},
		{"patch", step{req: "PATCH /a", header: []string{mb}, body: segment("0-0/10", "X"), status: 204}, []int{204}, "X1234567xy"},
		{"truncation", step{req: "PATCH /a", header: []string{mb}, body: message("", "Content-Range: bytes */4"), status: 204}, []int{409}, "0123"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/other", "other bytes", "o")
			w.c10("/a", "e1")
			f := w.start(patching, len(doc)).send(doc[:len(doc)-1])
			w.do(c.other)
			f.write(doc[len(doc)-1:])
			r := w.response(f.c, f.head)
			ok := false
			for _, status := range c.status {
				ok = ok || r.StatusCode == status
			}
			if got := w.content("/a"); !ok || got != c.want {
				t.Errorf("%s %s: %q, want %q", r.Status, r.body, got, c.want)
			}
			if c.name == "move away" {
				w.do(step{req: "GET /b", status: 200, is: ptr("0123456789")})
			}
		})
	}
}

// Segments of an upload that is replaced do not land in what replaces it.
func TestSegmentOfReplacedUpload(t *testing.T) {
	w := newWorld(t)
	w.fixture("I8[0,2)", "/a")
	doc := segment("6-7/8", "GH")
	for _, keep := range []string{"X-None: 1", persist} {
		f := w.start(step{req: "PATCH /a", header: []string{mb, keep}}, len(doc)).send(doc[:len(doc)-2])
		w.do(step{req: "PUT /a", body: "hello", status: 204})
		f.write(doc[len(doc)-2:])
		f.end(step{req: "PATCH /a", status: 409, typ: "superseded", want: []string{"Upload-Complete: ?1"}})
		w.do(step{req: "GET /a", status: 200, is: ptr("hello")})
		w.do(step{req: "DELETE /a", status: 204})
		w.fixture("I8[0,2)", "/a")
	}
}

// Of two writers of one range that are under way, the first to commit wins; the other is like a later one.
func TestSameRangeInFlight(t *testing.T) {
	for _, c := range []struct {
		second string
		status int
	}{{"AB", 204}, {"XY", 409}} {
		w := newWorld(t)
		w.fixture("I8", "/a")
		s := step{req: "PATCH /a", header: []string{mb}, status: 204}
		one, two := segment("0-1/8", "AB"), segment("0-1/8", c.second)
		f, g := w.start(s, len(one)).send(one[:len(one)-1]), w.start(s, len(two)).send(two[:len(two)-1])
		f.send(one[len(one)-1:]).end(s)
		s.status = c.status
		g.send(two[len(two)-1:]).end(s)
		w.do(step{req: "GET /a", status: 200, is: ptr("AB")})
	}
}

// A segment that began while the resource was incomplete stays a fill.
func TestFillOfCompletedResource(t *testing.T) {
	for _, c := range []struct {
		body   string
		status int
	}{{"GH", 204}, {"XY", 409}} {
		w := newWorld(t)
		w.fixture("I8[0,2)", "/a")
		s := step{req: "PUT /a", header: []string{"Content-Range: bytes 6-7/8"}, status: c.status}
		f := w.start(s, 2).send(c.body[:1])
		w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 2-7/8"}, body: "CDEFGH", status: 204, want: []string{"Upload-Complete: ?1"}})
		f.send(c.body[1:]).end(s)
		w.do(step{req: "GET /a", status: 200, is: ptr("ABCDEFGH")})
	}
}

func TestOneCreates(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	counts, winner := map[int]int{}, ""
	each(32, func(i int) {
		body := fmt.Sprintf("body %d", i)
		req, err := http.NewRequest("PUT", w.srv.URL+"/a", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("If-None-Match", "*")
		res, err := w.http.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		mu.Lock()
		defer mu.Unlock()
		if counts[res.StatusCode]++; res.StatusCode == 201 {
			winner = body
		}
	})
	if counts[201] != 1 || counts[412] != 31 || w.content("/a") != winner {
		t.Errorf("%v, %q of %q", counts, w.content("/a"), winner)
	}

	// All segments that begin while the name is absent belong to one resource.
	counts = map[int]int{}
	complete := 0
	each(16, func(i int) {
		r := w.do(step{req: "PUT /b", header: []string{fmt.Sprintf("Content-Range: bytes %d-%d/64", 4*i, 4*i+3)}, body: fmt.Sprintf("%04d", i)})
		mu.Lock()
		defer mu.Unlock()
		counts[r.StatusCode]++
		if r.Header.Get("Upload-Complete") == "?1" {
			complete++
		}
	})
	if counts[201] != 1 || counts[204] != 15 || complete < 1 {
		t.Errorf("%v, %d times complete", counts, complete)
	}
	w.do(step{req: "GET /b", status: 200, is: ptr("0000000100020003000400050006000700080009001000110012001300140015")})
}

// Whoever brings the last byte, one request completes the resource, and all get to know.
func TestOneCompletes(t *testing.T) {
	w := newWorld(t)
	completions := &countingStore{Store: w.h.Store}
	w.h.Store = completions
	w.fixture("I8[0,2)", "/a")
	each(16, func(int) {
		w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 2-7/8"}, body: "CDEFGH", status: 204, want: []string{"Upload-Complete: ?1"}})
	})
	if completions.n != 1 {
		t.Errorf("%d completions", completions.n)
	}
	for i := range 20 {
		path := fmt.Sprintf("/%d", i)
		w.fixture("I8", path)
		done := make([]string, 2)
		each(2, func(k int) {
			r := w.do(step{req: "PUT " + path, header: []string{fmt.Sprintf("Content-Range: bytes %d-%d/8", 4*k, 4*k+3)}, body: "abcd", status: 204})
			done[k] = r.Header.Get("Upload-Complete")
		})
		if w.do(step{req: "HEAD " + path, status: 200}).Header.Get("Upload-Complete") != "?1" || done[0] != "?1" && done[1] != "?1" {
			t.Errorf("%s: %q", path, done)
		}
	}
}

// countingStore counts the commits that complete a resource.
type countingStore struct {
	Store
	mu sync.Mutex // guards n
	n  int
}

func (s *countingStore) Begin(ctx context.Context, name string, o store.TxOptions) (Tx, error) {
	tx, err := s.Store.Begin(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return countingTx{tx, s}, nil
}

type countingTx struct {
	Tx
	s *countingStore
}

func (tx countingTx) Commit(ctx context.Context) (store.Result, error) {
	res, err := tx.Tx.Commit(ctx)
	if res.Completed {
		tx.s.mu.Lock()
		defer tx.s.mu.Unlock()
		tx.s.n++
	}
	return res, err
}

// Of two requests that are made for one state, one is performed.
func TestOneMatches(t *testing.T) {
	w := newWorld(t)
	w.c10("/a", "e1")
	s := step{req: "PATCH /a", header: []string{mb, "If-Match: $e1"}, status: 204}
	one, two := segment("0-0/10", "x"), segment("5-5/10", "y")
	f, g := w.start(s, len(one)).send(one[:len(one)-1]), w.start(s, len(two)).send(two[:len(two)-1])
	g.send(two[len(two)-1:]).end(s)
	s.status = 412
	f.send(one[len(one)-1:]).end(s)
	w.do(step{req: "GET /a", status: 200, is: ptr("01234y6789")})
}

// A request that named a state, and keeps what it sends, goes on only from the states that it made.
func TestPersistIsSuperseded(t *testing.T) {
	w := newWorldOn(t, newMemFS(), storeOptions(func(o *storeOpts) { o.PersistBytes, o.PersistInterval = 1000, time.Hour }))
	all := strings.Repeat("A", 10_000)
	w.put("/a", all, "e1")
	s := step{req: "PUT /a", header: []string{persist, "If-Match: $e1", "Content-Range: bytes 0-9999/10000"}, status: 409, typ: "superseded"}
	f := w.start(s, 10_000)
	f.send(strings.Repeat("B", 2000))
	for w.content("/a")[0] != 'B' {
	}
	w.do(step{req: "PATCH /a", header: []string{mb}, body: segment("9999-9999/10000", "C"), status: 204})
	f.write(strings.Repeat("B", 8000))
	f.end(s)
	if got := w.content("/a"); got[0] != 'B' || got[9998] != 'A' || got[9999] != 'C' {
		t.Errorf("%q ... %q", got[:10], got[9990:])
	}
}

// A request that demands only that there is a resource, and keeps what it sends, goes on whoever else writes to it.
func TestPersistWithAnyState(t *testing.T) {
	w := newWorldOn(t, newMemFS(), storeOptions(func(o *storeOpts) { o.PersistBytes, o.PersistInterval = 1000, time.Hour }))
	w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 19999-19999/20000"}, body: "A", status: 201})
	s := step{req: "PUT /a", header: []string{persist, "If-Match: *", "If-None-Match: *", "Content-Range: bytes 0-9999/20000"}, status: 204}
	f := w.start(s, 10_000)
	f.send(strings.Repeat("B", 2000))
	for w.content("/a") == "" {
	}
	w.do(step{req: "PUT /a", header: []string{"Content-Range: bytes 15000-15000/20000"}, body: "C", status: 204})
	f.write(strings.Repeat("B", 8000))
	f.end(s)
}

// Each response is made of one state.
func TestReadersSeeOneState(t *testing.T) {
	w := newWorld(t)
	size := 64 << 10
	fill := func(c byte) string { return strings.Repeat(string(c), size) }
	w.put("/a", fill('a'), "e1")
	var mu sync.Mutex
	sums := map[string][32]byte{w.tags["e1"]: sha256.Sum256([]byte(fill('a')))}
	var stops []func()
	for range 2 {
		stops = append(stops, loop(func() {
			r := w.do(step{req: "GET /a", status: 200})
			sum := sha256.Sum256([]byte(r.body))
			mu.Lock()
			defer mu.Unlock()
			if was, ok := sums[r.Header.Get("ETag")]; ok && was != sum || strings.Trim(r.body, r.body[:1]) != "" {
				t.Errorf("%s has other bytes", r.Header.Get("ETag"))
			}
			sums[r.Header.Get("ETag")] = sum
		}))
	}
	for i := range 50 {
		w.do(step{req: "PATCH /a", header: []string{mb}, body: segment(fmt.Sprintf("0-%d/%d", size-1, size), fill('b'+byte(i%20))), status: 204})
	}
	for _, stop := range stops {
		stop()
	}

	// The prefix of an incomplete resource, while it grows.
	w.fixture("IX[0,2)", "/i")
	stop := loop(func() {
		r := w.do(step{req: "GET /i", status: 200})
		if n := fmt.Sprint(len(r.body)); r.Header.Get("Content-Length") != n || r.Header.Get("Upload-Offset") != n {
			t.Errorf("%s bytes, %v", n, r.Header)
		}
	})
	for i := 2; i < 50; i++ {
		w.do(step{req: "PUT /i", header: []string{fmt.Sprintf("Content-Range: bytes %d-%d/*", i, i)}, body: "x", status: 204})
	}
	stop()
}

// At no moment has the destination of a MOVE nothing, or a mixture.
func TestMoveIsAtomic(t *testing.T) {
	w := newWorld(t)
	w.put("/dst", "0000", "e")
	stop := loop(func() {
		if r := w.do(step{req: "GET /dst", status: 200}); strings.Trim(r.body, r.body[:1]) != "" {
			t.Errorf("%q", r.body)
		}
	})
	for i := range 30 {
		w.put("/src", strings.Repeat(fmt.Sprint(i%10), 4+i), "s")
		w.do(step{req: "MOVE /src", header: []string{"Destination: /dst"}, status: 204})
	}
	stop()
}
