package store

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/infill-http/infill/ranges"
)

var testRecords = []record{
	{length: -1, revision: 1},
	{name: "/é", length: 0, revision: 1},
	{name: "/a", length: math.MaxInt64, revision: math.MaxUint64, complete: true},
	{
		name: "/dir/a", length: 1 << 40, revision: 300, mismatch: true,
		meta:    Metadata{Type: "text/plain", Language: "de", Encoding: "gzip", Disposition: "inline"},
		created: time.UnixMicro(1), modified: time.UnixMicro(1795299355593393),
		declared: map[Algorithm][]byte{SHA256: bytes.Repeat([]byte{1}, 32), SHA512: bytes.Repeat([]byte{0}, 64)},
		known:    map[Algorithm][]byte{SHA256: {0}},
		base:     Version{ID: ID{1, 2, 3}, Revision: 299}, baseRange: ranges.Range{Start: 5, End: 1 << 33},
		home: 77, homeHigh: 1 << 35, epoch: 3, idle: 1795299355593393,
	},
	{name: "/new", length: 4, revision: 1, baseRange: ranges.Range{End: 4}}, // the first commit has a range and no base
}

func TestRecord(t *testing.T) {
	epoch := time.UnixMicro(0)
	good := (&record{name: "/a", length: 4, revision: 1, created: epoch, modified: epoch}).encode()
	if _, err := decodeRecord(ID{}, good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		value []byte
	}{
		{"empty", nil},
		{"no revision", (&record{name: "/a", length: 4, created: epoch, modified: epoch}).encode()},
		{"unknown tag", append(bytes.Clone(good), 200, 0)},
		{"tag zero", append(bytes.Clone(good), 0, 0)},
		{"tag without length", append(bytes.Clone(good), tagName)},
		{"cut", good[:len(good)-1]},
		{"length of a field too large", append(bytes.Clone(good), tagName, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
		{"empty number", append(bytes.Clone(good), tagEpoch, 0)},
		{"number and more", append(bytes.Clone(good), tagEpoch, 2, 1, 1)},
		{"length zero", append(bytes.Clone(good), tagLength, 1, 0)},
		{"length too large", append(bytes.Clone(good), tagLength, 10, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1)},
		{"digest without algorithm", append(bytes.Clone(good), tagKnown, 2, 'a', 'b')},
		{"base range that ends before it begins", append(append(append(bytes.Clone(good), tagBase, 19), make([]byte, 17)...), 2, 1)},
		{"short base", append(bytes.Clone(good), tagBase, 3, 1, 2, 3)},
	} {
		if r, err := decodeRecord(ID{}, tt.value); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}
	for _, want := range testRecords {
		want.id = ID{9}
		if want.created.IsZero() {
			want.created, want.modified = time.UnixMicro(0), time.UnixMicro(0)
		}
		got, err := decodeRecord(want.id, want.encode())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, r := range testRecords {
		if r.created.IsZero() {
			r.created, r.modified = time.UnixMicro(0), time.UnixMicro(0)
		}
		f.Add(r.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(ID{1}, b)
		if err != nil {
			return
		}
		again, err := decodeRecord(ID{1}, r.encode())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v is %+v again, %v", r, again, err)
		}
	})
}
