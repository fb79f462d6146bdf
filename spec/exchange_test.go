package spec_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/store"
)

// timeout bounds an exchange, so that a server that does not answer fails the test.
const timeout = 10 * time.Second

// typeProblem is the media type of problem documents.
const typeProblem = "application/problem+json"

// A message is a request or a response as the document shows it.
type message struct {
	start      string // the request line or status line; "" for content that follows its header section later
	fields     []field
	content    string
	hasContent bool
	conn       string // the name of the connection, "" for one of its own
	line       int
}

type field struct{ name, value string }

// parseMessage reads a fence as a message: a start line, fields, and after an empty line the content.
func parseMessage(f fence) (*message, error) {
	m := &message{line: f.line}
	if len(f.info) > 1 {
		m.conn = f.info[1]
	}
	if len(f.info) > 2 && f.info[2] == "content" {
		m.content, m.hasContent = f.text, true
		return m, nil
	}
	head, content, ok := strings.Cut(f.text, "\n\n")
	m.content, m.hasContent = content, ok
	lines := strings.Split(head, "\n")
	m.start = lines[0]
	if m.method() == "" && m.status() == 0 {
		return nil, fmt.Errorf("line %d: %q is neither a request line nor a status line", f.line, m.start)
	}
	for i, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("line %d: %q is not a field line", f.line+i+1, line)
		}
		m.fields = append(m.fields, field{name, value})
	}
	return m, nil
}

// method returns the method of a request, or "".
func (m *message) method() string {
	method, rest, _ := strings.Cut(m.start, " ")
	if !strings.HasSuffix(rest, " HTTP/1.1") {
		return ""
	}
	return method
}

// status returns the status code of a response, or 0.
func (m *message) status() int {
	rest, ok := strings.CutPrefix(m.start, "HTTP/1.1 ")
	if !ok {
		return 0
	}
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if err != nil {
		return 0
	}
	return n
}

// field returns the value of the first field with the given name, or "".
func (m *message) field(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// octets returns the content that is shown, by the rules of the section "Examples".
func (m *message) octets(shown string) (string, error) {
	contentType := m.field("Content-Type")
	switch {
	case contentType == "application/byteranges", m.field("Content-Encoding") != "":
		var digits strings.Builder
		for line := range strings.SplitSeq(shown, "\n") {
			line, _, _ = strings.Cut(line, "|")
			digits.WriteString(strings.Join(strings.Fields(line), ""))
		}
		b, err := hex.DecodeString(digits.String())
		return string(b), err
	case strings.HasPrefix(contentType, "message/"), strings.HasPrefix(contentType, "multipart/"),
		m.field("Transfer-Encoding") != "":
		return strings.ReplaceAll(shown, "\n", "\r\n"), nil
	}
	return shown, nil
}

// waits reports whether m is a request whose content is shown after an interim response.
func (m *message) waits() bool { return strings.EqualFold(m.field("Expect"), "100-continue") }

// A script runs the exchanges of one section against one server.
type script struct {
	t      *testing.T
	server *httptest.Server
	bound  binding
	conns  map[string]*connection
	seen   func(sent *message, r *http.Response, content []byte) // called with each final exchange
}

// A connection is one over which a request was sent that has no final response yet.
type connection struct {
	net.Conn
	r    *bufio.Reader
	sent *message
}

// newScript returns a script whose server removes incomplete resources after maxAge; 0: never.
func newScript(t *testing.T, maxAge time.Duration) *script {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	st, err := store.Open("store", &store.Options{FS: vfs.NewMem(), MinFree: -1, Logger: quiet, IncompleteMaxAge: maxAge})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&resource.Handler{Store: resource.FromStore(st), Logger: quiet})
	t.Cleanup(func() {
		server.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	bound := binding{"{host}": server.Listener.Addr().String()}
	s := &script{t: t, server: server, bound: bound, conns: make(map[string]*connection)}
	t.Cleanup(func() { // before the server is closed, which waits for requests
		for _, c := range s.conns {
			c.Close()
		}
	})
	return s
}

// run performs messages, which are requests and the responses to them.
func (s *script) run(messages []*message) {
	s.t.Helper()
	for _, m := range messages {
		var err error
		switch {
		case m.start == "":
			err = s.sendRest(m)
		case m.method() != "":
			err = s.send(m)
		default:
			err = s.receive(m)
		}
		if err != nil {
			s.t.Fatalf("%s:%d: %v", protocol, m.line, err)
		}
	}
	for _, c := range s.conns {
		s.t.Errorf("%s:%d: no response is shown", protocol, c.sent.line)
	}
}

// send sends a request. If less content is shown than Content-Length tells, the client stops there and closes its side.
func (s *script) send(m *message) error {
	if c := s.conns[m.conn]; c != nil {
		return fmt.Errorf("the request of line %d has no response yet", c.sent.line)
	}
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		return err
	}
	s.conns[m.conn] = &connection{conn, bufio.NewReader(conn), m}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	content, err := s.contentOf(m, m.content)
	if err != nil {
		return err
	}
	start, err := s.bound.expand(m.start)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\r\nHost: %s\r\n", start, s.server.Listener.Addr())
	for _, f := range m.fields {
		value, err := s.bound.expand(f.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, value)
	}
	framed := m.field("Content-Length") != "" || m.field("Transfer-Encoding") != ""
	if !framed && (m.hasContent || takesContent(m.method())) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(content))
	}
	b.WriteString("\r\n" + content)
	if _, err := conn.Write(b.Bytes()); err != nil {
		return err
	}
	if told, err := strconv.Atoi(m.field("Content-Length")); err == nil && len(content) < told && !m.waits() {
		return conn.(*net.TCPConn).CloseWrite()
	}
	return nil
}

