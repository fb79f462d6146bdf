package ranges

import (
	"errors"
	"fmt"
)

var (
	// ErrUnit is wrapped by the error for a field that is well formed and names a range unit other than bytes. A Range
	// field with such a unit is ignored instead (RFC 9110, Section 14.2), which ErrIgnored says.
	ErrUnit = errors.New("unknown range unit")

	// ErrIgnored is wrapped by the error of ParseRange for a Range field that the recipient has to treat as absent.
	ErrIgnored = errors.New("range field ignored")

	// ErrUnsatisfiable is wrapped by the error of ParseRange for a Range field that is well formed, of which no range
	// overlaps the representation.
	ErrUnsatisfiable = errors.New("range not satisfiable")
)

// ParseError says why a field value does not follow its grammar. It is returned as a pointer.
type ParseError struct {
	Field  string // name of the field
	Input  string // value that was parsed, as it was received: it may be long, and hold any octet
	Offset int    // where in Input the fault was noticed, in octets; -1 if that is not known
	Reason string // what is wrong, without any of Input
}

// Error returns the field, the position and the reason, and the beginning of the input with all that does not print
// escaped, in one line of less than 1000 octets.
func (e *ParseError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at octet %d of", e.Offset)
	}
	return fmt.Sprintf("%s: %s:%s %s", e.Field, e.Reason, at, quote(e.Input))
}

// quote returns s for use in an error message: quoted, and cut after maxQuoted octets.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%+q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%+q", s)
}

// maxQuoted is how many octets of a field an error message repeats.
const maxQuoted = 80

// errUnit returns the error for a well-formed value of field that has the given unit, a token.
func errUnit(field, unit string) error {
	return fmt.Errorf("%s: %w %s", field, ErrUnit, quote(unit))
}
