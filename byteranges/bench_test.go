package byteranges

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// The readers, on bodies of a gigabyte that arrive in memory: the fastest that a network can be.
func BenchmarkReader(b *testing.B) {
	const size = 1 << 30
	known := fmt.Sprintf("Content-Range: bytes 0-%d/*\r\n", size-1)
	length := fmt.Sprintf("Content-Length: %d\r\n", size)
	random := strings.Repeat("The quick brown fox\r\njumps over the lazy dog.\x00\x01\x02", 2000)
	binary := random[:64000]
	var chunks strings.Builder
	for range 4 {
		fmt.Fprintf(&chunks, "%s%s", appendVarint(nil, 16000), binary[:16000])
	}
	for _, c := range []struct{ name, contentType, head, body, tail string }{
		{"message", mb, known + "\r\n", binary, ""},
		{"application", ab, "\x08" + unhex(offsetLine) + string(appendVarint(nil, size)), binary, ""},
		{"application-chunks", ab, "\x0a\x0econtent-offset\x010\x00", chunks.String(), "\x00"},
		{"multipart-length", mp, "--B\r\n" + known + length + "\r\n", binary, "\r\n--B--"},
		{"multipart", mp, "--B\r\n" + known + "\r\n", binary, "\r\n--B--"},
		{"multipart-unknown", mp, "--B\r\nContent-Offset: 0\r\n\r\n", binary, "\r\n--B--"},
		{"multipart-hostile", mp, "--B\r\nContent-Offset: 0\r\n\r\n", strings.Repeat("\r\n--", 16000), "\r\n--B--"},
		{"multipart-hostile-long", MediaTypeMultipart + "; boundary=" + strings.Repeat("-", 70),
			"--" + strings.Repeat("-", 70) + "\r\nContent-Offset: 0\r\n\r\n",
			strings.Repeat("\r\n"+strings.Repeat("-", 71), 800), "\r\n" + strings.Repeat("-", 74)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			buf := make([]byte, 256<<10)
			for b.Loop() {
				n := int64(size)
				if c.body == chunks.String() {
					n -= size % int64(len(c.body)) // whole chunks
				}
				content := io.MultiReader(strings.NewReader(c.head), io.LimitReader(endless(c.body), n), strings.NewReader(c.tail))
				d, err := NewReader(content, c.contentType, nil)
				if err != nil {
					b.Fatal(err)
				}
				p, err := d.Next()
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = p.Read(buf)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

// Documents of many small parts.
func BenchmarkSmallParts(b *testing.B) {
	for _, mediaType := range mediaTypes[1:] {
		b.Run(mediaType, func(b *testing.B) {
			var parts []testPart
			for i := range DefaultMaxParts {
				parts = append(parts, testPart{Off: int64(i) * 100, Length: -1, Body: "0123456789"})
			}
			doc, contentType, err := encode(mediaType, parts, func(int) bool { return true })
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := NewReader(strings.NewReader(string(doc)), contentType, nil)
				for err == nil {
					_, err = d.Next()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
