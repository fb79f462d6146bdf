package spec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The signs of a pattern: {name} stands for a value that the server chose, and … for any text.
var (
	placeholder = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}|…`)
	anyText     = "…"
)

// A binding is the values that placeholders stand for so far.
type binding map[string]string

// expand returns s with values for its placeholders.
func (b binding) expand(s string) (string, error) {
	var err error
	out := placeholder.ReplaceAllStringFunc(s, func(p string) string {
		v, ok := b[p]
		if !ok {
			err = fmt.Errorf("%s has no value yet", p)
		}
		return v
	})
	return out, err
}

// match returns an error if got is not what pattern describes. A placeholder without a value takes the shortest text that
// fits, and keeps it.
func (b binding) match(pattern, got string) error {
	if !utf8.ValidString(pattern) { // octets, which have no signs
		if pattern != got {
			return fmt.Errorf("got %x, want %x", got, pattern)
		}
		return nil
	}
	expr := strings.Builder{}
	expr.WriteString(`(?s)\A`)
	var names []string
	rest := pattern
	for rest != "" {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			expr.WriteString(regexp.QuoteMeta(rest))
			break
		}
		expr.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		p := rest[at[0]:at[1]]
		switch v, ok := b[p]; {
		case p == anyText:
			expr.WriteString(`.*`)
		case ok:
			expr.WriteString(regexp.QuoteMeta(v))
		case slices.Contains(names, p):
			return fmt.Errorf("%s is twice in %q and has no value yet", p, pattern)
		default:
			names = append(names, p)
			expr.WriteString(`(.+?)`)
		}
		rest = rest[at[1]:]
	}
	expr.WriteString(`\z`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		want, err := b.expand(pattern)
		if err != nil {
			want = pattern
		}
		return fmt.Errorf("got %q, want %q", got, want)
	}
	for i, p := range names {
		b[p] = m[i+1]
	}
	return nil
}

// matchJSON returns an error if the JSON text got is not the value that pattern describes. Objects have the same members;
// their order and white space do not count, members of got that are named in ignored do not either, and strings match as
// match has it.
func (b binding) matchJSON(pattern, got string, ignored ...string) error {
	want, err := decodeJSON(pattern)
	if err != nil {
		return fmt.Errorf("the example: %w", err)
	}
	have, err := decodeJSON(got)
	if err != nil {
		return err
	}
	if object, ok := have.(map[string]any); ok {
		for _, name := range ignored {
			delete(object, name)
		}
	}
	if err := b.matchValue("", want, have); err != nil {
		return fmt.Errorf("%w, in %s", err, got)
	}
	return nil
}

func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func (b binding) matchValue(path string, want, have any) error {
	switch want := want.(type) {
	case string:
		if have, ok := have.(string); ok {
			if err := b.match(want, have); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return nil
		}
	case map[string]any:
		if have, ok := have.(map[string]any); ok {
			for _, k := range slices.Sorted(maps.Keys(want)) {
				v, ok := have[k]
				if !ok {
					return fmt.Errorf("%s/%s is missing", path, k)
				}
				if err := b.matchValue(path+"/"+k, want[k], v); err != nil {
					return err
				}
			}
			for k := range have {
				if _, ok := want[k]; !ok {
					return fmt.Errorf("%s/%s is not in the example", path, k)
				}
			}
			return nil
		}
	case []any:
		if have, ok := have.([]any); ok && len(have) == len(want) {
			for i := range want {
				if err := b.matchValue(fmt.Sprintf("%s/%d", path, i), want[i], have[i]); err != nil {
					return err
				}
			}
			return nil
		}
	default:
		if want == have {
			return nil
		}
	}
	return fmt.Errorf("%s is %v, want %v", path, have, want)
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, got string
		ok           bool
		bound        string // value of {v}
	}{
		{`abc`, `abcd`, false, ""},
		{`abc`, `xabc`, false, ""},
		{`a.c`, `abc`, false, ""},
		{`{v}`, ``, false, ""},
		{`{v}-{v}`, `1-1`, false, ""},
		{`{known}`, `other`, false, ""},
		{"\x1f\x8b", "\x1f\x8c", false, ""},
		{"\x1f\x8b", "\x1f\x8b", true, ""},
		{`"{v}"`, `"x.1"`, true, "x.1"},
		{`{v}, 2`, `1, 2`, true, "1"},
		{`{known}/{v}`, `known/9`, true, "9"},
		{`…`, ``, true, ""},
		{`a…`, "ab\nc", true, ""},
	} {
		b := binding{"{known}": "known"}
		err := b.match(tt.pattern, tt.got)
		if (err == nil) != tt.ok {
			t.Errorf("%q against %q: %v", tt.pattern, tt.got, err)
		}
		if b["{v}"] != tt.bound {
			t.Errorf("%q against %q: {v} is %q, want %q", tt.pattern, tt.got, b["{v}"], tt.bound)
		}
	}
}

func TestMatchJSON(t *testing.T) {
	for _, tt := range []struct {
		pattern, got string
		ok           bool
	}{
		{`{"a": 1}`, `{"a": 2}`, false},
		{`{"a": 1}`, `{"a": "1"}`, false},
		{`{"a": 1}`, `{"a": 1, "b": 2}`, false},
		{`{"a": 1, "b": 2}`, `{"a": 1}`, false},
		{`[[0, 1]]`, `[[0, 1], [2, 3]]`, false},
		{`{"a": 1}`, `{"a": `, false},
		{`{"a": true}`, `{"a": false}`, false},
		{`{"a": 9007199254740993}`, `{"a": 9007199254740992}`, false},
		{`{"a": [1, null], "b": "…"}`, `{"b":"x","a":[1,null]}`, true},
		{`{"a": {"detail": 1}}`, `{"a":{"detail":1},"detail":2}`, true},
	} {
		if err := (binding{}).matchJSON(tt.pattern, tt.got, "detail"); (err == nil) != tt.ok {
			t.Errorf("%s against %s: %v", tt.pattern, tt.got, err)
		}
	}
}
