package client

import (
	"os"
	"syscall"
)

// syncData makes the bytes that were written to f durable, and its size.
func syncData(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
