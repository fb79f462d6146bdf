package ranges

import (
	"math"
	"testing"
)

func TestRange(t *testing.T) {
	const top = math.MaxInt64
	for _, tt := range []struct {
		a, b             Range
		covers, overlaps bool
		both             Range
	}{
		{Range{2, 6}, Range{6, 8}, false, false, Range{6, 6}}, // adjacent
		{Range{6, 8}, Range{2, 6}, false, false, Range{6, 6}},
		{Range{2, 6}, Range{8, 9}, false, false, Range{8, 8}},
		{Range{2, 6}, Range{5, 8}, false, true, Range{5, 6}},
		{Range{2, 6}, Range{1, 3}, false, true, Range{2, 3}},
		{Range{2, 6}, Range{2, 7}, false, true, Range{2, 6}},
		{Range{2, 6}, Range{2, 6}, true, true, Range{2, 6}},
		{Range{2, 6}, Range{3, 4}, true, true, Range{3, 4}},
		{Range{2, 6}, Range{4, 4}, true, false, Range{4, 4}}, // an empty range is covered, and overlaps nothing
		{Range{2, 6}, Range{9, 9}, true, false, Range{9, 9}},
		{Range{4, 4}, Range{2, 6}, false, false, Range{4, 4}},
		{Range{0, top}, Range{top - 1, top}, true, true, Range{top - 1, top}},
	} {
		if got := tt.a.Covers(tt.b); got != tt.covers {
			t.Errorf("%v.Covers(%v) = %v", tt.a, tt.b, got)
		}
		if got := tt.a.Overlaps(tt.b); got != tt.overlaps {
			t.Errorf("%v.Overlaps(%v) = %v", tt.a, tt.b, got)
		}
		if got := tt.a.Intersect(tt.b); got != tt.both {
			t.Errorf("%v.Intersect(%v) = %v, want %v", tt.a, tt.b, got, tt.both)
		}
		for off := range int64(10) {
			if got, want := tt.a.Intersect(tt.b).Contains(off), tt.a.Contains(off) && tt.b.Contains(off); got != want {
				t.Errorf("%v.Intersect(%v).Contains(%d) = %v", tt.a, tt.b, off, got)
			}
		}
	}
	for _, tt := range []struct {
		r     Range
		n     int64
		empty bool
		s     string
	}{
		{Range{}, 0, true, "[0,0)"},
		{Range{7, 7}, 0, true, "[7,7)"},
		{Range{2, 6}, 4, false, "[2,6)"},
		{Range{0, top}, top, false, "[0,9223372036854775807)"},
	} {
		if tt.r.Len() != tt.n || tt.r.Empty() != tt.empty || tt.r.String() != tt.s {
			t.Errorf("%#v: Len %d, Empty %v, String %s", tt.r, tt.r.Len(), tt.r.Empty(), tt.r)
		}
	}
}
