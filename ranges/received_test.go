package ranges

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseReceived(t *testing.T) {
	for _, tt := range []struct {
		s    string // several lines are divided by "|"
		ok   bool
		want Set
	}{
		{"2", false, Set{}},
		{"0 2", false, Set{}},
		{"0-1", false, Set{}},
		{"()", false, Set{}},
		{"(0)", false, Set{}},
		{"(0 2", false, Set{}},
		{"(0 2),", false, Set{}},
		{"(0 2),,(6 8)", false, Set{}},
		{"(0 2) (6 8)", false, Set{}},
		{"(0 2 6)", false, Set{}},
		{"(0,2)", false, Set{}},
		{"(0 2.0)", false, Set{}},
		{`("0" 2)`, false, Set{}},
		{"(a b)", false, Set{}},
		{"((0 2))", false, Set{}},
		{"(-1 2)", false, Set{}},
		{"(2 2)", false, Set{}}, // empty
		{"(4 2)", false, Set{}},
		{"(0 1000000000000000)", false, Set{}},    // 16 digits
		{"(0 2), (2 4)", false, Set{}},            // touch
		{"(0 3), (2 4)", false, Set{}},            // overlap
		{"(0 2), (0 2)", false, Set{}},            // the same
		{"(6 8), (0 2)", false, Set{}},            // descending
		{"(0 2), (6 8), (4 5)", false, Set{}},     //
		{"(0 2), (6 8), truncated", false, Set{}}, //
		{"(0 2)\x00", false, Set{}},

		{"", true, Set{}},
		{" ", true, Set{}},
		{"(0 2)", true, NewSet(Range{0, 2})},
		{"( 00  02 )", true, NewSet(Range{0, 2})},
		{"(0 2), (6 8)", true, NewSet(Range{0, 2}, Range{6, 8})},
		{"(0 2),(6 8)", true, NewSet(Range{0, 2}, Range{6, 8})},
		{"(0 2)\t,\t(6 8)", true, NewSet(Range{0, 2}, Range{6, 8})},
		{"(0 2)|(6 8)", true, NewSet(Range{0, 2}, Range{6, 8})},
		{"(6 8)", true, NewSet(Range{6, 8})},
		{"(0;a 2;b=1);c, (6 8);d=x", true, NewSet(Range{0, 2}, Range{6, 8})},
		{"(0 999999999999999)", true, NewSet(Range{0, MaxFieldInteger})},
	} {
		got, err := ParseReceived(strings.Split(tt.s, "|"))
		var malformed *ParseError
		if tt.ok != (err == nil) || !got.Equal(tt.want) {
			t.Errorf("%q: got %v, %v", tt.s, got, err)
		} else if err != nil && (!errors.As(err, &malformed) || malformed.Field != "Upload-Received" || malformed.Offset != -1) {
			t.Errorf("%q: %#v", tt.s, err)
		}
	}
	if got, err := ParseReceived(nil); err != nil || !got.Empty() {
		t.Errorf("no lines: got %v, %v", got, err)
	}
}

func TestFormatReceived(t *testing.T) {
	two := NewSet(Range{0, 2}, Range{6, 8})
	const top = math.MaxInt64
	for _, tt := range []struct {
		s         Set
		maxRanges int
		maxBytes  int
		want      string
		truncated bool
	}{
		{two, 1, 0, "(0 2)", true},
		{two, 0, 4, "", true},
		{two, 0, 5, "(0 2)", true},
		{two, 0, 11, "(0 2)", true},
		{two, 1, 4, "", true},
		{NewSet(Range{0, 2}, Range{MaxFieldInteger, top}), 0, 0, "(0 2)", true},
		{NewSet(Range{0, 2}, Range{6, top}), 0, 0, "(0 2), (6 999999999999999)", true},
		{NewSet(Range{0, top}), 0, 0, "(0 999999999999999)", true},
		{NewSet(Range{top - 1, top}), 0, 0, "", true},

		{Set{}, 0, 0, "", false},
		{Set{}, 1, 1, "", false},
		{NewSet(Range{0, 2}), 1, 5, "(0 2)", false},
		{NewSet(Range{6, 8}), 64, 4096, "(6 8)", false},
		{two, 0, 0, "(0 2), (6 8)", false},
		{two, 2, 12, "(0 2), (6 8)", false},
		{NewSet(Range{0, MaxFieldInteger}), 0, 0, "(0 999999999999999)", false},
	} {
		got, truncated := FormatReceived(tt.s, tt.maxRanges, tt.maxBytes)
		if got != tt.want || truncated != tt.truncated {
			t.Errorf("%v, at most %d and %d: got %q, %v; want %q, %v", tt.s, tt.maxRanges, tt.maxBytes, got, truncated, tt.want, tt.truncated)
		}
	}
}

// TestFormatReceivedLarge formats a set of many islands, of which a header has room for few.
func TestFormatReceivedLarge(t *testing.T) {
	s := scattered(10_000)
	for _, limit := range []struct{ ranges, bytes int }{{64, 4096}, {64, 0}, {0, 4096}, {1000, 100}} {
		value, truncated := FormatReceived(s, limit.ranges, limit.bytes)
		if !truncated || limit.bytes > 0 && len(value) > limit.bytes {
			t.Errorf("%v: %d octets, truncated %v", limit, len(value), truncated)
		}
		got, err := ParseReceived([]string{value})
		if err != nil {
			t.Fatal(err)
		}
		if n := got.Len(); n == 0 || limit.ranges > 0 && n > limit.ranges {
			t.Errorf("%v: %d ranges", limit, n)
		}
		// The first ranges of s, all that there are up to the end of the value.
		if !got.Equal(s.Intersect(NewSet(Range{0, got.Bounds().End}))) {
			t.Errorf("%v: %v is not the beginning of the set", limit, got)
		}
	}
}

func FuzzParseReceived(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		set, err := ParseReceived(strings.Split(s, "|"))
		if err != nil {
			if !set.Empty() {
				t.Errorf("%v with an error", set)
			}
			fuzzError(t, err)
			return
		}
		set.check()
		value, truncated := FormatReceived(set, 0, 0)
		again, err := ParseReceived([]string{value})
		if err != nil || truncated || !again.Equal(set) {
			t.Fatalf("%q: %v, then %v, %v, %v", s, set, again, truncated, err)
		}
	})
}
