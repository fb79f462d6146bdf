//go:build !linux

package client

// bootID returns "": what a sidecar names has to be durable.
func bootID() string { return "" }
