// Package spec_test executes what protocol.md says: its exchanges run against a server, and its lists are compared with
// the code that they describe.
package spec_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// protocol is the document under test, and the input of the tests.
const protocol = "protocol.md"

// A section is the part of a document from one heading to the next.
type section struct {
	title  string
	line   int // of the heading, from 1
	prose  []string
	fences []fence
}

// A fence is a fenced code block.
type fence struct {
	info []string // the words after the opening fence, the language first
	text string   // the lines inside, joined by LF, without the last line end
	line int      // of the first line inside, from 1
}

// readSections returns the sections of the document, in order.
func readSections(t *testing.T) []section {
	t.Helper()
	data, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := parseSections(string(data))
	if err != nil {
		t.Fatalf("%s: %v", protocol, err)
	}
	return sections
}

// parseSections takes a Markdown document apart. It knows headings that begin with "#" and fences of three backticks,
// which is what the document uses.
func parseSections(doc string) ([]section, error) {
	sections := []section{{}}
	var open *fence
	var inside []string
	for i, line := range strings.Split(doc, "\n") {
		cur := &sections[len(sections)-1]
		info, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && line == "```":
			open.text = strings.Join(inside, "\n")
			cur.fences = append(cur.fences, *open)
			open, inside = nil, nil
		case open != nil:
			inside = append(inside, line)
		case isFence:
			open = &fence{info: strings.Fields(info), line: i + 2}
		case strings.HasPrefix(line, "#"):
			title := strings.TrimSpace(strings.TrimLeft(line, "#"))
			sections = append(sections, section{title: title, line: i + 1})
		default:
			cur.prose = append(cur.prose, line)
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: fence is not closed", open.line-1)
	}
	return sections, nil
}

// findSection returns the section whose title ends in name, after its number.
func findSection(t *testing.T, name string) section {
	t.Helper()
	sections := readSections(t)
	i := slices.IndexFunc(sections, func(s section) bool { return strings.HasSuffix(s.title, " "+name) })
	if i < 0 {
		t.Fatalf("%s has no section %q", protocol, name)
	}
	return sections[i]
}

// rows returns the rows of the tables in s, without head and rule, as trimmed cells.
func (s section) rows() [][]string {
	var rows [][]string
	head := true
	for _, line := range s.prose {
		inner, ok := strings.CutPrefix(line, "|")
		switch {
		case !ok:
			head = true
		case strings.HasPrefix(inner, "---"):
			head = false
		case !head:
			var cells []string
			for cell := range strings.SplitSeq(strings.TrimSuffix(inner, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// anchor returns the fragment that a renderer gives to a heading.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestParseSections(t *testing.T) {
	if _, err := parseSections("# A\n```http\nGET / HTTP/1.1\n"); err == nil {
		t.Error("an open fence passes")
	}
	sections, err := parseSections("# A\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```http B\nfirst\n# second\n```\n## C\n")
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, s := range sections {
		titles = append(titles, s.title)
	}
	if want := []string{"", "A", "C"}; !slices.Equal(titles, want) {
		t.Errorf("titles are %q, want %q", titles, want)
	}
	f := sections[1].fences
	if len(f) != 1 || f[0].text != "first\n# second" || f[0].line != 8 || !slices.Equal(f[0].info, []string{"http", "B"}) {
		t.Errorf("fences are %+v", f)
	}
	if rows := sections[1].rows(); len(rows) != 1 || !slices.Equal(rows[0], []string{"1", "2"}) {
		t.Errorf("rows are %q", rows)
	}
}
