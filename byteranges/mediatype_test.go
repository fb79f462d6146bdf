package byteranges

import (
	"strings"
	"testing"
)

func TestMediaTypes(t *testing.T) {
	for contentType, outcome := range map[string]string{
		"":                                    "media-type",
		"text/plain":                          "media-type",
		"message/byteranges":                  "media-type",
		"multipart/byterange; boundary=B":     "media-type",
		"application/byterange":               "media-type",
		"message/byterange, text/plain":       "media-type",
		"Message/ByteRange; charset=x":        `2+4/12 "wxyz" ok`,
		" message/byterange ;":                `2+4/12 "wxyz" ok`,
		"message/byterange;; charset=\"\x01;": `2+4/12 "wxyz" ok`,
	} {
		if got := decode(strings.NewReader(vectors["MB1"]), contentType, 9); got != outcome {
			t.Errorf("%q: got %s, want %s", contentType, got, outcome)
		}
		if IsMediaType(contentType) == (outcome == "media-type") {
			t.Errorf("%q: IsMediaType is %v", contentType, outcome == "media-type")
		}
	}
}

func TestBoundaries(t *testing.T) {
	for _, c := range []struct {
		params   string
		boundary string // none if malformed
	}{
		{"", ""},
		{";", ""},
		{"; boundary", ""},
		{"; boundary=", ""},
		{`; boundary=""`, ""},
		{`; boundary="B`, ""},
		{`; boundary="B\`, ""},
		{`; boundary="B "`, ""},
		{`; boundary="B"x`, ""},
		{`; boundary=gc0p:1`, ""},
		{`; boundary = B`, ""},
		{`; boundary="B` + "\x01" + `"`, ""},
		{`; boundary="B*"`, ""},
		{`; boundary="Bé"`, ""},
		{"; boundary=" + strings.Repeat("B", 71), ""},
		{"; boundary=B; boundary=B", ""},
		{"; boundary=B; x", ""},
		{"; boundary=B x=y", ""},

		{"; boundary=B", "B"},
		{";boundary=B;", "B"},
		{`;;BOUNDARY="B" ; x=y`, "B"},
		{`; x="a;boundary=C\""; boundary=B`, "B"},
		{`; boundary="gc0p:1"`, "gc0p:1"},
		{`; boundary="a\b c"`, "ab c"},
		{"; boundary=" + strings.Repeat("B", 70), strings.Repeat("B", 70)},
		{`; boundary="0aA'()+_,-./:=?"`, "0aA'()+_,-./:=?"},
		{`; boundary=---`, "---"},
	} {
		if c.boundary == "" {
			if r, err := NewReader(strings.NewReader(""), MediaTypeMultipart+c.params, nil); r != nil || class(err) != "malformed" {
				t.Errorf("%q: %v", c.params, err)
			}
			continue
		}
		const want = `2+4/12 "wxyz" ok`
		doc := "--" + c.boundary + "\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz\r\n--" + c.boundary + "--\r\n"
		if got := decode(strings.NewReader(doc), MediaTypeMultipart+c.params, 9); got != want {
			t.Errorf("%q: got %s, want %s", c.params, got, want)
		}
	}
}
