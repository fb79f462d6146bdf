package ranges

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestParseContentRange(t *testing.T) {
	const top = math.MaxInt64
	bad, unit := ContentRange{Length: -2}, ContentRange{Length: -3} // rejected as malformed; for its unit
	for _, tt := range []struct {
		s    string
		want ContentRange
	}{
		{"", bad},
		{"bytes", bad},
		{"bytes ", bad},
		{" bytes 2-5/12", bad},
		{"bytes 2-5/12 ", bad},
		{"bytes\t2-5/12", bad},
		{"bytes  2-5/12", bad},
		{"bytes 2 - 5/12", bad},
		{"bytes 2-5 /12", bad},
		{"bytes 2-5/ 12", bad},
		{"bytes=2-5/12", bad},
		{"bytes 2-5", bad},
		{"bytes 2-", bad},
		{"bytes 2", bad},
		{"bytes -5/12", bad}, // a suffix, as in Range
		{"bytes 2-5/", bad},
		{"bytes 2-5/-1", bad},
		{"bytes 2-5/12,", bad},
		{"bytes 2-5/**", bad},
		{"bytes 2-5/1*", bad},
		{"bytes 0-1/8, bytes 2-3/8", bad}, // a repeated field, combined
		{"bytes +2-5/12", bad},
		{"bytes 2-+5/12", bad},
		{"bytes 0x2-5/12", bad},
		{"bytes 2-5/1_2", bad},
		{"bytes 2-5/1\uff12", bad},              // fullwidth digit
		{"2-5/12", bad},                         // no unit, as printed in the draft
		{"*/1000", bad},                         // likewise
		{"by(tes 2-5/12", bad},                  // not a token
		{" 2-5/12", bad},                        // empty unit
		{"bytes 5-4/10", bad},                   // backwards
		{"bytes 1-0/*", bad},                    // would be empty, were it let in
		{"bytes 0-9/9", bad},                    // position 9 is beyond
		{"bytes 0-9/5", bad},                    // likewise
		{"bytes */*", bad},                      // says nothing
		{"bytes *", bad},                        //
		{"bytes */", bad},                       //
		{"bytes 2-5/*/12", bad},                 //
		{"bytes 5-/*", bad},                     // open-ended, removed from the draft
		{"bytes 0-/10", bad},                    //
		{"bytes 0-9223372036854775807/*", bad},  // End would be 2^63
		{"bytes 0-9223372036854775808/*", bad},  //
		{"bytes 0-18446744073709551615/*", bad}, // 2^64-1
		{"bytes 0-18446744073709551616/*", bad}, // 2^64, which is 0 when it wraps
		{"bytes 18446744073709551616-18446744073709551620/*", bad},
		{"bytes 9223372036854775807-9223372036854775807/*", bad},
		{"bytes 0-1/9223372036854775808", bad},
		{"bytes */9223372036854775808", bad},
		{"bytes */" + strings.Repeat("9", 10_000), bad},
		{"items 5-4/10", bad}, // malformed in any unit
		{"items 0-0", bad},

		{"items 0-0/1", unit},
		{"items 0-0/*", unit},
		{"items */1", unit},
		{"byte 0-0/1", unit},
		{"none 0-0/1", unit},
		{"bytes, 0-0/1", bad}, // a comma is no part of a token
		{"bytes= 0-0/1", bad},

		{"bytes 2-5/12", ContentRange{Range{2, 6}, false, 12}},
		{"BYTES 2-5/12", ContentRange{Range{2, 6}, false, 12}},
		{"bYtEs 2-5/*", ContentRange{Range{2, 6}, false, -1}},
		{"bytes 0-0/1", ContentRange{Range{0, 1}, false, 1}},
		{"bytes 0-9/10", ContentRange{Range{0, 10}, false, 10}},
		{"bytes 0000-0003/0012", ContentRange{Range{0, 4}, false, 12}},
		{"bytes 00000000000000000000000002-5/000000000000000000000000012", ContentRange{Range{2, 6}, false, 12}},
		{"bytes */0", ContentRange{Range{}, true, 0}},
		{"bytes */1000", ContentRange{Range{}, true, 1000}},
		{"bytes */9223372036854775807", ContentRange{Range{}, true, top}},
		{"bytes 0-9223372036854775806/*", ContentRange{Range{0, top}, false, -1}},
		{"bytes 9223372036854775806-9223372036854775806/9223372036854775807", ContentRange{Range{top - 1, top}, false, top}},
	} {
		got, err := ParseContentRange(tt.s)
		var malformed *ParseError
		switch {
		case tt.want == bad:
			if !errors.As(err, &malformed) || errors.Is(err, ErrUnit) || got != (ContentRange{}) {
				t.Errorf("%.80q: got %v, %v; want a ParseError", tt.s, got, err)
			} else if malformed.Field != "Content-Range" || malformed.Input != tt.s || malformed.Offset < 0 || malformed.Offset > len(tt.s) {
				t.Errorf("%.80q: %#v", tt.s, malformed)
			}
		case tt.want == unit:
			if !errors.Is(err, ErrUnit) || errors.As(err, &malformed) || got != (ContentRange{}) {
				t.Errorf("%q: got %v, %v; want ErrUnit", tt.s, got, err)
			}
		case err != nil || got != tt.want:
			t.Errorf("%q: got %+v, %v; want %+v", tt.s, got, err, tt.want)
		}
	}
}

