package ranges

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParseRange(t *testing.T) {
	const top = math.MaxInt64
	many := func(n int, spec string) string {
		return "bytes=" + strings.TrimSuffix(strings.Repeat(spec+",", n), ",")
	}
	for _, tt := range []struct {
		s    string // several lines are divided by "|"
		size int64
		err  error
		want []Range
	}{
		// Unit.
		{"", 10, ErrIgnored, nil},
		{"=0-1", 10, ErrIgnored, nil},
		{"0-1", 10, ErrIgnored, nil},
		{"items=0-1", 10, ErrIgnored, nil},
		{"none=0-1", 10, ErrIgnored, nil},
		{"bytes 0-1", 10, ErrIgnored, nil},
		{"bytes 0-1/10", 10, ErrIgnored, nil},
		{"bytes =0-1", 10, ErrIgnored, nil},
		{" bytes=0-1", 10, ErrIgnored, nil},
		{"byte\u017f=0-1", 10, ErrIgnored, nil}, // long s, which folds to s in Unicode
		// Syntax: any invalid range spoils the set.
		{"bytes=", 10, ErrIgnored, nil},
		{"bytes=,", 10, ErrIgnored, nil},
		{"bytes= , ,", 10, ErrIgnored, nil},
		{"bytes=-", 10, ErrIgnored, nil},
		{"bytes=--", 10, ErrIgnored, nil},
		{"bytes=--1", 10, ErrIgnored, nil},
		{"bytes=1", 10, ErrIgnored, nil},
		{"bytes=a-b", 10, ErrIgnored, nil},
		{"bytes=0-b", 10, ErrIgnored, nil},
		{"bytes=0-1-2", 10, ErrIgnored, nil},
		{"bytes=0-1;2-3", 10, ErrIgnored, nil},
		{"bytes=0-1 2-3", 10, ErrIgnored, nil},
		{"bytes=+1-2", 10, ErrIgnored, nil},
		{"bytes=1-+2", 10, ErrIgnored, nil},
		{"bytes=-+2", 10, ErrIgnored, nil},
		{"bytes=1 - 2", 10, ErrIgnored, nil},
		{"bytes=1- 2", 10, ErrIgnored, nil},
		{"bytes=- 2", 10, ErrIgnored, nil},
		{"bytes=0x1-2", 10, ErrIgnored, nil},
		{"bytes=0-1\x00", 10, ErrIgnored, nil},
		{"bytes=0-1\u00a0", 10, ErrIgnored, nil},
		{"bytes=2-1", 10, ErrIgnored, nil},
		{"bytes=0-1,2-1", 10, ErrIgnored, nil},
		{"bytes=20-19,0-1", 10, ErrIgnored, nil},
		{"bytes=0-1,a", 10, ErrIgnored, nil},
		{"bytes=*/10", 10, ErrIgnored, nil},
		{"bytes=99999999999999999999-88888888888888888888", 10, ErrIgnored, nil}, // backwards, both beyond an int64
		{"bytes=18446744073709551617-1", 10, ErrIgnored, nil},                    // 2^64+1
		// Lines are combined.
		{"bytes=0-1|bytes=2-3", 10, ErrIgnored, nil},
		{"bytes=0-1|2-3", 10, nil, []Range{{0, 2}, {2, 4}}},
		// An empty representation.
		{"bytes=0-", 0, ErrIgnored, nil},
		{"bytes=-5", 0, ErrIgnored, nil},
		{"bytes=-0", 0, ErrIgnored, nil},
		// Not satisfiable.
		{"bytes=10-", 10, ErrUnsatisfiable, nil},
		{"bytes=20-30", 10, ErrUnsatisfiable, nil},
		{"bytes=-0", 10, ErrUnsatisfiable, nil},
		{"bytes=-000", 10, ErrUnsatisfiable, nil},
		{"bytes=-0,10-10", 10, ErrUnsatisfiable, nil},
		{"bytes=99999999999999999999-", 10, ErrUnsatisfiable, nil},
		{"bytes=18446744073709551616-18446744073709551617", 10, ErrUnsatisfiable, nil}, // 2^64, 0 when it wraps
		{"bytes=9223372036854775807-", top, ErrUnsatisfiable, nil},
		// Too many.
		{many(1001, "0-0"), 10, ErrIgnored, nil},
		{many(1001, "20-30"), 10, ErrIgnored, nil},
		{many(1000, "20-30"), 10, ErrUnsatisfiable, nil},
		{many(1000, "0-"), 10, ErrIgnored, nil},
		{many(3, "0-"), 10, ErrIgnored, nil},

		{"bytes=0-1", 10, nil, []Range{{0, 2}}},
		{"Bytes=0-1", 10, nil, []Range{{0, 2}}},
		{"BYTES=0-1", 10, nil, []Range{{0, 2}}},
		{"bytes=0-0", 1, nil, []Range{{0, 1}}},
		{"bytes=9-9", 10, nil, []Range{{9, 10}}},
		{"bytes=5-", 10, nil, []Range{{5, 10}}},
		{"bytes=5-9", 10, nil, []Range{{5, 10}}},
		{"bytes=5-10", 10, nil, []Range{{5, 10}}},
		{"bytes=005-0007", 10, nil, []Range{{5, 8}}},
		{"bytes=00000000000000000000000000000005-7", 10, nil, []Range{{5, 8}}},
		{"bytes=-1", 10, nil, []Range{{9, 10}}},
		{"bytes=-10", 10, nil, []Range{{0, 10}}},
		{"bytes=-11", 10, nil, []Range{{0, 10}}},
		{"bytes=0-99999999999999999999", 10, nil, []Range{{0, 10}}},
		{"bytes=-99999999999999999999", 10, nil, []Range{{0, 10}}},
		{"bytes=0-9223372036854775806", 10, nil, []Range{{0, 10}}},
		{"bytes=0-9223372036854775807", top, nil, []Range{{0, top}}},
		{"bytes=9223372036854775806-9223372036854775806", top, nil, []Range{{top - 1, top}}},
		{"bytes=9223372036854775805-", top, nil, []Range{{top - 2, top}}},
		{"bytes=-9223372036854775807", top, nil, []Range{{0, top}}},
		{"bytes=0-0,-0", 10, nil, []Range{{0, 1}}},
		{"bytes=20-30,0-0", 10, nil, []Range{{0, 1}}},
		{"bytes=8-9,0-1", 10, nil, []Range{{8, 10}, {0, 2}}}, // order of the request
		{"bytes=0-4,3-9", 10, nil, []Range{{0, 5}, {3, 10}}}, // not merged
		{"bytes= 0-999, 4500-5499", 10000, nil, []Range{{0, 1000}, {4500, 5500}}},
		{"bytes=0-999, 4500-5499, -1000", 10000, nil, []Range{{0, 1000}, {4500, 5500}, {9000, 10000}}},
		{"bytes=,0-0 ,, 2-2", 10, nil, []Range{{0, 1}, {2, 3}}},
		{"bytes=\t0-0\t,\t2-2\t", 10, nil, []Range{{0, 1}, {2, 3}}},
	} {
		got, err := ParseRange(strings.Split(tt.s, "|"), tt.size)
		if !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
			t.Errorf("%.80q of %d: got %v, %v; want %v, %v", tt.s, tt.size, got, err, tt.want, tt.err)
		}
	}
	if got, err := ParseRange(nil, 10); got != nil || !errors.Is(err, ErrIgnored) {
		t.Errorf("no lines: got %v, %v", got, err)
	}
	if got, err := ParseRange([]string{"bytes=0-"}, -1); got != nil || !errors.Is(err, ErrIgnored) {
		t.Errorf("negative size: got %v, %v", got, err)
	}
}

