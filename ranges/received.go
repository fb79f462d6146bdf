package ranges

import (
	"strconv"
	"strings"

	"github.com/dunglas/httpsfv"
)

const fieldReceived = "Upload-Received"

// FormatReceived returns the value of an Upload-Received field (draft-spk-httpbis-parallel-upload-00) for s, such as
// "(0 2), (6 8)": a List of Inner Lists of two Integers, start and exclusive end in bytes, in ascending order. It is empty
// if s is, in which case the field is left out (RFC 9651, Section 3.1).
//
// The value has at most maxRanges ranges and maxBytes octets; a limit that is not above 0 does not limit. Bytes above
// MaxFieldInteger cannot be told. truncated reports whether for one of these reasons the value names less than s; what
// is missing is always the highest part, and a recipient that does not know of it sends bytes again without harm.
func FormatReceived(s Set, maxRanges, maxBytes int) (value string, truncated bool) {
	var room [2 << 10]byte // on the stack, and enough for 64 ranges far up
	b := room[:0]
	n := 0
	for r := range s.Within(Range{0, MaxFieldInteger}) {
		whole := len(b)
		if n > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '(')
		b = strconv.AppendInt(b, r.Start, 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, r.End, 10)
		b = append(b, ')')
		n++
		if maxRanges > 0 && n > maxRanges || maxBytes > 0 && len(b) > maxBytes {
			return string(b[:whole]), true
		}
	}
	return string(b), s.Bounds().End > MaxFieldInteger
}

// ParseReceived parses the lines of an Upload-Received field, as FormatReceived writes it. No lines, and no ranges, are
// the empty set. Parameters are ignored. The error is a *ParseError for any other value, which includes an empty range
// and ranges that overlap, touch, or are not in ascending order.
func ParseReceived(lines []string) (Set, error) {
	fail := func(reason string) (Set, error) {
		return Set{}, &ParseError{fieldReceived, strings.Join(lines, ", "), -1, reason}
	}
	list, err := httpsfv.UnmarshalList(lines)
	if err != nil {
		return fail("not a structured field List: " + err.Error())
	}
	var s Set
	end := int64(-1) // of the range before
	for _, m := range list {
		inner, ok := m.(httpsfv.InnerList)
		if !ok || len(inner.Items) != 2 {
			return fail("a member is not an Inner List of two Integers")
		}
		start, ok1 := inner.Items[0].Value.(int64)
		next, ok2 := inner.Items[1].Value.(int64)
		switch {
		case !ok1 || !ok2:
			return fail("a member is not an Inner List of two Integers")
		case start < 0 || next <= start:
			return fail("a range is negative or empty")
		case start <= end:
			return fail("a range begins before, or at, the end of the one before it")
		}
		s.Add(Range{start, next})
		end = next
	}
	return s, nil
}
