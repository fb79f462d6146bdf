package crc32c_test

import (
	"fmt"

	"github.com/infill-http/infill/ranges/crc32c"
)

func ExampleCombine() {
	a, b := crc32c.Checksum([]byte("1234")), crc32c.Checksum([]byte("56789"))
	fmt.Printf("%08x\n", crc32c.Combine(a, b, 5))
	fmt.Printf("%08x\n", crc32c.Checksum([]byte("123456789")))
	// Output:
	// e3069283
	// e3069283
}
