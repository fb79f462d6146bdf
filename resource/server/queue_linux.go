package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged returns how many octets that were written to c the other host has not yet acknowledged, and 0 if that
// cannot be known.
func unacknowledged(c net.Conn) int64 { return queued(c, unix.SIOCOUTQ) }

// unread returns how many octets have arrived at c and were not read, and 0 if that cannot be known.
func unread(c net.Conn) int64 { return queued(c, unix.SIOCINQ) }

// queued returns the length of a queue of c.
func queued(c net.Conn, queue uint) int64 {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	if err := raw.Control(func(fd uintptr) {
		if n, err = unix.IoctlGetInt(int(fd), queue); err != nil {
			n = 0
		}
	}); err != nil {
		return 0
	}
	return int64(n)
}
