package ranges

import (
	"errors"
	"strings"
	"testing"
)

func TestParseContentOffset(t *testing.T) {
	bad, unit := ContentOffset{Offset: -1}, ContentOffset{Offset: -2} // rejected as malformed; for its unit
	for _, tt := range []struct {
		s    string
		want ContentOffset
	}{
		{"", bad},
		{" ", bad},
		{"2.0", bad},
		{`"2"`, bad},
		{"two", bad},
		{"?1", bad},
		{":Mg==:", bad},
		{"@2", bad}, // a Date
		{"-1", bad},
		{"+2", bad},
		{"--2", bad},
		{"1000000000000000", bad}, // 16 digits
		{"9223372036854775807", bad},
		{"18446744073709551618", bad},
		{strings.Repeat("9", 10_000), bad},
		{"2 3", bad},
		{"2, 3", bad}, // a repeated field, combined
		{"2,", bad},
		{"(2)", bad},
		{"2\t", bad},
		{"\t2", bad},
		{"2;", bad},
		{"2;=1", bad},
		{"2;Unit=bytes", bad}, // keys are lower-case
		{"bytes 2-5/12", bad}, // Content-Range
		{"2;complete-length", bad},
		{"2;complete-length=*", bad},
		{"2;complete-length=12.0", bad},
		{`2;complete-length="12"`, bad},
		{"2;complete-length=-1", bad},
		{"2;complete-length=1000000000000000", bad},
		{"10;complete-length=5", bad},
		{"2;complete-length=12;complete-length=1", bad}, // the last counts
		{"2;unit", bad},
		{`2;unit="bytes"`, bad},
		{"2;unit=1", bad},
		{"-1;unit=items", bad}, // malformed in any unit
		{"2;complete-length=1;unit=items", bad},

		{"2;unit=items", unit},
		{"2;complete-length=12;unit=items", unit},
		{"2;unit=bytes;unit=items", unit},

		{"0", ContentOffset{0, -1}},
		{"-0", ContentOffset{0, -1}},
		{"2", ContentOffset{2, -1}},
		{"02", ContentOffset{2, -1}},
		{"  2", ContentOffset{2, -1}},
		{"2  ", ContentOffset{2, -1}},
		{"999999999999999", ContentOffset{MaxFieldInteger, -1}},
		{"2;unit=bytes", ContentOffset{2, -1}},
		{"2;unit=BYTES", ContentOffset{2, -1}},
		{"2;unit=items;unit=bytes", ContentOffset{2, -1}},
		{"2; unit=bytes;  complete-length=12", ContentOffset{2, 12}},
		{"2;complete-length=12", ContentOffset{2, 12}},
		{"12;complete-length=12", ContentOffset{12, 12}},
		{"0;complete-length=0", ContentOffset{0, 0}},
		{"2;complete-length=12;complete-length=6", ContentOffset{2, 6}},
		{"2;complete-length=*;complete-length=6", ContentOffset{2, 6}},
		{"2;complete-length=999999999999999", ContentOffset{2, MaxFieldInteger}},
		{"2;foo=1;*bar;a.b-c_d=(", bad},
		{"2;foo=1;*bar;a.b-c_d=x", ContentOffset{2, -1}},
	} {
		got, err := ParseContentOffset(tt.s)
		var malformed *ParseError
		switch {
		case tt.want == bad:
			if !errors.As(err, &malformed) || errors.Is(err, ErrUnit) || got != (ContentOffset{}) {
				t.Errorf("%.80q: got %+v, %v; want a ParseError", tt.s, got, err)
			} else if malformed.Field != "Content-Offset" || malformed.Input != tt.s || malformed.Offset != -1 {
				t.Errorf("%.80q: %#v", tt.s, malformed)
			}
		case tt.want == unit:
			if !errors.Is(err, ErrUnit) || errors.As(err, &malformed) || got != (ContentOffset{}) {
				t.Errorf("%q: got %+v, %v; want ErrUnit", tt.s, got, err)
			}
		case err != nil || got != tt.want:
			t.Errorf("%q: got %+v, %v; want %+v", tt.s, got, err, tt.want)
		}
	}
}

func TestContentOffsetString(t *testing.T) {
	for _, tt := range []struct {
		c    ContentOffset
		want string
	}{
		{ContentOffset{0, -1}, "0"},
		{ContentOffset{2, -1}, "2"},
		{ContentOffset{2, 12}, "2;complete-length=12"},
		{ContentOffset{0, 0}, "0;complete-length=0"},
	} {
		if got := tt.c.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func FuzzParseContentOffset(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseContentOffset(s)
		if err != nil {
			if c != (ContentOffset{}) {
				t.Errorf("%+v with an error", c)
			}
			fuzzError(t, err)
			return
		}
		if c.Offset < 0 || c.Offset > MaxFieldInteger || c.Length < -1 || c.Length >= 0 && c.Length < c.Offset || c.Length > MaxFieldInteger {
			t.Fatalf("%+v breaks the promises", c)
		}
		again, err := ParseContentOffset(c.String())
		if err != nil || again != c {
			t.Fatalf("%q: %+v, then %+v, %v", s, c, again, err)
		}
	})
}
