package ranges_test

import (
	"errors"
	"fmt"

	"github.com/infill-http/infill/ranges"
)

// A server that receives two segments of a resource of eight bytes knows what it has, what is missing, and what to tell.
func Example() {
	const length = 8
	var received ranges.Set
	for _, field := range []string{"bytes 6-7/8", "bytes 0-1/8"} {
		c, err := ranges.ParseContentRange(field)
		if err != nil {
			fmt.Println(err)
			return
		}
		received.Add(c.Range)
	}
	fmt.Println("received", received, "prefix", received.Prefix())
	for gap := range received.Gaps(ranges.Range{Start: 0, End: length}) {
		fmt.Println("missing", gap, "to be sent as", ranges.ContentRange{Range: gap, Length: length})
	}
	value, _ := ranges.FormatReceived(received, 64, 4096)
	fmt.Println("Upload-Received:", value)

	// Output:
	// received [0,2) [6,8) prefix 2
	// missing [2,6) to be sent as bytes 2-5/8
	// Upload-Received: (0 2), (6 8)
}

// A copy of a Set does not follow the original.
func ExampleSet() {
	s := ranges.NewSet(ranges.Range{Start: 0, End: 4})
	before := s
	s.Sub(ranges.Range{Start: 1, End: 2})
	fmt.Println(before, "became", s)

	// Output:
	// [0,4) became [0,1) [2,4)
}

// The three outcomes for a Range field: an answer with parts, an answer with all, and a refusal.
func ExampleParseRange() {
	for _, field := range []string{"bytes=8-,0-1", "bytes=5-4", "bytes=10-"} {
		rs, err := ranges.ParseRange([]string{field}, 10)
		switch {
		case errors.Is(err, ranges.ErrIgnored):
			fmt.Println(field, "is ignored")
		case errors.Is(err, ranges.ErrUnsatisfiable):
			fmt.Println(field, "is refused with", ranges.ContentRange{Unsatisfied: true, Length: 10})
		default:
			fmt.Println(field, "asks for", rs)
		}
	}

	// Output:
	// bytes=8-,0-1 asks for [[8,10) [0,2)]
	// bytes=5-4 is ignored
	// bytes=10- is refused with bytes */10
}
