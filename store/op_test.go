package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"
)

// An op is one command of a script as data: its word, operands and options.
// The scripts in testdata are made of them, the model test draws them at
// random, and what fails is cut down and written as a script.
type op []string

func newOp(words ...any) op {
	o := make(op, len(words))
	for i, w := range words {
		o[i] = fmt.Sprint(w)
	}
	return o
}

// opOf is the command of a script.
func opOf(d *datadriven.TestData) op {
	o := op{d.Cmd}
	for _, a := range d.CmdArgs {
		o = append(o, a.String())
	}
	return o
}

func (o op) String() string { return strings.Join(o, " ") }

func (o op) word() string { return o[0] }

// arg returns the operand i, counted from 0.
func (o op) arg(i int) string { return o[i+1] }

func (o op) number(i int) int64 { return scanNumber(o.arg(i)) }

// has reports whether the op has an option, with a value or without.
func (o op) has(name string) bool {
	return slices.ContainsFunc(o[1:], func(w string) bool { return w == name || strings.HasPrefix(w, name+"=") })
}

// option returns the value of an option: without one 1, or def if it is not there.
func (o op) option(name string, def int64) int64 {
	for _, w := range o[1:] {
		if w == name {
			return 1
		}
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			return scanNumber(v)
		}
	}
	return def
}

func scanNumber(w string) int64 {
	var n int64
	if _, err := fmt.Sscan(w, &n); err != nil {
		panic(fmt.Sprintf("%q is not a number", w))
	}
	return n
}

// patternAt is the byte that everybody sends for an offset, as a rule.
func patternAt(off int64) byte { return byte(off*7 + off>>8) }

// decodeBody returns the bytes that an operand stands for at an offset: its
// own, or, of an operand that begins with '~', those of its parts, separated
// by commas:
//
//	~N      N bytes of the pattern
//	~N+K    the same, with K added to each byte
//	~N*0    N zeros
func decodeBody(w string, off int64) []byte {
	if !strings.HasPrefix(w, "~") {
		return []byte(w)
	}
	var b []byte
	for part := range strings.SplitSeq(w, ",") {
		part = strings.TrimPrefix(part, "~")
		digits, zeros := strings.CutSuffix(part, "*0")
		digits, add, _ := strings.Cut(digits, "+")
		salt := byte(0)
		if add != "" {
			salt = byte(scanNumber(add))
		}
		for range scanNumber(digits) {
			c := byte(0)
			if !zeros {
				c = patternAt(off+int64(len(b))) + salt
			}
			b = append(b, c)
		}
	}
	return b
}

// encodeBody is the reverse of decodeBody.
func encodeBody(b []byte, off int64) string {
	if len(b) == 0 {
		return "~0"
	}
	var parts []string
	for len(b) > 0 {
		zeros := 0
		for zeros < len(b) && b[zeros] == 0 {
			zeros++
		}
		salt, n := b[0]-patternAt(off), 0
		for n < len(b) && b[n] == patternAt(off+int64(n))+salt {
			n++
		}
		switch {
		case zeros > n:
			n = zeros
			parts = append(parts, fmt.Sprintf("~%d*0", n))
		case salt == 0:
			parts = append(parts, fmt.Sprintf("~%d", n))
		default:
			parts = append(parts, fmt.Sprintf("~%d+%d", n, salt))
		}
		b, off = b[n:], off+int64(n)
	}
	return strings.Join(parts, ",")
}
