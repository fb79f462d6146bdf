package resource

import "strings"

// preferences are those preferences of a request that this package knows (RFC 7240;
// draft-ietf-httpapi-patch-byterange-03, Section 4). The zero value has none.
type preferences struct {
	persist        bool // transaction=persist
	atomic         bool // transaction=atomic
	representation bool // return=representation
	minimal        bool // return=minimal
	strict         bool // handling=strict
}

// parsePrefer parses the lines of a Prefer field. The first occurrence of a preference counts, whatever its value;
// preferences that are unknown, malformed or have an unknown value are as if absent (RFC 7240, Section 2).
func parsePrefer(lines []string) preferences {
	var p preferences
	seen := map[string]bool{}
	for _, line := range lines {
		for _, member := range splitQuoted(line, ',') {
			head := splitQuoted(member, ';')[0] // parameters of a preference are not used by any that is known
			token, word, _ := strings.Cut(head, "=")
			token = strings.ToLower(strings.Trim(token, " \t"))
			if seen[token] {
				continue
			}
			seen[token] = true
			switch token + "=" + unquote(strings.Trim(word, " \t")) {
			case "transaction=persist":
				p.persist = true
			case "transaction=atomic":
				p.atomic = true
			case "return=representation":
				p.representation = true
			case "return=minimal":
				p.minimal = true
			case "handling=strict":
				p.strict = true
			}
		}
	}
	return p
}

// splitQuoted splits s at each sep that is not inside a quoted string.
func splitQuoted(s string, sep byte) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unquote returns the content of s if it is a quoted string (RFC 9110, Section 5.6.4), else s.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+1 < len(s)-1 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
