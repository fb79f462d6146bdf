package byteranges

import (
	"strings"
	"testing"
)

func TestMessage(t *testing.T) {
	const whole = `2+4/12 "wxyz" ok`
	run(t, mb, []testCase{
		{"empty", "", "malformed"},
		{"no empty line", "Content-Range: bytes 2-5/12\r\n", "malformed"},
		{"half a line", "Content-Range: byt", "malformed"},
		{"half an end of line", "Content-Range: bytes 2-5/12\r\n\r", "malformed"},
		{"no fields", "\r\nwxyz", "no-range"},
		{"no fields, no body", "\r\n", "no-range"},
		{"space before colon", "Content-Range : bytes 2-5/12\r\n\r\nwxyz", "malformed"},
		{"no colon", "Content-Range bytes 2-5/12\r\n\r\nwxyz", "malformed"},
		{"no name", "Content-Range: bytes 2-5/12\r\n: x\r\n\r\nwxyz", "malformed"},
		{"pseudo-field", ":path: /x\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz", "malformed"},
		{"fold", "Content-Range: bytes\r\n 2-5/12\r\n\r\nwxyz", "malformed"},
		{"fold with tab", "Content-Range: bytes\r\n\t2-5/12\r\n\r\nwxyz", "malformed"},
		{"space first", " Content-Range: bytes 2-5/12\r\n\r\nwxyz", "malformed"},
		{"line of a space", "Content-Range: bytes 2-5/12\r\n \r\n\r\nwxyz", "malformed"},
		{"LF only", "Content-Range: bytes 2-5/12\n\nwxyz", "malformed"},
		{"LF after a line", "Content-Range: bytes 2-5/12\n\r\nwxyz", "malformed"},
		{"LF for the empty line", "Content-Range: bytes 2-5/12\r\n\nwxyz", "malformed"},
		{"CR CR LF", "Content-Range: bytes 2-5/12\r\r\n\r\nwxyz", "malformed"},
		{"request line", "PATCH / HTTP/1.1\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz", "malformed"},
		{"longer than its range", "Content-Range: bytes 0-3/4\r\n\r\nabcdef", `0+4/4 "abcd" mismatch`},
		{"shorter than its range", "Content-Range: bytes 0-9/10\r\n\r\nabcd", `0+10/10 "abcd" incomplete`},
		{"shorter than its length", "Content-Offset: 0\r\nContent-Length: 5\r\n\r\nabcd", `0+5/* "abcd" incomplete`},
		{"no body", "Content-Range: bytes 0-9/10\r\n\r\n", `0+10/10 "" incomplete`},
		{"set length, body", "Content-Range: bytes */9\r\n\r\n\r\n", "body-not-empty"},
		{"too many fields", strings.Repeat("a: b\r\n", DefaultMaxFields) + "Content-Range: bytes 2-5/12\r\n\r\nwxyz", "limit"},
		{"name too long", strings.Repeat("a", DefaultMaxNameBytes+1) + ": b\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz", "limit"},
		{"section too long", messageOf(DefaultMaxHeaderBytes + 1), "limit"},
		{"endless line", strings.Repeat("a", 9*fillSize), "limit"},

		{"white space around", "Content-Range:\tbytes 2-5/12 \r\n\r\nwxyz", whole},
		{"no white space", "Content-Range:bytes 2-5/12\r\n\r\nwxyz", whole},
		{"many fields", strings.Repeat("a: b\r\n", DefaultMaxFields-1) + "Content-Range: bytes 2-5/12\r\n\r\nwxyz", whole},
		{"long name", strings.Repeat("a", DefaultMaxNameBytes) + ": b\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz", whole},
		{"long section", messageOf(DefaultMaxHeaderBytes), whole},
		{"set length", "Content-Range: bytes */9\r\n\r\n", `*/9 ok`},
		{"empty with offset", "Content-Offset: 7\r\n\r\n", `7+?/* "" ok`},
		{"opaque body", "Content-Offset: 0\r\n\r\n\r\n\r\n\x00--B--\r\nGET /admin HTTP/1.1\r\n",
			`0+?/* "\r\n\r\n\x00--B--\r\nGET /admin HTTP/1.1\r\n" ok`},
	})
}

// messageOf returns a document whose field section has n octets.
func messageOf(n int) string {
	const fields = "Content-Range: bytes 2-5/12\r\nX: "
	return fields + strings.Repeat("x", n-len(fields)-len("\r\n\r\n")) + "\r\n\r\nwxyz"
}
