package spec_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/resource/server"
)

// problemSource is the file that says what problem types there are.
const problemSource = "../resource/problem.go"

// unshown are the problem types that no exchange of the document provokes, and why.
var unshown = map[string]string{
	"content-too-large":     "needs a limit that is off by default",
	"content-timeout":       "needs a slow client",
	"precondition-required": "needs an option",
	"patch-limit-exceeded":  "needs a large document",
	"too-many-ranges":       "needs a large resource",
	"name-too-long":         "needs a long path",
	"quota-exceeded":        "needs a full disk",
	"read-only":             "needs a broken disk",
	"shutting-down":         "needs a server that ends",
	"request-canceled":      "nobody gets to read it",
	"damaged":               "needs a broken disk",
	"about:blank":           "is for faults that are not known",
}

func TestExamples(t *testing.T) {
	methods, types, problems, count := map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for _, sec := range readSections(t) {
		var messages []*message
		for _, f := range sec.fences {
			if len(f.info) == 0 || f.info[0] != "http" {
				continue
			}
			m, err := parseMessage(f)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			messages = append(messages, m)
		}
		if messages == nil {
			continue
		}
		t.Run(anchor(sec.title), func(t *testing.T) {
			var maxAge time.Duration
			if slices.ContainsFunc(messages, func(m *message) bool { return strings.Contains(m.field("Upload-Limit"), "max-age") }) {
				maxAge = time.Hour // as the text says
			}
			s := newScript(t, maxAge)
			s.seen = func(sent *message, r *http.Response, content []byte) {
				count++
				methods[sent.method()] = true
				if sent.method() == http.MethodPatch {
					essence, _, _ := strings.Cut(sent.field("Content-Type"), ";")
					types[essence] = true
				}
				var p struct{ Type string }
				if r.StatusCode >= 400 && json.Unmarshal(content, &p) == nil {
					problems[slug(p.Type)] = true
				}
			}
			s.run(messages)
		})
	}
	if t.Failed() {
		return
	}
	for _, m := range strings.Fields("GET HEAD POST PUT PATCH DELETE MOVE COPY OPTIONS") {
		if !methods[m] {
			t.Errorf("no example has method %s", m)
		}
	}
	for _, m := range []string{byteranges.MediaTypeMessage, byteranges.MediaTypeMultipart, byteranges.MediaTypeApplication} {
		if !types[m] {
			t.Errorf("no example patches with %s", m)
		}
	}
	for row := range documentedProblems(t) {
		name := slug(row.uri)
		if _, ok := unshown[name]; ok == problems[name] {
			t.Errorf("problem %s: shown in an example is %t, want %t", row.uri, problems[name], !ok)
		}
	}
	if count < 25 {
		t.Errorf("%d exchanges, want at least 25", count)
	}
}

// A problemRow is one problem type with one of the statuses that it comes with.
type problemRow struct {
	uri    string
	status int
}

// slug returns the last segment or the fragment of the URI of a problem type.
func slug(uri string) string { return uri[strings.LastIndexAny(uri, "/#")+1:] }

func TestProblemTypes(t *testing.T) {
	key := func(rows map[problemRow]bool) []string {
		var keys []string
		for row := range rows {
			keys = append(keys, strconv.Itoa(row.status)+" "+row.uri)
		}
		slices.Sort(keys)
		return keys
	}
	inSource := sourceProblems(t)
	if len(inSource) < 20 {
		t.Fatalf("%s has %d problem types: this test does not understand it any more", problemSource, len(inSource))
	}
	if diff := cmp.Diff(key(inSource), key(documentedProblems(t))); diff != "" {
		t.Errorf("problem types of the source (-) and of the document (+):\n%s", diff)
	}
}

// documentedProblems returns the rows of the problem table. Types without a scheme are relative to the base that the
// section names.
func documentedProblems(t *testing.T) map[problemRow]bool {
	t.Helper()
	sec := findSection(t, "Problem types")
	bases := regexp.MustCompile("`(https://[^`]*[/#])`").FindAllStringSubmatch(strings.Join(sec.prose, "\n"), -1)
	if len(bases) != 2 {
		t.Fatalf("section %q names %d bases of problem types, want 2", sec.title, len(bases))
	}
	rows := make(map[problemRow]bool)
	for _, cells := range sec.rows() {
		status, err := strconv.Atoi(cells[0])
		if err != nil {
			t.Fatalf("problem table: %v", err)
		}
		uri := strings.Trim(cells[1], "`")
		switch {
		case strings.HasPrefix(uri, "#"):
			uri = bases[1][1] + uri[1:]
		case !strings.Contains(uri, ":"):
			uri = bases[0][1] + uri
		}
		row := problemRow{uri, status}
		if rows[row] {
			t.Errorf("problem table has %v twice", row)
		}
		rows[row] = true
	}
	return rows
}

