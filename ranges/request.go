package ranges

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxRequestRanges is the largest number of ranges in a Range field that ParseRange returns; a field with more is ignored.
const MaxRequestRanges = 1000

// ParseRange parses the lines of the Range field of a GET request for a representation of size bytes, size >= 0, and
// returns the ranges that can be satisfied: not empty, inside [0,size), in the order of the request, neither sorted nor
// merged (see Coalesce).
//
// Several lines count as one line joined with commas (RFC 9110, Section 5.3). Empty list elements and white space around
// the elements are allowed (RFC 9110, Section 5.6.1.2), numbers may be of any length, last positions and suffix lengths
// that are too large mean the end and all of the representation (RFC 9110, Section 14.1.2). A suffix length of 0 is
// unsatisfiable.
//
// The error wraps ErrIgnored if the field is to be treated as absent (RFC 9110, Section 14.2): it is absent or has no
// range, its unit is not bytes, any of its ranges is invalid, the representation is empty (so that no range could be
// expressed in an answer), it has more than MaxRequestRanges ranges, or its ranges overlap each
// other or are small and unordered to a degree that points to an attack. The error wraps ErrUnsatisfiable if the field is valid and no range can be satisfied.
func ParseRange(lines []string, size int64) ([]Range, error) {
	if size <= 0 {
		return nil, fmt.Errorf("%w: empty representation", ErrIgnored)
	}
	unit, set, ok := strings.Cut(strings.Join(lines, ","), "=")
	if !ok || !isBytes(unit) {
		return nil, fmt.Errorf("%w: not in bytes", ErrIgnored)
	}
	var rs []Range
	specs := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		if specs++; specs > MaxRequestRanges {
			return nil, fmt.Errorf("%w: more than %d ranges", ErrIgnored, MaxRequestRanges)
		}
		r, ok := parseSpec(spec, size)
		if !ok {
			return nil, fmt.Errorf("%w: invalid range %s", ErrIgnored, quote(spec))
		}
		if !r.Empty() {
			rs = append(rs, r)
		}
	}
	switch {
	case specs == 0:
		return nil, fmt.Errorf("%w: no ranges", ErrIgnored)
	case len(rs) == 0:
		return nil, fmt.Errorf("%w: length is %d", ErrUnsatisfiable, size)
	case excessive(rs):
		return nil, fmt.Errorf("%w: too many overlapping, or small and unordered ranges", ErrIgnored)
	}
	return rs, nil
}

// parseSpec parses an int-range or a suffix-range (RFC 9110, Section 14.1.2) against a representation of size bytes,
// size > 0. The result is empty if the range is valid but not satisfiable. ok is false if it is invalid.
func parseSpec(spec string, size int64) (r Range, ok bool) {
	first, rest := cutDecimal(spec)
	if rest == "" || rest[0] != '-' {
		return Range{}, false
	}
	last, rest := cutDecimal(rest[1:])
	if rest != "" || first == "" && last == "" {
		return Range{}, false
	}
	if first == "" {
		n, _ := decimal(last)
		return Range{size - min(n, size), size}, true
	}
	if last != "" && compareDecimal(last, first) < 0 {
		return Range{}, false
	}
	// A number that is too large for an int64 becomes 2^63-1 here, which is not below any size either.
	r = Range{size, size}
	if start, _ := decimal(first); start < size {
		r.Start = start
	}
	if last != "" {
		if n, _ := decimal(last); n < size {
			r.End = n + 1
		}
	}
	return r, true
}

const (
	maxOverlapping = 2   // ranges that may share bytes with another one
	maxUnordered   = 16  // small ranges, when the ranges are not in ascending order
	smallRange     = 512 // bytes; below this the framing of a part is a good share of the answer
)

// excessive reports whether a request for all of rs, non-empty ranges in the order of the request, is to be ignored as
// the sign of a broken client or of an attack (RFC 9110, Sections 14.2 and 17.15). It is if more than maxOverlapping of
// them share a byte with another one, or if more than maxUnordered of them are shorter than smallRange while the ranges
// are not in ascending order of Start. Large ranges in any order, and many in ascending order, are what readers of media
// containers and archives send.
func excessive(rs []Range) bool {
	sorted := slices.SortedFunc(slices.Values(rs), compareStart)
	small, overlapping := 0, 0
	var end int64 // the highest End so far
	for i, r := range sorted {
		if r.Len() < smallRange {
			small++
		}
		if r.Start < end || i+1 < len(sorted) && sorted[i+1].Start < r.End {
			overlapping++
		}
		end = max(end, r.End)
	}
	return overlapping > maxOverlapping || small > maxUnordered && !slices.IsSortedFunc(rs, compareStart)
}

func compareStart(a, b Range) int { return cmp.Compare(a.Start, b.Start) }

// Coalesce returns rs with those ranges merged that overlap, that are adjacent, or that have less than gap bytes between
// them; what lies between is then part of the merged range. A merged range stands where the first of its parts stood, and
// otherwise the order of rs is kept (RFC 9110, Section 15.3.7.2). With a gap of 0 no byte is added. Empty ranges are left
// out. rs is not changed.
func Coalesce(rs []Range, gap int64) []Range {
	type group struct {
		Range
		place int // lowest index in rs of a part
	}
	var groups []group
	for i, r := range rs {
		if !r.Empty() {
			groups = append(groups, group{r, i})
		}
	}
	slices.SortFunc(groups, func(a, b group) int { return compareStart(a.Range, b.Range) })
	merged := groups[:0]
	for _, g := range groups {
		if n := len(merged); n > 0 {
			if prev := &merged[n-1]; g.Start <= prev.End || g.Start-prev.End < gap {
				prev.End = max(prev.End, g.End)
				prev.place = min(prev.place, g.place)
				continue
			}
		}
		merged = append(merged, g)
	}
	slices.SortFunc(merged, func(a, b group) int { return cmp.Compare(a.place, b.place) })
	out := make([]Range, len(merged))
	for i, g := range merged {
		out[i] = g.Range
	}
	return out
}

// FormatRange returns the value of a Range field that asks for rs, in this order, such as "bytes=0-1,6-". None of rs may
// be empty. An End of 2^63-1 asks for all from Start on. Without ranges there is no such field, and the result is "".
func FormatRange(rs ...Range) string {
	var b []byte
	for i, r := range rs {
		if i == 0 {
			b = append(b, unitBytes+"="...)
		} else {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, r.Start, 10)
		b = append(b, '-')
		if r.End != math.MaxInt64 {
			b = strconv.AppendInt(b, r.End-1, 10)
		}
	}
	return string(b)
}
