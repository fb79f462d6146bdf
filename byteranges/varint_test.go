package byteranges

import (
	"fmt"
	"strings"
	"testing"
)

func TestVarint(t *testing.T) {
	for _, c := range []struct {
		hex     string
		n       int64
		minimal bool
	}{
		{"25", 37, true},
		{"40 25", 37, false},
		{"7b bd", 15293, true},
		{"9d 7f 3e 7d", 494878333, true},
		{"c2 19 7c 5e ff 14 e8 8c", 151288809941952652, true},
		{"ff ff ff ff ff ff ff ff", maxVarint, true},
		{"00", 0, true},
		{"3f", 63, true},
		{"40 40", 64, true},
		{"7f ff", 1<<14 - 1, true},
		{"80 00 40 00", 1 << 14, true},
		{"bf ff ff ff", 1<<30 - 1, true},
		{"c0 00 00 00 40 00 00 00", 1 << 30, true},
		{"c0 00 00 00 00 00 00 08", 8, false},
	} {
		enc := unhex(c.hex)
		s := newSource(strings.NewReader(enc))
		n, err := s.varint()
		if n != c.n || err != nil || s.off != int64(len(enc)) {
			t.Errorf("%s: %d, %v", c.hex, n, err)
		}
		if got := fmt.Sprintf("% x", appendVarint(nil, c.n)); c.minimal && got != c.hex {
			t.Errorf("%d: %s, want %s", c.n, got, c.hex)
		}
		for i := range len(enc) {
			want := "incomplete"
			if i == 0 {
				want = "ok"
			}
			if _, err := newSource(strings.NewReader(enc[:i])).varint(); class(err) != want {
				t.Errorf("%s cut after %d: %v", c.hex, i, err)
			}
		}
	}
}
