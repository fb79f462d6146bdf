package ranges

import (
	"math"
	"testing"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		digits string
		want   int64
		ok     bool
	}{
		{"9223372036854775808", math.MaxInt64, false},
		{"9223372036854775817", math.MaxInt64, false},
		{"18446744073709551616", math.MaxInt64, false},
		{"99999999999999999999999999", math.MaxInt64, false},
		{"9223372036854775807", math.MaxInt64, true},
		{"9223372036854775806", math.MaxInt64 - 1, true},
		{"0000000000000000000000000000", 0, true},
		{"00000000000000000000000000012", 12, true},
		{"7", 7, true},
		{"", 0, true},
	} {
		if got, ok := decimal(tt.digits); got != tt.want || ok != tt.ok {
			t.Errorf("decimal(%q) = %d, %v", tt.digits, got, ok)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1", "2", -1},
		{"9", "10", -1},
		{"09", "10", -1},
		{"0", "000", 0},
		{"0012", "12", 0},
		{"99999999999999999999", "99999999999999999999", 0},
		{"88888888888888888888", "99999999999999999999", -1},
		{"99999999999999999999", "188888888888888888888", -1},
	} {
		if got := compareDecimal(tt.a, tt.b); got != tt.want {
			t.Errorf("compareDecimal(%q, %q) = %d", tt.a, tt.b, got)
		}
		if got := compareDecimal(tt.b, tt.a); got != -tt.want {
			t.Errorf("compareDecimal(%q, %q) = %d", tt.b, tt.a, got)
		}
	}
}
