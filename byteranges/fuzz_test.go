package byteranges

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// fuzzReader checks a document: that what comes of it does not depend on how it arrives, and if it is valid, that its
// parts are the same after they were encoded in each media type.
func fuzzReader(t *testing.T, contentType string, doc []byte) {
	outcome := decode(bytes.NewReader(doc), contentType, 2*directSize)
	if got := decode(iotest.OneByteReader(bytes.NewReader(doc)), contentType, 3); got != outcome {
		t.Errorf("at once and octet by octet:\n%s\n%s", outcome, got)
	}
	parts, err := decodeParts(bytes.NewReader(doc), contentType, nil)
	if ok := strings.HasSuffix(outcome, "ok"); ok != (err == nil) {
		t.Fatalf("%s, and then %v", outcome, err)
	}
	if err != nil {
		return
	}
	for _, known := range []bool{true, false} {
		for _, mediaType := range mediaTypes {
			if mediaType == MediaTypeMessage && len(parts) > 1 {
				continue
			}
			all := func(i int) bool { // offsets of 2^53 and more need a Content-Range
				return known || parts[i].Off > 1e15-1 || parts[i].Length > 1e15-1
			}
			encoded, contentType, err := encode(mediaType, parts, all)
			if err != nil {
				t.Fatalf("%+v: %v", parts, err)
			}
			// canonical forms of fields may be longer
			lim := &Limits{MaxHeaderBytes: 2 * DefaultMaxHeaderBytes, MaxFields: DefaultMaxFields + 1}
			got, err := decodeParts(bytes.NewReader(encoded), contentType, lim)
			if err != nil {
				t.Fatalf("%q: %v", encoded, err)
			}
			if diff := cmp.Diff(parts, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", mediaType, diff)
			}
		}
	}
}

// The seeds of FuzzMessage, FuzzMultipart and FuzzApplication are under testdata: the vectors, and the documents in the
// tables of this package.

func FuzzMessage(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc []byte) { fuzzReader(t, mb, doc) })
}

func FuzzMultipart(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc []byte) { fuzzReader(t, mp, doc) })
}

func FuzzApplication(f *testing.F) {
	f.Fuzz(func(t *testing.T, doc []byte) { fuzzReader(t, ab, doc) })
}

// Fields that were read are written so that they are read again, in both forms.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("Content-Range: bytes 2-5/12\r\nx:\ty \r\n\r\n"))
	f.Add([]byte("Content-Range: bytes\r\n 2-5/12\r\n\r\n"))
	f.Add([]byte("a:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lim := (*Limits)(nil).orDefault()
		h, err := readTextHeader(newSource(bytes.NewReader(text)), &lim)
		if err != nil {
			if h != nil {
				t.Error("fields and an error")
			}
			return
		}
		lim.MaxHeaderBytes = math.MaxInt32
		again, err := readTextHeader(newSource(bytes.NewReader(appendTextHeader(nil, h, -1))), &lim)
		if diff := cmp.Diff(h, again); diff != "" || err != nil {
			t.Errorf("text: %v (-want +got):\n%s", err, diff)
		}
		var b bytes.Buffer
		if err := (&binaryWriter{w: &b}).begin(h, 0); err != nil {
			t.Fatal(err)
		}
		r := &binaryReader{src: newSource(&b), lim: &lim}
		again, _, err = r.next()
		if diff := cmp.Diff(h, again); diff != "" || err != nil {
			t.Errorf("binary: %v (-want +got):\n%s", err, diff)
		}
	})
}

// A boundary that was accepted is one that delimits.
func FuzzBoundary(f *testing.F) {
	for _, params := range []string{"; boundary=B", `;;BOUNDARY="B" ; x=y`, `; x="a;boundary=C\""; boundary=B`, `; boundary="a\b c"`} {
		f.Add(params)
	}
	f.Fuzz(func(t *testing.T, params string) {
		boundary, err := parseBoundary(params)
		if err != nil {
			if class(err) != "malformed" || boundary != "" {
				t.Errorf("%q, %v", boundary, err)
			}
			return
		}
		doc := "--" + boundary + "\r\nContent-Range: bytes 2-5/12\r\n\r\nwxyz\r\n--" + boundary + "--\r\n"
		if got := decode(strings.NewReader(doc), MediaTypeMultipart+params, 9); got != `2+4/12 "wxyz" ok` {
			t.Errorf("%q: %s", boundary, got)
		}
	})
}
