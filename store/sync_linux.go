package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything in the data directory durable.
func (fl *files) syncAll() error {
	if _, ok := fl.fs.(osOpener); !ok {
		return fl.syncEach()
	}
	d, err := os.Open(fl.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
