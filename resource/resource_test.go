package resource

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/store"
)

// A world is a server over a store in memory.
type world struct {
	t     testing.TB
	h     *Handler
	store *store.Store
	srv   *httptest.Server
	http  *http.Client
	meter *meter
	tags  map[string]string // entity tags by the name that a test gives them
}

func newWorld(t testing.TB, configure ...func(*Handler)) *world {
	t.Helper()
	return newWorldOn(t, vfs.NewMem(), store.Options{}, configure...)
}

func newWorldOn(t testing.TB, fs vfs.FS, o store.Options, configure ...func(*Handler)) *world {
	t.Helper()
	return newWorldWith(t, fs, o, func(*world) {}, configure...)
}

func newWorldWith(t testing.TB, fs vfs.FS, o store.Options, tune func(*world), configure ...func(*Handler)) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	o.FS, o.Logger, o.MinFree = fs, quiet, orElse(o.MinFree, -1)
	o.InlineSize = orElse(o.InlineSize, -1) // so that bytes are in files, unless a test is about that
	o.MapCache = 1 << 20
	s, err := store.Open("store", &o)
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{Store: FromStore(s), Logger: quiet}
	for _, c := range configure {
		c(h)
	}
	w := &world{t: t, h: h, store: s, tags: make(map[string]string)}
	w.meter = newMeter(h)
	w.srv = httptest.NewUnstartedServer(w.meter)
	w.srv.Config.ConnState = w.meter.conn
	w.srv.Config.DisableGeneralOptionsHandler = true
	w.srv.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	w.srv.Config.Protocols = new(http.Protocols)
	w.srv.Config.Protocols.SetHTTP1(true)
	w.srv.Config.Protocols.SetUnencryptedHTTP2(true)
	tune(w)
	w.srv.Start()
	w.http = &http.Client{Transport: &http.Transport{DisableCompression: true}, CheckRedirect: noRedirect}
	t.Cleanup(func() {
		w.http.CloseIdleConnections()
		w.srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func orElse[T int | int64](n, def T) T {
	if n != 0 {
		return n
	}
	return def
}

// A step is one exchange. Values in header and want are compared after $NAME was replaced with the entity tag of that
// name; save gives the tag of the response a name.
type step struct {
	req    string   // "METHOD /path"
	header []string // "Field: value"
	body   string
	status int      // 0: any success
	want   []string // "Field: value" that the response has; "Field:" is absent; "Field: ~regexp" matches
	is     *string  // content of the response
	typ    string   // last part of the problem type
	save   string
	nolen  bool // send without a Content-Length
}

func ptr[T any](v T) *T { return &v }

// A reply is a response with its content.
type reply struct {
	*http.Response
	body string
}

// do sends one request and checks its response.
func (w *world) do(s step) reply {
	w.t.Helper()
	method, path, _ := strings.Cut(s.req, " ")
	var body io.Reader = strings.NewReader(s.body)
	if s.nolen {
		body = io.MultiReader(body)
	} else if s.body == "" {
		body = nil
	}
	req, err := http.NewRequest(method, w.srv.URL, body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.setPath(req, path)
	for _, f := range s.header {
		k, v, _ := strings.Cut(f, ": ")
		req.Header.Add(k, w.expand(v))
	}
	return w.check(s, req)
}

// setPath makes path the target of req in exactly this spelling.
func (w *world) setPath(req *http.Request, path string) {
	path, req.URL.RawQuery, _ = strings.Cut(path, "?")
	req.URL.Opaque = path
	if strings.HasPrefix(path, "//") {
		req.URL.Opaque = w.srv.URL + path
	}
}

func (w *world) expand(s string) string {
	for k, v := range w.tags {
		s = strings.ReplaceAll(s, "$"+k, v)
	}
	return s
}

var etagForm = regexp.MustCompile(`^"[\x21\x23-\x5b\x5d-\x7e]+"$`)

func (w *world) check(s step, req *http.Request) reply {
	w.t.Helper()
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatalf("%s: %v", s.req, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s: reading: %v", s.req, err)
	}
	r := reply{res, string(b)}
	w.compare(s, r)
	return r
}

func (w *world) compare(s step, r reply) {
	w.t.Helper()
	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("%s %v %.60q: %s\n%v\n%s", s.req, s.header, s.body, fmt.Sprintf(format, args...), r.Header, r.body)
	}
	if r.StatusCode != s.status && (s.status != 0 || r.StatusCode >= 300) {
		fail("status %d, want %d", r.StatusCode, s.status)
	}
	for _, f := range s.want {
		k, v, _ := strings.Cut(f, ":")
		v = w.expand(strings.TrimPrefix(v, " "))
		got := strings.Join(r.Header.Values(k), ", ")
		if k == "Connection" && r.Close { // net/http takes it out
			got = "close"
		}
		if pattern, ok := strings.CutPrefix(v, "~"); ok {
			if !regexp.MustCompile(pattern).MatchString(got) {
				fail("%s is %q, want a match of %q", k, got, pattern)
			}
		} else if got != v {
			fail("%s is %q, want %q", k, got, v)
		}
	}
	if s.is != nil && r.body != *s.is {
		fail("content %q, want %q", r.body, *s.is)
	}
	if r.Header.Get(fieldTypeOptions) != "nosniff" {
		fail("no nosniff")
	}
	if tag := r.Header.Get(fieldETag); tag != "" {
		if !etagForm.MatchString(tag) {
			fail("entity tag %q", tag)
		}
		if s.save != "" {
			w.tags[s.save] = tag
		}
	}
	if r.StatusCode >= 400 {
		w.checkProblem(s, r, fail)
	} else if s.typ != "" {
		fail("want problem %s", s.typ)
	}
}

// checkProblem checks what all error responses have in common (RFC 9457).
func (w *world) checkProblem(s step, r reply, fail func(string, ...any)) {
	w.t.Helper()
	if cc := r.Header.Get(fieldCacheControl); cc != noStore {
		fail("Cache-Control is %q", cc)
	}
	if strings.HasPrefix(s.req, "HEAD ") {
		if r.body != "" {
			fail("content in a response to HEAD")
		}
		return
	}
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		fail("problem: %v", err)
		return
	}
	if p.Status != r.StatusCode || r.Header.Get(fieldContentType) != "application/problem+json" || p.Title == "" {
		fail("problem %+v", p)
	}
	if s.typ != "" && !strings.HasSuffix(p.Type, "/"+s.typ) && !strings.HasSuffix(p.Type, "#"+s.typ) {
		fail("problem type %q, want %q", p.Type, s.typ)
	}
}

// run does all steps in order.
func (w *world) run(steps ...step) {
	w.t.Helper()
	for _, s := range steps {
		w.do(s)
	}
}

// put stores body at path as a fixture, and saves its tag.
func (w *world) put(path, body, save string, header ...string) {
	w.t.Helper()
	w.do(step{req: "PUT " + path, header: header, body: body, status: 201, save: save})
}

// c10 and c12 are the complete resources that many tests begin with.
func (w *world) c10(path, save string) {
	w.t.Helper()
	w.put(path, "0123456789", save, "Content-Type: text/plain")
}
func (w *world) c12(path, save string) {
	w.t.Helper()
	w.put(path, "0123456789\r\n", save, "Content-Type: text/plain")
}

// content returns what GET has, and "" for an absent resource.
func (w *world) content(path string) string {
	w.t.Helper()
	sn, err := w.store.Snapshot(context.Background(), path)
	if err != nil {
		return ""
	}
	defer sn.Close()
	b := make([]byte, sn.Info().Size())
	if _, err := sn.ReadAt(b, 0); err != nil && err != io.EOF {
		w.t.Fatal(err)
	}
	return string(b)
}

// state returns the state of a resource in one line.
func (w *world) state(path string) string {
	w.t.Helper()
	info, err := w.store.Stat(context.Background(), path)
	if err != nil {
		return "absent"
	}
	return fmt.Sprintf("complete=%v length=%d received=%v tag=%s type=%s", info.Complete, info.Length, info.Received,
		entityTag(info.Version), info.Metadata.Type)
}

const (
	mb = "Content-Type: message/byterange"
	mp = "Content-Type: multipart/byteranges; boundary=B"
	ab = "Content-Type: application/byteranges"
)

// message returns a message/byterange document.
func message(body string, fields ...string) string {
	return strings.Join(fields, "\r\n") + "\r\n\r\n" + body
}

// segment returns a message/byterange document with Content-Range.
func segment(contentRange, body string) string {
	return message(body, "Content-Range: bytes "+contentRange)
}

// multipart returns a multipart/byteranges document of such documents.
func multipart(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("--B\r\n" + p)
	}
	return b.String() + "\r\n--B--\r\n"
}

