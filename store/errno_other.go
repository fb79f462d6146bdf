//go:build !linux

package store

import "syscall"

// unreadableErrnos are what a disk answers for bytes that it cannot return.
var unreadableErrnos = []syscall.Errno{syscall.EIO}
