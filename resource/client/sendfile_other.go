//go:build !linux

package client

import (
	"net"
	"os"
)

// sendFile sends nothing: content is copied.
func sendFile(*net.TCPConn, *os.File, int64, int) (int, error) { return 0, nil }