// h2 returns a client that speaks HTTP/2 without TLS.
func (w *world) h2() *http.Client {
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// A vector is a resource in a known state and what is done to it. In the steps, X is its path.
type vector struct {
	name  string
	on    string // fixture: N, C10, C12, I8, I8[0,2), I8[0,2)[6,8), IX[0,2)
	steps []step
}

// vectors runs each vector on a resource of its own, in HTTP/1.1 and in HTTP/2. The tag of the fixture is $e1, and $X is
// the path in fields.
func (w *world) vectors(t *testing.T, vs []vector) {
	for i, v := range vs {
		for proto, client := range map[string]*http.Client{"h1": w.http, "h2": w.h2()} {
			t.Run(v.name+"/"+proto, func(t *testing.T) {
				path := fmt.Sprintf("/v/%s/%d%s", t.Name(), i, proto)
				w := *w
				w.t, w.tags, w.http = t, map[string]string{"X": path}, client
				w.fixture(v.on, path)
				for _, s := range v.steps {
					s.req = strings.Replace(s.req, " X", " "+path, 1)
					w.do(s)
				}
			})
		}
	}
}

func (w *world) fixture(on, path string) {
	w.t.Helper()
	fill := func(contentRange, body string, status int) {
		w.t.Helper()
		w.do(step{req: "PATCH " + path, header: []string{mb}, body: segment(contentRange, body), status: status, save: "e1"})
	}
	switch on {
	case "N":
	case "C10":
		w.c10(path, "e1")
	case "C12":
		w.c12(path, "e1")
	case "I8":
		w.do(step{req: "PATCH " + path, header: []string{mb}, body: message("", "Content-Offset: 0;complete-length=8"),
			status: 201, save: "e1", want: []string{"Upload-Length: 8"}})
	case "I8[0,2)":
		fill("0-1/8", "AB", 201)
	case "I8[0,2)[6,8)":
		fill("0-1/8", "AB", 201)
		fill("6-7/8", "GH", 204)
	case "IX[0,2)":
		fill("0-1/*", "AB", 201)
	default:
		w.t.Fatalf("no fixture %q", on)
	}
}

// get is a step that checks all of the representation.
func get(content string, want ...string) step {
	return step{req: "GET X", status: 200, is: &content, want: want}
}

// gone is a step that checks that there is no resource.
var gone = step{req: "GET X", status: 404, typ: "not-found"}

// patch returns a PATCH of X with message/byterange.
func patch(doc string, status int, typ string, want ...string) step {
	return step{req: "PATCH X", header: []string{mb}, body: doc, status: status, typ: typ, want: want}
}

// as returns s with another media type, or with more fields.
func (s step) as(header ...string) step {
	if len(header) > 0 && strings.HasPrefix(header[0], "Content-Type: ") {
		s.header = nil
	}
	s.header = append(append([]string(nil), s.header...), header...)
	return s
}

// unhex decodes hex octets with spaces between them.
func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

type storeOpts = store.Options

func storeOptions(set func(*storeOpts)) store.Options {
	var o store.Options
	set(&o)
	return o
}

func newMemFS() vfs.FS { return vfs.NewMem() }
