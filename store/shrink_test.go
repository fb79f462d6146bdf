package store

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// shrink returns a failure as short and as simple as it finds until the
// deadline: it drops parts of the sequence, then words of commands, then
// makes numbers smaller, and begins anew as long as that gets anywhere. What
// fails need not fail in the same way.
func shrink(f *failure, deadline time.Time) *failure {
	best := f
	try := func(ops []op) bool {
		if time.Now().After(deadline) {
			return false
		}
		worse := play(ops)
		if worse == nil || len(worse.ops) > len(ops) { // it has to end with a reopen, which play adds
			return false
		}
		best = worse
		return true
	}
	for again := true; again; {
		again = scaleNumbers(func() []op { return best.ops }, try)
		again = dropOps(func() []op { return best.ops }, try) || again
		again = simplifyWords(func() []op { return best.ops }, try) || again
	}
	return best
}

// dropOps tries without parts of the sequence, halves first, single commands
// last. The first command opens the store and stays.
func dropOps(ops func() []op, try func([]op) bool) (did bool) {
	for size := (len(ops()) + 1) / 2; size > 0; size /= 2 {
		for i := 1; i < len(ops()); {
			now := ops()
			if try(slices.Concat(now[:i], now[min(len(now), i+size):])) {
				did = true
			} else {
				i += size
			}
		}
	}
	return did
}

var numbers = regexp.MustCompile(`\d+`)

// hasNumbers reports whether the numbers of a word are quantities, not parts of a name.
func hasNumbers(w string) bool {
	return strings.ContainsAny(w[:1], "~0123456789") || strings.Contains(w, "=")
}

// scaleNumbers tries with all large numbers divided by the same.
func scaleNumbers(ops func() []op, try func([]op) bool) bool {
	for _, by := range []int64{5000, 700, 100, 10} {
		scaled := cloneOps(ops())
		for _, o := range scaled {
			for j := 1; j < len(o); j++ {
				if strings.HasPrefix(o[j], "buffer=") || o.word() == "advance" || o.word() == "power" || !hasNumbers(o[j]) {
					continue
				}
				o[j] = numbers.ReplaceAllStringFunc(o[j], func(d string) string {
					if n := scanNumber(d); n >= by {
						return fmt.Sprint(n / by)
					}
					return d
				})
			}
		}
		if !equalOps(scaled, ops()) && try(scaled) {
			return true
		}
	}
	return false
}

// simplifyWords tries without each option, and with smaller numbers.
func simplifyWords(ops func() []op, try func([]op) bool) (did bool) {
	for i := 0; i < len(ops()); i++ {
		for j := 1; i < len(ops()) && j < len(ops()[i]); j++ {
			tryWords := func(words ...string) bool {
				now := cloneOps(ops())
				now[i] = slices.Replace(now[i], j, j+1, words...)
				return try(now)
			}
			w := ops()[i][j]
			if optional(ops()[i], j) && tryWords() {
				did = true
				j--
				continue
			}
			for _, simpler := range simplerWords(w) {
				if tryWords(simpler) {
					did = true
					break
				}
			}
		}
	}
	return did
}

// optional reports whether a word of a command may be left out.
func optional(o op, j int) bool {
	operands := map[string]int{"open": 0, "reopen": 0, "begin": 2, "write": 3}
	n, ok := operands[o.word()]
	return ok && j > n && !strings.HasPrefix(o[j], "buffer=")
}

// simplerWords returns what a word with numbers could be instead, simplest first.
func simplerWords(w string) (out []string) {
	if !hasNumbers(w) || strings.HasPrefix(w, "buffer=") {
		return nil
	}
	if parts := strings.Split(w, ","); len(parts) > 1 {
		for i := range parts {
			out = append(out, strings.Join(slices.Delete(slices.Clone(parts), i, i+1), ","))
		}
	}
	if body, _, ok := strings.Cut(w, "+"); ok && !strings.Contains(body, ",") {
		out = append(out, body)
	}
	for _, at := range numbers.FindAllStringIndex(w, -1) {
		n := scanNumber(w[at[0]:at[1]])
		for _, m := range []int64{0, 1, n / 2, n - 1} {
			if m >= 0 && m < n {
				out = append(out, w[:at[0]]+fmt.Sprint(m)+w[at[1]:])
			}
		}
	}
	return out
}

func cloneOps(ops []op) []op {
	out := make([]op, len(ops))
	for i, o := range ops {
		out[i] = slices.Clone(o)
	}
	return out
}

func equalOps(a, b []op) bool {
	return slices.EqualFunc(a, b, func(a, b op) bool { return slices.Equal(a, b) })
}
