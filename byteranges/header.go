package byteranges

import (
	"bytes"
	"strconv"
	"strings"
)

// The part fields that this package handles, in lower case.
const (
	fieldRange    = "content-range"
	fieldOffset   = "content-offset"
	fieldLength   = "content-length"
	fieldType     = "content-type"
	fieldEncoding = "content-transfer-encoding"
)

// A Field is one field of a part.
type Field struct {
	Name  string // in lower case when it comes from a Reader; a Writer takes any case
	Value string // without white space around it
}

// A Header is the fields of one part, in the order of the document. It is a type of its own, so that a part field never
// passes for a field of the message that carries the part.
type Header []Field

// Get returns the value of the first field with the given name, compared without regard to case, and "" if there is
// none.
func (h Header) Get(name string) string {
	value, _ := h.lookup(name)
	return value
}

// lookup is Get, and reports whether there is such a field.
func (h Header) lookup(name string) (value string, ok bool) {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

// Values returns the values of all fields with the given name, compared without regard to case, in the order of the
// document.
func (h Header) Values(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// readTextHeader reads field lines up to and with an empty line (RFC 9112, Section 5). Lines end in CRLF and nothing
// else: a lone LF may be data of the body in the eyes of another recipient. Folded lines are refused, not joined. The
// error is io.EOF if the content ends before the empty line.
func readTextHeader(s *source, lim *Limits) (Header, error) {
	var h Header
	var line []byte
	for left := lim.MaxHeaderBytes; ; left -= len(line) {
		var err error
		if line, err = s.line(line[:0], left); err != nil {
			return nil, err
		}
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if !ok {
			return nil, s.malformed("field line ends in LF without CR")
		}
		if len(text) == 0 {
			return h, nil
		}
		if text[0] == ' ' || text[0] == '\t' {
			return nil, s.malformed("field line begins with white space")
		}
		name, value, ok := strings.Cut(string(text), ":")
		if !ok {
			return nil, s.malformed("field line has no colon")
		}
		if h, err = h.add(s, lim, name, strings.Trim(value, " \t")); err != nil {
			return nil, err
		}
	}
}

// add returns h with one more field, which it checks first.
func (h Header) add(s *source, lim *Limits, name, value string) (Header, error) {
	switch {
	case len(h) == lim.MaxFields:
		return nil, s.limit("part has too many fields")
	case len(name) > lim.MaxNameBytes:
		return nil, s.limit("field name is too long")
	}
	if fault := checkField(name, value); fault != "" {
		return nil, s.malformed(fault)
	}
	return append(h, Field{strings.ToLower(name), value}), nil
}

// appendTextHeader appends h as field lines to b, with a Content-Length field if n is not negative, and the empty line.
func appendTextHeader(b []byte, h Header, n int64) []byte {
	for _, f := range h {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if n >= 0 {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, n, 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// checkField returns what is wrong with a field, or "" (RFC 9110, Sections 5.1 and 5.5; RFC 9113, Section 8.2.1).
func checkField(name, value string) string {
	switch {
	case strings.HasPrefix(name, ":"):
		return "pseudo-field"
	case !isToken(name):
		return "field name is not a token"
	case strings.Trim(value, " \t") != value:
		return "field value has white space around it"
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "field value has a control character"
		}
	}
	return ""
}

// isToken reports whether s is a token (RFC 9110, Section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
