package ranges

import (
	"strconv"

	"github.com/dunglas/httpsfv"
)

// MaxFieldInteger is the largest Integer of a structured field (RFC 9651, Section 3.3.1): 15 digits. Offsets and lengths
// above it cannot be told in Content-Offset, Upload-Received and other fields of that kind.
const MaxFieldInteger = 999_999_999_999_999

// ContentOffset is the value of a Content-Offset field in bytes (draft-ietf-httpapi-patch-byterange-03, Section 2.3): a
// range that begins at Offset and whose end the field does not tell.
type ContentOffset struct {
	Offset int64 // first byte, from 0 to MaxFieldInteger
	Length int64 // complete length in bytes, not below Offset and up to MaxFieldInteger; -1 if unknown
}

const (
	fieldContentOffset = "Content-Offset"
	paramUnit          = "unit"
	paramLength        = "complete-length"
)

// ParseContentOffset parses the value of a Content-Offset field, an Item (RFC 9651, Section 3.3) that is an Integer of at
// least 0. The parameters are unit, a Token that compares without regard to case and defaults to bytes, and
// complete-length, an Integer not below the offset. Of repeated parameters the last counts, and unknown ones are ignored.
//
// The error is a *ParseError for any other value. It wraps ErrUnit for a value that differs in the unit only.
func ParseContentOffset(s string) (ContentOffset, error) {
	fail := func(reason string) (ContentOffset, error) {
		return ContentOffset{}, &ParseError{fieldContentOffset, s, -1, reason}
	}
	item, err := httpsfv.UnmarshalItem([]string{s})
	if err != nil {
		return fail("not a structured field Item: " + err.Error())
	}
	c := ContentOffset{Length: -1}
	var ok bool
	if c.Offset, ok = item.Value.(int64); !ok || c.Offset < 0 {
		return fail("the offset is not an Integer of at least 0")
	}
	if v, given := item.Params.Get(paramLength); given {
		if c.Length, ok = v.(int64); !ok || c.Length < c.Offset {
			return fail("complete-length is not an Integer of at least the offset")
		}
	}
	if v, given := item.Params.Get(paramUnit); given {
		unit, ok := v.(httpsfv.Token)
		if !ok {
			return fail("unit is not a Token")
		}
		if !isBytes(string(unit)) {
			return ContentOffset{}, errUnit(fieldContentOffset, string(unit))
		}
	}
	return c, nil
}

// String returns the field value, such as "2" or "2;complete-length=12". With numbers outside the limits given at the
// fields of ContentOffset, it is no valid field value; Content-Range has no such limits.
func (c ContentOffset) String() string {
	s := strconv.FormatInt(c.Offset, 10)
	if c.Length >= 0 {
		s += ";" + paramLength + "=" + strconv.FormatInt(c.Length, 10)
	}
	return s
}
