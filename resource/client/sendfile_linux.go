package client

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// sendFile sends n bytes of f from off on, or fewer. If f is no file that can be sent so, or ends, it sends none, and that
// is no error. The offset of f stays as it is.
func sendFile(c *net.TCPConn, f *os.File, off int64, n int) (sent int, err error) {
	to, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	from, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var errno error
	err = from.Control(func(src uintptr) {
		errno = to.Write(func(dst uintptr) bool {
			for {
				sent, err = syscall.Sendfile(int(dst), int(src), &off, n)
				if err != syscall.EINTR {
					return err != syscall.EAGAIN
				}
			}
		})
		if errno == nil {
			errno = err
		}
	})
	sent = max(0, sent)
	switch {
	case errno == nil:
		return sent, err
	case errors.Is(errno, syscall.EINVAL), errors.Is(errno, syscall.ENOSYS), errors.Is(errno, syscall.EOPNOTSUPP), errors.Is(errno, syscall.EIO):
		return sent, nil // reading finds out what it is
	}
	return sent, os.NewSyscallError("sendfile", errno)
}
