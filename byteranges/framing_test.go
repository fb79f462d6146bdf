package byteranges

import (
	"bytes"
	"errors"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/infill-http/infill/ranges"
)

func TestFramingRefuses(t *testing.T) {
	for _, c := range []struct {
		name      string
		parts     []ranges.Range
		length    int64
		mediaType string
	}{
		{"no parts", nil, 10, ""},
		{"empty part", []ranges.Range{{Start: 0, End: 1}, {Start: 4, End: 4}}, 10, ""},
		{"beyond the end", []ranges.Range{{Start: 9, End: 11}}, 10, ""},
		{"negative", []ranges.Range{{Start: -1, End: 1}}, 10, ""},
		{"line end in the type", []ranges.Range{{Start: 0, End: 1}}, 10, "a/b\r\nX: y"},
		{"too much in sum", []ranges.Range{{Start: 0, End: math.MaxInt64}}, -1, ""},
		{"too much in sum of two", []ranges.Range{{Start: 0, End: math.MaxInt64 - 500}, {Start: 0, End: 1000}}, -1, ""},
	} {
		if f, err := NewFraming(c.parts, c.length, c.mediaType); f != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The composed content is what mime/multipart, and the Reader of this package, take it for, and as long as announced.
func TestFraming(t *testing.T) {
	const data = "0123456789"
	for _, mediaType := range []string{"", "text/plain; charset=utf-8"} {
		for _, length := range []int64{-1, 10} {
			parts := []ranges.Range{{Start: 8, End: 10}, {Start: 0, End: 2}, {Start: 4, End: 5}}
			f, err := NewFraming(parts, length, mediaType)
			if err != nil {
				t.Fatal(err)
			}
			var content bytes.Buffer
			for i := range f.Len() {
				content.Write(f.Head(i))
				content.WriteString(data[f.Part(i).Start:f.Part(i).End])
			}
			content.Write(f.Tail())
			if f.Size() != int64(content.Len()) {
				t.Errorf("announced %d octets of %d", f.Size(), content.Len())
			}

			var want []testPart
			for _, p := range parts {
				w := testPart{Off: p.Start, Length: length, Body: data[p.Start:p.End]}
				if mediaType != "" {
					w.Fields = Header{{"content-type", mediaType}}
				}
				want = append(want, w)
			}
			got, err := decodeParts(bytes.NewReader(content.Bytes()), f.ContentType(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}

			_, params, err := mime.ParseMediaType(f.ContentType())
			if err != nil {
				t.Fatal(err)
			}
			other := multipart.NewReader(&content, params["boundary"])
			for _, p := range parts {
				part, err := other.NextRawPart()
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(part)
				if err != nil {
					t.Fatal(err)
				}
				contentRange := ranges.ContentRange{Range: p, Length: length}.String()
				if string(body) != data[p.Start:p.End] || part.Header.Get("Content-Range") != contentRange ||
					part.Header.Get("Content-Type") != mediaType {
					t.Errorf("%v: %q with %v", p, body, part.Header)
				}
			}
			if _, err := other.NextRawPart(); err != io.EOF {
				t.Error(err)
			}
		}
	}
}
