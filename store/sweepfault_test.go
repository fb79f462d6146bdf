package store

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// An opClass is what operations on a file system have in common: the part of
// the store that they are about, and what they do.
type opClass struct{ area, kind string }

func (c opClass) String() string { return c.area + " " + c.kind }

// anyClass is that of all operations, for a disk that is gone altogether.
var anyClass = opClass{"any", "any"}

// areaOf returns the part of the store that a path belongs to.
func areaOf(path string) string {
	switch {
	case strings.Contains(path, "/map") && strings.HasSuffix(path, ".log"):
		return "log"
	case strings.Contains(path, "/map"):
		return "map"
	case strings.Contains(path, "/data"):
		return "data"
	}
	return "root"
}

// A fault is what is wrong with a file system.
type fault struct {
	opClass
	way    int   // the index in faultsOf
	n      int   // the operation of the class that fails, counted from 0
	err    error // an errno, or io.ErrShortWrite
	always bool  // those after it fail too
	short  bool  // half of a write is done before it fails
	drop   bool  // what a failed sync was to make durable is gone, and the next sync says nothing of it
}

func (f fault) String() string {
	s := fmt.Sprintf("%v %d: %v", f.opClass, f.n, f.err)
	for _, flag := range []struct {
		set  bool
		name string
	}{{f.always, "always"}, {f.short, "after half of it"}, {f.drop, "with the bytes dropped"}} {
		if flag.set {
			s += ", " + flag.name
		}
	}
	return s
}

// readKinds are the kinds of operations that change nothing.
var readKinds = []string{"open", "opendir", "stat", "fstat", "list", "read", "usage"}

// faultsOf returns the ways in which an operation of a class can fail.
func faultsOf(c opClass) []fault {
	fs := waysOf(c)
	for i := range fs {
		fs[i].way = i
	}
	return fs
}

func waysOf(c opClass) []fault {
	plain := func(errs ...error) (fs []fault) {
		for _, err := range errs {
			fs = append(fs, fault{opClass: c, err: err})
		}
		return fs
	}
	switch c.kind {
	case "any":
		fs := plain(syscall.EIO, syscall.ENOSPC, syscall.EROFS, syscall.EMFILE)
		for i := range fs {
			fs[i].always = true
		}
		return fs
	case "create", "reuse":
		return plain(syscall.EIO, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.EROFS)
	case "open", "opendir", "openrw":
		return plain(syscall.EIO, syscall.EMFILE, syscall.ENFILE)
	case "write":
		fs := plain(syscall.EIO, syscall.ENOSPC, syscall.EDQUOT)
		for _, err := range []error{syscall.ENOSPC, syscall.EIO, io.ErrShortWrite} {
			fs = append(fs, fault{opClass: c, err: err, short: true})
		}
		return fs
	case "sync", "syncdir":
		fs := plain(syscall.EIO)
		for _, err := range []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
			fs = append(fs, fault{opClass: c, err: err, drop: true})
		}
		return fs
	case "mkdir", "rename", "link":
		return plain(syscall.EIO, syscall.ENOSPC, syscall.EROFS)
	case "remove":
		return plain(syscall.EIO, syscall.EROFS, syscall.EPERM)
	}
	return plain(syscall.EIO)
}

// applies reports whether an operation of a kind can fail with the error of f.
func (f fault) applies(kind string) bool {
	switch f.err {
	case syscall.EMFILE:
		return slices.Contains([]string{"create", "reuse", "open", "opendir", "openrw"}, kind)
	case syscall.ENOSPC:
		return slices.Contains([]string{"create", "reuse", "write", "sync", "syncdir", "mkdir", "rename"}, kind)
	case syscall.EROFS:
		return !slices.Contains(readKinds, kind)
	}
	return true
}

// passing reports whether the fault is one after which the store has to go on.
func (f fault) passing() bool {
	return slices.Contains([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE}, f.err)
}

// ends reports whether the fault has to end writing: an error of writing data
// that is not one of space or of too many files.
func (f fault) ends() bool {
	return f.area == "data" && !f.passing() && slices.Contains([]string{"create", "write", "sync", "syncdir"}, f.kind)
}
