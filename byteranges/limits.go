package byteranges

// The default limits.
const (
	DefaultMaxParts       = 1000
	DefaultMaxFields      = 32
	DefaultMaxHeaderBytes = 8 << 10
	DefaultMaxNameBytes   = 1 << 10
	DefaultMaxPadding     = 64 << 10
)

// Limits are what a Reader accepts. Content that exceeds one of them gets an error that wraps ErrLimit. A field that is
// not positive stands for its default, so the zero value has them all.
type Limits struct {
	MaxParts       int // parts in one document; default DefaultMaxParts
	MaxFields      int // fields of one part; default DefaultMaxFields
	MaxHeaderBytes int // octets of the fields of one part, as they are transferred; default DefaultMaxHeaderBytes
	MaxNameBytes   int // octets of one field name; default DefaultMaxNameBytes

	// MaxPadding is the number of octets that a multipart document may have outside of its parts and delimiters:
	// preamble, epilogue, and white space after boundaries together. The default is DefaultMaxPadding.
	MaxPadding int64
}

// orDefault returns l, which may be nil, with defaults filled in.
func (l *Limits) orDefault() Limits {
	var lim Limits
	if l != nil {
		lim = *l
	}
	if lim.MaxParts <= 0 {
		lim.MaxParts = DefaultMaxParts
	}
	if lim.MaxFields <= 0 {
		lim.MaxFields = DefaultMaxFields
	}
	if lim.MaxHeaderBytes <= 0 {
		lim.MaxHeaderBytes = DefaultMaxHeaderBytes
	}
	if lim.MaxNameBytes <= 0 {
		lim.MaxNameBytes = DefaultMaxNameBytes
	}
	if lim.MaxPadding <= 0 {
		lim.MaxPadding = DefaultMaxPadding
	}
	return lim
}
