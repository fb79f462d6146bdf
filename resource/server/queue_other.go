//go:build !linux

package server

import "net"

// unacknowledged returns 0: it is not known how many octets that were written to c the other host has not yet
// acknowledged.
func unacknowledged(net.Conn) int64 { return 0 }

// unread returns 0: it is not known how many octets have arrived at c and were not read.
func unread(net.Conn) int64 { return 0 }
