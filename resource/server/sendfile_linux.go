package server

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSendfile is how many bytes one call of sendfile(2) is asked to send: a round number below what it can.
const maxSendfile = 1 << 30

// A sender sends files that are shared, each at an offset of its own, through one connection. It is for one goroutine.
type sender struct {
	raw syscall.RawConn

	// Of the call under way:
	file *os.File
	off  int64
	left int64
	err  error
}

// newSender returns a sender for c, or nil if c is no connection of the operating system.
func newSender(c net.Conn) *sender {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return &sender{raw: raw}
}

// send sends n bytes of f from off on, and returns how many went: fewer than n without an error if f has no more. It waits
// for the connection until the write deadline of that.
func (s *sender) send(f *os.File, off, n int64) (int64, error) {
	s.file, s.off, s.left, s.err = f, off, n, nil
	err := s.raw.Write(s.some)
	s.file = nil
	if err == nil {
		err = os.NewSyscallError("sendfile", s.err)
	}
	return s.off - off, err
}

// refused reports whether err says that sendfile(2) cannot read the file, or cannot write to the connection.
func refused(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// some sends as much as the connection takes now, and reports whether that is all.
func (s *sender) some(fd uintptr) bool {
	for s.left > 0 {
		n, err := unix.Sendfile(int(fd), int(s.file.Fd()), &s.off, int(min(s.left, maxSendfile)))
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false
		case err != nil || n == 0:
			s.err = err
			return true
		default:
			s.left -= int64(n)
		}
	}
	return true
}
