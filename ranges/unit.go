package ranges

import "strings"

// unitBytes is the one range unit that this package knows (RFC 9110, Section 14.1.2).
const unitBytes = "bytes"

// isBytes reports whether unit names the range unit bytes, in letters of any case (RFC 9110, Section 14.1). A token has
// no letters outside ASCII, of which one folds to an s.
func isBytes(unit string) bool { return isToken(unit) && strings.EqualFold(unit, unitBytes) }

// isToken reports whether s is a token of RFC 9110, Section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
