package store

// A placeKind says where the bytes of an extent are.
type placeKind uint8

const (
	// placeFile: in a data file, at a physical offset.
	placeFile placeKind = 1
	// placeZero: nowhere; the bytes are zeros, from an extension of a
	// complete resource.
	placeZero placeKind = 2
	// placeInline: in the map itself, in an inline file, at an offset of that.
	placeInline placeKind = 3
)

// A place is where the bytes of an extent begin. It is the value type of the
// extent map, [ranges.Map].
type place struct {
	kind placeKind
	file fileID
	off  int64 // physical, in bytes
}

// Cut implements [ranges.Value].
func (p place) Cut(n int64) place {
	if p.kind != placeZero {
		p.off += n
	}
	return p
}

// Continues implements [ranges.Value].
func (p place) Continues(n int64, next place) bool { return p.Cut(n) == next }