// sourceProblems returns the problem types that resource makes: the calls own(status, slug, title) and the literals
// problemType{status, uri, title} of its source.
func sourceProblems(t *testing.T) map[problemRow]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), problemSource, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	consts := make(map[string]string)
	text := func(e ast.Expr) (string, bool) { return constant(consts, e) }
	rows := make(map[problemRow]bool)
	add := func(args []ast.Expr, base string) {
		status, ok := args[0].(*ast.BasicLit)
		uri, isText := text(args[1])
		if !ok || !isText {
			return // not constant: the body of own
		}
		n, err := strconv.Atoi(status.Value)
		if err != nil {
			t.Fatal(err)
		}
		rows[problemRow{base + uri, n}] = true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					if s, ok := text(n.Values[i]); ok {
						consts[name.Name] = s
					}
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "own" {
				add(n.Args, consts["problemBase"])
			}
		case *ast.CompositeLit:
			if f, ok := n.Type.(*ast.Ident); ok && f.Name == "problemType" {
				add(n.Elts, "")
			}
		}
		return true
	})
	return rows
}

// constant returns the value of a constant string expression: a literal, a name in consts, or a sum of such.
func constant(consts map[string]string, e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.Ident:
		s, ok := consts[e.Name]
		return s, ok
	case *ast.BinaryExpr:
		x, okX := constant(consts, e.X)
		y, okY := constant(consts, e.Y)
		return x + y, okX && okY && e.Op == token.ADD
	}
	return "", false
}

// TestLimits compares the table of limits with the defaults of the packages.
func TestLimits(t *testing.T) {
	want := map[string]string{
		"parts":             strconv.Itoa(byteranges.DefaultMaxParts),
		"part-fields":       strconv.Itoa(byteranges.DefaultMaxFields),
		"part-header":       strconv.Itoa(byteranges.DefaultMaxHeaderBytes),
		"part-field-name":   strconv.Itoa(byteranges.DefaultMaxNameBytes),
		"multipart-padding": strconv.Itoa(byteranges.DefaultMaxPadding),
		"received-ranges":   strconv.Itoa(resource.DefaultMaxReceived),
		"received-octets":   strconv.Itoa(resource.DefaultMaxReceivedBytes),
		"name":              strconv.Itoa(resource.MaxNameBytes),
		"response-idle":     minutes(server.DefaultWriteIdleTimeout),
		"response-rate":     strconv.Itoa(server.DefaultMinWriteRate),
		"ping":              minutes(server.DefaultPingInterval) + " each",
	}
	got := make(map[string]string)
	for _, cells := range findSection(t, "Limits").rows() {
		if name := strings.Trim(cells[0], "`"); want[name] != "" {
			got[name] = strings.ReplaceAll(cells[2], ",", "")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +documented):\n%s", diff)
	}
}

// minutes returns a time as the table of limits has it.
func minutes(d time.Duration) string { return strconv.Itoa(int(d/time.Minute)) + " min" }

// TestReferences finds links inside the document that lead nowhere.
func TestReferences(t *testing.T) {
	anchors := make(map[string]bool)
	link := regexp.MustCompile(`\]\(#([^)]*)\)`)
	used := make(map[string]string)
	for _, sec := range readSections(t) {
		if a := anchor(sec.title); sec.title != "" && anchors[a] {
			t.Errorf("heading %q is there twice", sec.title)
		} else {
			anchors[a] = true
		}
		for _, m := range link.FindAllStringSubmatch(strings.Join(sec.prose, "\n"), -1) {
			used[m[1]] = sec.title
		}
	}
	for _, a := range slices.Sorted(maps.Keys(used)) {
		if !anchors[a] {
			t.Errorf("section %q refers to #%s, which does not exist", used[a], a)
		}
	}
	if len(used) == 0 {
		t.Error("the document has no references")
	}
}
