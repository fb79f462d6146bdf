package client

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrName says that a resource cannot have a file under its name: the system has no such names, or another file has it.
var ErrName = errors.New("the name cannot be that of a file here")

// fileName returns name, a decoded segment of a path, as the name of a file in a directory. It need not be UTF-8.
func fileName(name string) (string, error) {
	ok := name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
	if ok && filepath.Separator != '/' {
		local, err := filepath.Localize(name)
		ok, name = err == nil, local
	}
	if !ok {
		return "", fmt.Errorf("%w: %.80q", ErrName, name)
	}
	return name, nil
}

// Siblings are the names in one collection, in the order of a listing. They are told apart as files: a file has the names
// of its sidecars too, and is no directory.
type siblings struct {
	last   string          // segment of the last entry
	prefix []string        // segments of those resources that the last one begins with, each one with those before it
	folded map[string]bool // names without case, true for files; nil if the file system tells them apart
}

// newSiblings returns no names yet, of files in a file system in which names that differ in case are one if fold is set.
func newSiblings(fold bool) *siblings {
	s := new(siblings)
	if fold {
		s.folded = map[string]bool{}
	}
	return s
}

// follow returns an error unless segment comes after all that came before.
func (s *siblings) follow(segment string) error {
	if segment <= s.last && s.last != "" {
		return fmt.Errorf("%w: a listing has %.80q after %.80q", ErrServer, segment, s.last)
	}
	s.last = segment
	return nil
}

// file returns the path of the file or directory of e, which is in the directory dir. The names that it could be mixed up
// with are prefixes of its own, so they came before, and all that came in between begins with them too. Therefore only
// such prefixes are kept.
func (s *siblings) file(e Entry, segment, dir string) (string, error) {
	local, err := fileName(e.Name)
	if err != nil {
		return "", err
	}
	for len(s.prefix) > 0 && !strings.HasPrefix(segment, s.prefix[len(s.prefix)-1]) {
		s.prefix = s.prefix[:len(s.prefix)-1]
	}
	for _, other := range s.prefix {
		switch strings.TrimSuffix(segment, "/")[len(other):] {
		case "":
			return "", fmt.Errorf("%w: %.80q is a resource and a collection", ErrName, e.Name)
		case partSuffix, sidecarSuffix, newSidecarSuffix:
			return "", fmt.Errorf("%w: a download of %.80q uses %.80q", ErrName, other, e.Name)
		}
	}
	if s.folded != nil && !s.claim(foldName(local), !e.Collection) {
		return "", fmt.Errorf("%w: %.80q differs from another name in case only", ErrName, e.Name)
	}
	if !e.Collection {
		s.prefix = append(s.prefix, segment)
	}
	return filepath.Join(dir, local), nil
}

// claim takes the names of a file or directory without case, unless another one has them.
func (s *siblings) claim(key string, file bool) bool {
	if _, ok := s.folded[key]; ok {
		return false
	}
	for _, suffix := range []string{partSuffix, sidecarSuffix, newSidecarSuffix} {
		base, ok := strings.CutSuffix(key, suffix)
		if ok && s.folded[base] {
			return false
		}
		if _, ok := s.folded[key+suffix]; ok && file {
			return false
		}
	}
	s.folded[key] = file
	return true
}

// foldName returns what all names have in common that a file system which does not tell them apart could take for name.
func foldName(name string) string {
	return strings.ToLower(strings.ToUpper(strings.TrimRight(name, ". ")))
}

// foldsNames reports whether names that differ in case only are one file in root. It makes a file to find out.
func foldsNames(root *os.Root) (bool, error) {
	name := ".infill-" + crand.Text()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	f.Close()
	_, err = root.Lstat(strings.ToUpper(name))
	return err == nil, root.Remove(name)
}
