//go:build !linux

package client

import "os"

// syncData makes the bytes that were written to f durable, and its size.
func syncData(f *os.File) error { return f.Sync() }