// series returns n ranges of length bytes that begin step bytes apart.
func series(n int, length, step int64) []Range {
	var rs []Range
	for i := range int64(n) {
		rs = append(rs, Range{i * step, i*step + length})
	}
	return rs
}

func reversed(rs []Range) []Range {
	slices.Reverse(rs)
	return rs
}

func TestExcessive(t *testing.T) {
	for _, tt := range []struct {
		name string
		rs   []Range
		want bool
	}{
		{"three the same", []Range{{0, 9}, {0, 9}, {0, 9}}, true},
		{"a byte in three", []Range{{0, 5}, {2, 7}, {4, 9}}, true},
		{"a chain of three", []Range{{0, 5}, {4, 9}, {8, 12}}, true},
		{"two pairs", []Range{{0, 5}, {4, 9}, {20, 25}, {24, 29}}, true},
		{"two inside one", []Range{{0, 100}, {10, 20}, {30, 40}}, true},
		{"two inside one, out of order", []Range{{30, 40}, {0, 100}, {10, 20}}, true},
		{"many of which three overlap", append(series(100, 5, 10), Range{50, 65}), true},
		{"many small and descending", reversed(series(17, 100, 200)), true},
		{"many small, one out of order", append(series(17, 100, 200), Range{150, 160}), true},

		{"none", nil, false},
		{"one", []Range{{0, 9}}, false},
		{"two the same", []Range{{0, 9}, {0, 9}}, false},
		{"one inside another", []Range{{0, 100}, {10, 20}, {200, 300}}, false},
		{"adjacent", series(100, 10, 10), false},
		{"many and ascending", series(1000, 1, 2), false},
		{"few small and descending", reversed(series(16, 100, 200)), false},
		{"many large and descending", reversed(series(1000, 512, 600)), false},
	} {
		before := slices.Clone(tt.rs)
		if got := excessive(tt.rs); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
		if !slices.Equal(tt.rs, before) {
			t.Errorf("%s: the argument was changed", tt.name)
		}
	}
}

