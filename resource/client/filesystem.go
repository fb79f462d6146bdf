package client

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// A fileSystem is where a download has its files: a directory that no name and no link leads out of, or all there is.
type fileSystem interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Stat(name string) (fs.FileInfo, error)
	Rename(from, to string) error
	Remove(name string) error
}

var _ fileSystem = (*os.Root)(nil)

// systemFiles are the files of the system.
type systemFiles struct{}

func (systemFiles) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
func (systemFiles) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }
func (systemFiles) Rename(from, to string) error          { return os.Rename(from, to) }
func (systemFiles) Remove(name string) error              { return os.Remove(name) }

// readFile returns the content of a file.
func readFile(dir fileSystem, name string) ([]byte, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// writeFile writes a file, in the space that it has if it is there. With sync set, it makes its content durable.
func writeFile(dir fileSystem, name string, text []byte, sync bool) error {
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Truncate(int64(len(text)))
	}
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(dir fileSystem, name string) error {
	f, err := dir.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
