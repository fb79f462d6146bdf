//go:build unix

package client

import (
	"os"
	"syscall"
)

// lockFile keeps others from locking f until it is closed, if its file system has locks. It returns ErrBusy if another one
// has locked it.
func lockFile(f *os.File) error {
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
	case syscall.EWOULDBLOCK:
		return ErrBusy
	case nil, syscall.ENOSYS, syscall.ENOLCK, syscall.EOPNOTSUPP:
		return nil
	default:
		return os.NewSyscallError("flock", err)
	}
}
