package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/infill-http/infill/ranges"
)

// A record is what the map knows of a resource beside its extents. Records in
// a published state are immutable.
type record struct {
	name      string
	id        ID
	revision  uint64
	length    int64 // -1: unknown
	complete  bool
	mismatch  bool // the last verdict on the declared digests was no
	meta      Metadata
	created   time.Time
	modified  time.Time
	declared  map[Algorithm][]byte // of the complete representation, by a client
	known     map[Algorithm][]byte // of the present representation, computed
	base      Version
	baseRange ranges.Range
	home      fileID // 0: none, or none that may still be written
	homeHigh  int64  // end of the home bytes that were ever committed
	epoch     uint64 // how often a commit replaced bytes while the resource was incomplete
	idle      int64  // time of its key 'x', microseconds since 1970; 0: it has none
	suspect   bool   // bytes of it were found damaged, so reads verify the others
}

// A record is a sequence of fields, each a tag, the length of the value, and
// the value; absent fields are zero. A reader refuses tags it does not know,
// because a newer format version says so first.
//
//	+------------+---------------+-----------+
//	| tag (1)    | length varint | value ... |
//	+------------+---------------+-----------+
const (
	tagName = iota + 1
	tagRevision
	tagLength // N+1; absent: unknown
	tagComplete
	tagMismatch
	tagType
	tagLanguage
	tagEncoding
	tagDisposition
	tagCreated  // microseconds since 1970
	tagModified // microseconds since 1970
	tagDeclared // algorithm, NUL, digest
	tagKnown    // algorithm, NUL, digest
	tagBase     // id, revision, start, end
	tagHome
	tagHomeHigh
	tagEpoch
	tagIdle
	tagSuspect
)

func (r *record) encode() []byte {
	var b []byte
	field := func(tag byte, v []byte) {
		if len(v) > 0 {
			b = append(b, tag)
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	number := func(tag byte, v uint64) {
		if v != 0 {
			field(tag, binary.AppendUvarint(nil, v))
		}
	}
	flag := func(tag byte, v bool) {
		if v {
			number(tag, 1)
		}
	}
	digests := func(tag byte, m map[Algorithm][]byte) {
		for _, alg := range slices.Sorted(maps.Keys(m)) {
			field(tag, append(append([]byte(alg), 0), m[alg]...))
		}
	}
	field(tagName, []byte(r.name))
	number(tagRevision, r.revision)
	number(tagLength, uint64(r.length+1))
	flag(tagComplete, r.complete)
	flag(tagMismatch, r.mismatch)
	field(tagType, []byte(r.meta.Type))
	field(tagLanguage, []byte(r.meta.Language))
	field(tagEncoding, []byte(r.meta.Encoding))
	field(tagDisposition, []byte(r.meta.Disposition))
	number(tagCreated, uint64(r.created.UnixMicro()))
	number(tagModified, uint64(r.modified.UnixMicro()))
	digests(tagDeclared, r.declared)
	digests(tagKnown, r.known)
	if r.base != (Version{}) || r.baseRange != (ranges.Range{}) {
		v := binary.AppendUvarint(r.base.ID[:len(r.base.ID):len(r.base.ID)], r.base.Revision)
		v = binary.AppendUvarint(v, uint64(r.baseRange.Start))
		v = binary.AppendUvarint(v, uint64(r.baseRange.End))
		field(tagBase, v)
	}
	number(tagHome, uint64(r.home))
	number(tagHomeHigh, uint64(r.homeHigh))
	number(tagEpoch, r.epoch)
	number(tagIdle, uint64(r.idle))
	flag(tagSuspect, r.suspect)
	return b
}

func decodeRecord(id ID, b []byte) (record, error) {
	r := record{id: id, length: -1, created: time.UnixMicro(0), modified: time.UnixMicro(0)}
	d := decoder{b: b}
	for len(d.b) > 0 && !d.bad {
		tag := d.bytes(1)[0]
		n := d.uvarint()
		if n > uint64(len(d.b)) {
			d.bad = true
			break
		}
		v := decoder{b: d.bytes(int(n))}
		switch tag {
		case tagName:
			r.name = v.rest()
		case tagRevision:
			r.revision = v.uvarint()
		case tagLength:
			n := v.uvarint() - 1
			v.bad = v.bad || n > math.MaxInt64
			r.length = int64(n)
		case tagComplete:
			r.complete = v.uvarint() == 1
		case tagMismatch:
			r.mismatch = v.uvarint() == 1
		case tagType:
			r.meta.Type = v.rest()
		case tagLanguage:
			r.meta.Language = v.rest()
		case tagEncoding:
			r.meta.Encoding = v.rest()
		case tagDisposition:
			r.meta.Disposition = v.rest()
		case tagCreated:
			r.created = time.UnixMicro(v.offset())
		case tagModified:
			r.modified = time.UnixMicro(v.offset())
		case tagDeclared:
			v.digest(&r.declared)
		case tagKnown:
			v.digest(&r.known)
		case tagBase:
			r.base.ID = ID(v.bytes(16))
			r.base.Revision = v.uvarint()
			r.baseRange = ranges.Range{Start: v.offset(), End: v.offset()}
			v.bad = v.bad || r.baseRange.End < r.baseRange.Start
		case tagHome:
			r.home = fileID(v.uvarint())
		case tagHomeHigh:
			r.homeHigh = v.offset()
		case tagEpoch:
			r.epoch = v.uvarint()
		case tagIdle:
			r.idle = v.offset()
		case tagSuspect:
			r.suspect = v.uvarint() == 1
		default:
			d.bad = true
		}
		d.bad = d.bad || v.bad || len(v.b) > 0
	}
	if d.bad || r.revision == 0 {
		return record{}, fmt.Errorf("%w: record of %v", ErrCorrupt, id)
	}
	return r, nil
}

func (d *decoder) digest(into *map[Algorithm][]byte) {
	i := slices.Index(d.b, 0)
	if i < 0 {
		d.bad = true
		return
	}
	if *into == nil {
		*into = make(map[Algorithm][]byte)
	}
	alg := Algorithm(d.bytes(i))
	(*into)[alg] = []byte(d.rest()[1:])
}

// version names the present state.
func (r *record) version() Version { return Version{ID: r.id, Revision: r.revision} }
