package byteranges

import (
	"fmt"
	"strings"
)

// The media types of byte-range patches (draft-ietf-httpapi-patch-byterange-03, Section 3).
const (
	MediaTypeMessage     = "message/byterange"
	MediaTypeMultipart   = "multipart/byteranges"
	MediaTypeApplication = "application/byteranges"
)

// maxBoundary is the longest boundary, in octets (RFC 2046, Section 5.1.1).
const maxBoundary = 70

// IsMediaType reports whether contentType, the value of a Content-Type field, names one of the three media types. Case
// and parameters do not matter (RFC 9110, Section 8.3.1): a multipart type without a boundary is one of them too, which
// NewReader then refuses.
func IsMediaType(contentType string) bool {
	essence, _ := cutMediaType(contentType)
	switch essence {
	case MediaTypeMessage, MediaTypeMultipart, MediaTypeApplication:
		return true
	}
	return false
}

// cutMediaType returns the type and subtype of a Content-Type value in lower case, and its parameters with the semicolon
// in front of them.
func cutMediaType(contentType string) (essence, params string) {
	if i := strings.IndexByte(contentType, ';'); i >= 0 {
		contentType, params = contentType[:i], contentType[i:]
	}
	return strings.ToLower(strings.Trim(contentType, " \t")), params
}

// parseBoundary returns the boundary parameter among params (RFC 9110, Section 5.6.6; RFC 2046, Section 5.1.1).
func parseBoundary(params string) (string, error) {
	fail := func(reason string) (string, error) { return "", &SyntaxError{Offset: -1, Reason: reason} }
	boundary, given := "", false
	for rest := params; ; {
		if rest = strings.TrimLeft(rest, " \t"); rest == "" {
			break
		}
		if rest[0] != ';' {
			return fail("media type has no semicolon between parameters")
		}
		if rest = strings.TrimLeft(rest[1:], " \t"); rest == "" || rest[0] == ';' {
			continue // an empty parameter, which the grammar allows
		}
		name, value, ok := strings.Cut(rest, "=")
		if !ok || !isToken(name) {
			return fail("media type has a parameter that is not a token and an equals sign")
		}
		if value, rest, ok = cutParameterValue(value); !ok {
			return fail("media type has a parameter value that is neither a token nor a quoted string")
		}
		if !strings.EqualFold(name, "boundary") {
			continue
		}
		if given {
			return fail("media type has two boundaries")
		}
		boundary, given = value, true
	}
	switch {
	case !given:
		return fail("media type has no boundary")
	case boundary == "" || len(boundary) > maxBoundary:
		return fail(fmt.Sprintf("boundary is not 1 to %d characters long", maxBoundary))
	case boundary[len(boundary)-1] == ' ':
		return fail("boundary ends in a space")
	}
	for i := range len(boundary) {
		if c := boundary[i]; !isAlphanumeric(c) && !strings.ContainsRune("'()+_,-./:=? ", rune(c)) {
			return fail("boundary has a character that is not allowed")
		}
	}
	return boundary, nil
}

// cutParameterValue returns the token or the content of the quoted string that s begins with, and what comes after it.
func cutParameterValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, "; \t")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:], isToken(s[:i])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// isAlphanumeric reports whether c is a letter or digit of ASCII.
func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
