package byteranges

import (
	"errors"
	"fmt"
	"math"

	"github.com/infill-http/infill/ranges"
)

// A patch is what the parts of one document have said so far, for the rules that hold between parts. The order of the
// parts does not matter, except that a part that sets the length is the last.
type patch struct {
	parts     int
	covered   ranges.Set
	length    int64  // complete length, -1 while none was declared
	mediaType string // Content-Type of the parts that have one
	typed     bool   // a part had one
	lengthSet bool   // the last part sets the length
}

func newPatch() patch { return patch{length: -1} }

var (
	errAfterLength = errors.New("follows the part that sets the length")
	errTypes       = errors.New("content-type differs from that of an earlier part")
	errLengths     = errors.New("complete length differs from that of an earlier part")
)

// admit adds a part, or returns why it cannot be in one document with the parts before it. If that is not ErrOverlap, the
// document is malformed. The bytes of a part of unknown length, n == -1, are not counted before add.
func (p *patch) admit(h Header, off, n, length int64, setsLength bool) error {
	mediaType, typed := h.lookup(fieldType)
	r := ranges.Range{Start: off, End: off + max(n, 0)}
	switch {
	case p.lengthSet:
		return errAfterLength
	case typed && p.typed && mediaType != p.mediaType:
		return errTypes
	case length >= 0 && p.length >= 0 && length != p.length:
		return errLengths
	case p.covered.Overlaps(r):
		return fmt.Errorf("range %v: %w", r, ErrOverlap)
	}
	p.add(r)
	if typed {
		p.mediaType, p.typed = mediaType, true
	}
	p.length = max(p.length, length)
	p.lengthSet = setsLength
	p.parts++
	return nil
}

// add records the bytes of a part whose length was not known when it was admitted.
func (p *patch) add(r ranges.Range) { p.covered.Add(r) }

// room returns how many bytes there are from off to the next byte that a part has named, or to 2^63-1.
func (p *patch) room(off int64) int64 {
	for r := range p.covered.Within(ranges.Range{Start: off, End: math.MaxInt64}) {
		return r.Start - off
	}
	return math.MaxInt64 - off
}