// takesContent reports whether a request with this method tells its length even if it has no content.
func takesContent(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return true
	}
	return false
}

// contentOf returns the octets of what m shows as content, with values for placeholders.
func (s *script) contentOf(m *message, shown string) (string, error) {
	octets, err := m.octets(shown)
	if err != nil {
		return "", err
	}
	return s.bound.expand(octets)
}

// sendRest sends content that was held back.
func (s *script) sendRest(m *message) error {
	c := s.conns[m.conn]
	if c == nil {
		return fmt.Errorf("no request was sent on connection %q", m.conn)
	}
	content, err := s.contentOf(c.sent, m.content)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, content)
	return err
}

// receive reads a response and compares it with m. Fields that m does not show may be there.
func (s *script) receive(m *message) error {
	c := s.conns[m.conn]
	if c == nil {
		return fmt.Errorf("no request was sent before the response")
	}
	r, err := http.ReadResponse(c.r, &http.Request{Method: c.sent.method()})
	if err != nil {
		return err
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != m.status() {
		return fmt.Errorf("status is %q, want %d; content: %s", r.Status, m.status(), content)
	}
	for _, f := range m.fields {
		if err := s.bound.match(f.value, strings.Join(r.Header.Values(f.name), ", ")); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	shown, err := m.octets(m.content)
	if err != nil {
		return err
	}
	contentType := r.Header.Get("Content-Type")
	switch {
	case !m.hasContent, shown == anyText:
		err = s.bound.match(shown, string(content))
	case contentType == "application/json":
		err = s.bound.matchJSON(shown, string(content))
	case contentType == typeProblem:
		err = s.bound.matchJSON(shown, string(content), "detail")
	default:
		err = s.bound.match(shown, string(content))
	}
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if r.StatusCode < 200 {
		return nil
	}
	if err := checkRules(c.sent.method(), r, content); err != nil {
		return err
	}
	if s.seen != nil {
		s.seen(c.sent, r, content)
	}
	delete(s.conns, m.conn)
	return c.Close()
}

var strongTag = regexp.MustCompile(`^"[\x21\x23-\x5b\x5d-\x7e]+"$`)

// checkRules returns an error if a response breaks one of the rules that the document has for all responses.
func checkRules(method string, r *http.Response, content []byte) error {
	safe := method == http.MethodGet || method == http.MethodHead
	tag := r.Header.Get("Etag")
	var p struct {
		Type, Title string
		Status      int
	}
	switch {
	case r.Header.Get("X-Content-Type-Options") != "nosniff":
		return fmt.Errorf("no X-Content-Type-Options: nosniff")
	case tag != "" && !strongTag.MatchString(tag):
		return fmt.Errorf("ETag %s is not strong, or has other characters than a tag may have", tag)
	case (!safe && method != http.MethodOptions || r.StatusCode >= 400) && r.Header.Get("Cache-Control") != "no-store":
		return fmt.Errorf("Cache-Control is %q, want no-store", r.Header.Get("Cache-Control"))
	case r.StatusCode < 400, method == http.MethodHead:
		return nil
	case r.Header.Get("Content-Type") != typeProblem:
		return fmt.Errorf("content of an error is %q, want a problem document", r.Header.Get("Content-Type"))
	}
	if err := json.Unmarshal(content, &p); err != nil {
		return fmt.Errorf("problem document: %w", err)
	}
	if p.Status != r.StatusCode || p.Type == "" || p.Title == "" {
		return fmt.Errorf("problem document does not go with the status, or lacks members: %s", content)
	}
	return nil
}
