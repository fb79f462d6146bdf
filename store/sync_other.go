//go:build !linux

package store

// syncAll makes everything in the data directory durable.
func (fl *files) syncAll() error { return fl.syncEach() }
