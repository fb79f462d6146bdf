package ranges

import (
	"math"
	"strconv"
	"strings"
)

// ContentRange is the value of a Content-Range field in bytes (RFC 9110, Section 14.4). It is one of two things:
//
//   - bytes a-b/N: Range is what was named, [a,b+1), not empty; Length is N, or -1 for an N of "*".
//   - bytes */N: Unsatisfied is set, Range is zero, and Length is N.
type ContentRange struct {
	Range       Range // bytes named, half-open
	Unsatisfied bool  // the value names no bytes, only the length
	Length      int64 // complete length in bytes, -1 if unknown
}

const fieldContentRange = "Content-Range"

// ParseContentRange parses the value of a Content-Range field, from which white space at both ends was removed. The unit
// compares without regard to case (RFC 9110, Section 14.1); there is exactly one space, after the unit; numbers consist
// of digits only, and may have leading zeros (RFC 9110, Section 14.4).
//
// The error is a *ParseError for what does not follow the grammar, for a last position below the first, for a complete
// length that is not above the last position, and for numbers beyond the range of an int64, which include a last
// position of 2^63-1, since End would be 2^63. It wraps ErrUnit for a value that follows the grammar, with another unit.
func ParseContentRange(s string) (ContentRange, error) {
	fail := func(rest, reason string) (ContentRange, error) {
		return ContentRange{}, &ParseError{fieldContentRange, s, len(s) - len(rest), reason}
	}
	unit, rest, ok := strings.Cut(s, " ")
	if !ok || !isToken(unit) {
		return fail(s, "want a range unit and one space")
	}

	c := ContentRange{Length: -1}
	if after, ok := strings.CutPrefix(rest, "*/"); ok {
		c.Unsatisfied, rest = true, after
	} else {
		first, after := cutDecimal(rest)
		if first == "" {
			return fail(rest, "want a first position or \"*/\"")
		}
		if after == "" || after[0] != '-' {
			return fail(after, "want a hyphen")
		}
		last, slash := cutDecimal(after[1:])
		switch {
		case last == "" && strings.HasPrefix(slash, "/"):
			return fail(slash, "want a last position; a range of unknown end goes into Content-Offset")
		case last == "":
			return fail(slash, "want a last position")
		case compareDecimal(last, first) < 0:
			return fail(after[1:], "last position is below the first")
		}
		end, ok := decimal(last)
		if !ok || end == math.MaxInt64 {
			return fail(after[1:], "position is too large")
		}
		c.Range.Start, _ = decimal(first)
		c.Range.End = end + 1
		if slash == "" || slash[0] != '/' {
			return fail(slash, "want a slash")
		}
		rest = slash[1:]
	}

	if rest != "*" || c.Unsatisfied {
		length, after := cutDecimal(rest)
		if length == "" {
			return fail(rest, "want a complete length")
		}
		if after != "" {
			return fail(after, "want nothing after the complete length")
		}
		if c.Length, ok = decimal(length); !ok {
			return fail(rest, "complete length is too large")
		}
		if c.Length < c.Range.End {
			return fail(rest, "complete length is not above the last position")
		}
	}
	if !isBytes(unit) {
		return ContentRange{}, errUnit(fieldContentRange, unit)
	}
	return c, nil
}

// String returns the field value, such as "bytes 2-5/12", "bytes 2-5/*" or "bytes */12". A value that
// ParseContentRange could not have returned has none, and what String then returns is no valid field value.
func (c ContentRange) String() string {
	b := make([]byte, 0, 64)
	b = append(b, unitBytes+" "...)
	if c.Unsatisfied {
		b = append(b, '*')
	} else {
		b = strconv.AppendInt(b, c.Range.Start, 10)
		b = append(b, '-')
		b = strconv.AppendInt(b, c.Range.End-1, 10)
	}
	b = append(b, '/')
	if c.Length < 0 {
		b = append(b, '*')
	} else {
		b = strconv.AppendInt(b, c.Length, 10)
	}
	return string(b)
}
