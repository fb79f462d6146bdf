package store

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/infill-http/infill/ranges"
)

func TestExtent(t *testing.T) {
	key := extentKey(ID{1}, 7)
	for _, tt := range []struct {
		name       string
		key, value []byte
	}{
		{"empty", key, nil},
		{"kind alone", key, []byte{byte(placeZero)}},
		{"unknown kind", key, []byte{9, 1}},
		{"no length", key, []byte{byte(placeZero), 0}},
		{"endless varint", key, bytes.Repeat([]byte{0xff}, 12)},
		{"no offset", key, []byte{byte(placeFile), 1, 1}},
		{"no file", key, []byte{byte(placeFile), 1, 0, 1}},
		{"more behind", key, []byte{byte(placeZero), 1, 0}},
		{"short key", key[:24], encodeExtent(1, place{kind: placeZero})},
		{"long key", append(bytes.Clone(key), 0), encodeExtent(1, place{kind: placeZero})},
		{"start too high", extentKey(ID{1}, -1), encodeExtent(1, place{kind: placeZero})},
		{"end too high", extentKey(ID{1}, math.MaxInt64), encodeExtent(1, place{kind: placeZero})},
		{"end in the file too high", key, encodeExtent(2, place{placeFile, 1, math.MaxInt64 - 1})},
	} {
		if r, p, err := decodeExtent(tt.key, tt.value); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v %v %v", tt.name, r, p, err)
		}
	}
	for _, tt := range []struct {
		r ranges.Range
		p place
	}{
		{ranges.Range{Start: 0, End: 1}, place{kind: placeZero}},
		{ranges.Range{Start: 5, End: math.MaxInt64}, place{kind: placeZero}},
		{ranges.Range{Start: 0, End: math.MaxInt64}, place{placeFile, 1, 0}},
		{ranges.Range{Start: 1 << 40, End: 1<<40 + 1}, place{placeFile, math.MaxUint64, math.MaxInt64 - 1}},
	} {
		r, p, err := decodeExtent(extentKey(ID{2}, tt.r.Start), encodeExtent(tt.r.Len(), tt.p))
		if err != nil || r != tt.r || p != tt.p {
			t.Errorf("%v %v: %v %v %v", tt.r, tt.p, r, p, err)
		}
	}
}

func TestIdleKey(t *testing.T) {
	good := idleKey(math.MaxInt64, ID{1, 2})
	for _, key := range [][]byte{nil, {kindIdle}, good[:24], append(bytes.Clone(good), 0), idleKey(-1, ID{}), idKey(kindVerify, ID{})} {
		if since, id, err := decodeIdle(key); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%x: %d %v %v", key, since, id, err)
		}
	}
	for _, want := range []int64{0, 1, 1 << 50, math.MaxInt64} {
		if since, id, err := decodeIdle(idleKey(want, ID{3})); err != nil || since != want || id != (ID{3}) {
			t.Errorf("%d: %d %v %v", want, since, id, err)
		}
	}
	if bytes.Compare(idleKey(255, ID{9}), idleKey(256, ID{1})) >= 0 {
		t.Error("keys are not in the order of time")
	}
}

func FuzzExtent(f *testing.F) {
	f.Add(extentKey(ID{1}, 7), encodeExtent(5, place{placeFile, 3, 9}))
	f.Add(extentKey(ID{}, 0), encodeExtent(1, place{kind: placeZero}))
	f.Add([]byte("e"), []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, p, err := decodeExtent(key, value)
		if err != nil {
			return
		}
		if r.Empty() || r.Start < 0 || p.off < 0 || p.off+r.Len() < 0 {
			t.Fatalf("%v at %v", r, p)
		}
		r2, p2, err := decodeExtent(extentKey(ID(key[1:17]), r.Start), encodeExtent(r.Len(), p))
		if err != nil || r2 != r || p2 != p {
			t.Fatalf("%v at %v is %v at %v again, %v", r, p, r2, p2, err)
		}
	})
}

func TestUpperBound(t *testing.T) {
	for _, tt := range []struct{ prefix, want string }{
		{"", ""},
		{"\xff", ""},
		{"\xff\xff", ""},
		{"a", "b"},
		{"a\xff", "b"},
		{"a\x00", "a\x01"},
	} {
		if got := upperBound([]byte(tt.prefix)); string(got) != tt.want {
			t.Errorf("%q: %q, want %q", tt.prefix, got, tt.want)
		}
	}
}