func TestCoalesce(t *testing.T) {
	const top = math.MaxInt64
	for _, tt := range []struct {
		rs   []Range
		gap  int64
		want []Range
	}{
		{nil, 80, nil},
		{[]Range{{5, 5}}, 80, nil},
		{[]Range{{8, 10}, {0, 2}}, 0, []Range{{8, 10}, {0, 2}}}, // nothing to merge
		{[]Range{{0, 5}, {3, 10}}, 0, []Range{{0, 10}}},
		{[]Range{{3, 10}, {0, 5}}, 0, []Range{{0, 10}}},
		{[]Range{{0, 5}, {5, 10}}, 0, []Range{{0, 10}}}, // adjacent
		{[]Range{{0, 5}, {6, 10}}, 0, []Range{{0, 5}, {6, 10}}},
		{[]Range{{0, 5}, {6, 10}}, 1, []Range{{0, 5}, {6, 10}}}, // a gap of 1 is not less than 1
		{[]Range{{0, 5}, {6, 10}}, 2, []Range{{0, 10}}},
		{[]Range{{0, 5}, {84, 90}}, 80, []Range{{0, 90}}},
		{[]Range{{0, 5}, {85, 90}}, 80, []Range{{0, 5}, {85, 90}}},
		{[]Range{{0, 100}, {10, 20}, {50, 200}}, 0, []Range{{0, 200}}},
		{[]Range{{0, 100}, {10, 20}, {99, 101}, {30, 40}}, 0, []Range{{0, 101}}},
		{[]Range{{900, 950}, {20, 30}, {500, 600}, {0, 10}, {590, 700}, {10, 20}}, 0, []Range{{900, 950}, {0, 30}, {500, 700}}},
		{[]Range{{900, 950}, {500, 600}, {7, 7}, {940, 980}}, 0, []Range{{900, 980}, {500, 600}}},
		{[]Range{{0, 1}, {top - 1, top}}, top, []Range{{0, top}}},
		{[]Range{{top - 1, top}, {0, 1}}, 80, []Range{{top - 1, top}, {0, 1}}},
	} {
		before := slices.Clone(tt.rs)
		if got := Coalesce(tt.rs, tt.gap); !slices.Equal(got, tt.want) {
			t.Errorf("Coalesce(%v, %d): got %v, want %v", tt.rs, tt.gap, got, tt.want)
		}
		if !slices.Equal(tt.rs, before) {
			t.Errorf("Coalesce(%v, %d) changed its argument", before, tt.gap)
		}
	}
}

func TestFormatRange(t *testing.T) {
	for _, tt := range []struct {
		rs   []Range
		want string
	}{
		{nil, ""},
		{[]Range{{0, 2}}, "bytes=0-1"},
		{[]Range{{6, 7}, {0, 2}}, "bytes=6-6,0-1"},
		{[]Range{{6, math.MaxInt64}}, "bytes=6-"},
	} {
		if got := FormatRange(tt.rs...); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.rs, got, tt.want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string, size int64) {
		rs, err := ParseRange(strings.Split(s, "|"), size)
		if err != nil {
			if rs != nil || errors.Is(err, ErrIgnored) == errors.Is(err, ErrUnsatisfiable) || len(err.Error()) > 1000 {
				t.Fatalf("%v, %v", rs, err)
			}
			return
		}
		if len(rs) == 0 || len(rs) > MaxRequestRanges {
			t.Fatalf("%d ranges", len(rs))
		}
		for _, r := range rs {
			if r.Empty() || !(Range{0, size}).Covers(r) {
				t.Fatalf("%v is not inside %d", r, size)
			}
		}
		again, err := ParseRange([]string{FormatRange(rs...)}, size)
		if err != nil || !slices.Equal(again, rs) {
			t.Fatalf("%v, then %v, %v", rs, again, err)
		}
		checkCoalesced(t, rs, size)
	})
}

// checkCoalesced fails unless Coalesce without a gap gives ranges that do not touch and hold the bytes of rs.
func checkCoalesced(t *testing.T, rs []Range, size int64) {
	t.Helper()
	merged := Coalesce(rs, 0)
	set := NewSet(rs...)
	if set.Len() != len(merged) || !set.Equal(NewSet(merged...)) {
		t.Fatalf("%v: merged to %v", rs, merged)
	}
	if len(merged) > 0 && !merged[0].Covers(rs[0]) {
		t.Fatalf("%v: the first of %v does not hold the first", rs, merged)
	}
	if got := Coalesce(rs, size); len(got) != 1 || got[0] != set.Bounds() {
		t.Fatalf("%v: merged over all gaps to %v", rs, got)
	}
}

// TestParseRangeLarge has more ranges than any request should, for time and memory.
func TestParseRangeLarge(t *testing.T) {
	var b strings.Builder
	b.WriteString("bytes=")
	for i := range 100_000 {
		fmt.Fprintf(&b, "%d-%d,", i*2, i*2)
	}
	lines := []string{b.String()}
	allocs := testing.AllocsPerRun(1, func() {
		if _, err := ParseRange(lines, 1<<20); !errors.Is(err, ErrIgnored) {
			t.Error(err)
		}
	})
	if allocs > 100 {
		t.Errorf("%v allocations", allocs)
	}
}