// TestContentRangeReason has the faults that a client author is most likely to make.
func TestContentRangeReason(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"bytes=2-5/12", `Content-Range: want a range unit and one space: at octet 0 of "bytes=2-5/12"`},
		{"bytes 2 -5/12", `Content-Range: want a hyphen: at octet 7 of "bytes 2 -5/12"`},
		{"bytes 5-/*", `Content-Range: want a last position; a range of unknown end goes into Content-Offset: at octet 8 of "bytes 5-/*"`},
		{"bytes 5-4/9", `Content-Range: last position is below the first: at octet 8 of "bytes 5-4/9"`},
		{"bytes 2-5", `Content-Range: want a slash: at octet 9 of "bytes 2-5"`},
		{"bytes 2-5/5", `Content-Range: complete length is not above the last position: at octet 10 of "bytes 2-5/5"`},
		{"bytes 2-5/12\r\nX: \x00\xff", `Content-Range: want nothing after the complete length: at octet 12 of "bytes 2-5/12\r\nX: \x00\xff"`},
		{"items 2-5/12", `Content-Range: unknown range unit "items"`},
	} {
		if _, err := ParseContentRange(tt.s); err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
	_, err := ParseContentRange("bytes " + strings.Repeat("\x00", 10_000))
	if n := len(err.Error()); n > 1000 {
		t.Errorf("a message of %d octets", n)
	}
}

func TestContentRangeString(t *testing.T) {
	for _, tt := range []struct {
		c    ContentRange
		want string
	}{
		{ContentRange{Range{2, 6}, false, 12}, "bytes 2-5/12"},
		{ContentRange{Range{2, 6}, false, -1}, "bytes 2-5/*"},
		{ContentRange{Range{}, true, 12}, "bytes */12"},
		{ContentRange{Range{}, true, 0}, "bytes */0"},
		{ContentRange{Range{0, math.MaxInt64}, false, math.MaxInt64}, "bytes 0-9223372036854775806/9223372036854775807"},
	} {
		if got := tt.c.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func FuzzParseContentRange(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseContentRange(s)
		if err != nil {
			if c != (ContentRange{}) {
				t.Errorf("%v with an error", c)
			}
			fuzzError(t, err)
			return
		}
		if c.Unsatisfied != c.Range.Empty() || c.Range.Start < 0 || c.Length < -1 || c.Length >= 0 && c.Length < c.Range.End {
			t.Fatalf("%+v breaks the promises", c)
		}
		again, err := ParseContentRange(c.String())
		if err != nil || again != c {
			t.Fatalf("%q: %+v, then %+v, %v", s, c, again, err)
		}
	})
}

// fuzzError fails unless err is one that a parser of a field may return, with a message that can be sent and logged.
func fuzzError(t *testing.T, err error) {
	t.Helper()
	var malformed *ParseError
	if errors.As(err, &malformed) == errors.Is(err, ErrUnit) {
		t.Errorf("want either a ParseError or ErrUnit: %v", err)
	}
	msg := err.Error()
	if len(msg) > 1000 {
		t.Errorf("a message of %d octets", len(msg))
	}
	for _, r := range msg {
		if r < ' ' || r > '~' {
			t.Errorf("a message with %q: %q", r, msg)
		}
	}
}
