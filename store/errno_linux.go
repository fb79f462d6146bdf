package store

import "syscall"

// unreadableErrnos are what a disk, and the checksums of a file system, answer
// for bytes that they cannot return.
var unreadableErrnos = []syscall.Errno{syscall.EIO, syscall.EBADMSG, syscall.EUCLEAN}
