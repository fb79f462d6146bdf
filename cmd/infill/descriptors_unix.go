//go:build unix

package main

import (
	"math"
	"syscall"
)

// maxDescriptors returns how many file descriptors the process may have, and 0 if there is no limit or none that is
// known. (The runtime has raised the soft limit to the hard one at the start.)
func maxDescriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
