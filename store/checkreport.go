package store

import (
	"fmt"
	"strings"

	"github.com/infill-http/infill/ranges"
)

// CheckOptions say how thorough a check is. The zero value checks the map and
// its files without reading the bytes.
type CheckOptions struct {
	// Data makes the check read every committed byte and compare the checksums.
	Data bool
	// Progress, if not nil, is called with what was seen so far, often, from
	// the goroutine that called Check.
	Progress func(CheckCounts)
	// MaxFaults bounds CheckReport.Faults. Default: 10,000.
	MaxFaults int
}

// CheckCounts say how far a check has come.
type CheckCounts struct {
	Resources  int64 // in the map
	Files      int64 // in the directories for data
	Faults     int64
	Bytes      int64 // whose checksums were compared
	TotalBytes int64 // whose checksums are to be compared; 0 until the map was checked
}

// A CheckReport is what a check has found.
type CheckReport struct {
	CheckCounts
	// Unclean says that the store was last used with DurabilityNone and not
	// closed, so that more may be wrong with it than a check can see.
	Unclean bool
	// Faults are the faults in the order in which they were found. If
	// CheckCounts.Faults is more, they are the first ones.
	Faults []Fault
}

// A FaultKind says what is wrong.
type FaultKind string

const (
	// FaultMap: the map contradicts itself.
	FaultMap FaultKind = "map"
	// FaultMissing: the map names bytes that are in no file.
	FaultMissing FaultKind = "missing"
	// FaultDamaged: bytes do not have their checksums.
	FaultDamaged FaultKind = "damaged"
	// FaultUnreadable: the file system returned an error for the bytes.
	FaultUnreadable FaultKind = "unreadable"
	// FaultStray: a file that the map does not know.
	FaultStray FaultKind = "stray"
)

// A Fault is one thing that is wrong with a store.
type Fault struct {
	Kind FaultKind
	// Name and ID are those of the resource; Name is empty if no resource is
	// concerned or its name is not known.
	Name string
	ID   ID
	// Range holds the bytes of the resource that are concerned, half-open.
	// Empty: the fault is not one of particular bytes. Checksums are of up to
	// 64 KiB, so a damaged range is as large though one bit may be wrong.
	Range ranges.Range
	// File is the path of a data file or directory, relative to the directory
	// of the store and with slashes. Empty: none is concerned.
	File string
	// Reason describes the fault to a person.
	Reason string
}

// String returns the fault on one line, such as
// `damaged: "/a" [0,65536) in data/00/0000000000000001: the bytes do not have their checksums`.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.Kind)
	if f.Name != "" {
		fmt.Fprintf(&b, "%q ", f.Name)
	} else if f.ID != (ID{}) {
		fmt.Fprintf(&b, "%v ", f.ID)
	}
	if !f.Range.Empty() {
		fmt.Fprintf(&b, "%v ", f.Range)
	}
	switch {
	case f.File == "":
	case b.Len() > len(f.Kind)+len(": "):
		fmt.Fprintf(&b, "in %s ", f.File)
	default:
		fmt.Fprintf(&b, "%s ", f.File)
	}
	return strings.TrimSuffix(strings.TrimSuffix(b.String(), " "), ":") + ": " + f.Reason
}
