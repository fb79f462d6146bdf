package ranges

import (
	"cmp"
	"math"
	"strings"
)

// cutDecimal divides s after its leading decimal digits. digits is empty if s begins with anything else; there is no sign.
func cutDecimal(s string) (digits, rest string) {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

// decimal returns the number that digits, a possibly empty string of decimal digits, denotes. If that is above 2^63-1, it
// returns 2^63-1 and false.
func decimal(digits string) (n int64, ok bool) {
	for i := range len(digits) {
		d := int64(digits[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			return math.MaxInt64, false
		}
		n = n*10 + d
	}
	return n, true
}

// compareDecimal compares the numbers that two strings of decimal digits denote, however large they are.
func compareDecimal(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
