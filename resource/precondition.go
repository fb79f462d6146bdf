package resource

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/infill-http/infill/store"
)

var (
	errPrecondition = errors.New("precondition failed")
	errRequired     = errors.New("a condition is required")
	errSuperseded   = errors.New("another request changed the resource")
)

// A result is what the preconditions of a request come to (RFC 9110, Section 13.2.2).
type result int

const (
	proceed     result = iota // perform the method
	notModified               // 304, for GET and HEAD
	failed                    // 412
)

// conditions are the preconditions of one request (RFC 9110, Section 13.1), except If-Range.
type conditions struct {
	ifMatch           *tagList
	ifNoneMatch       *tagList
	ifUnmodifiedSince time.Time // zero if absent or invalid
	ifModifiedSince   time.Time // zero if absent, invalid, or the method is not GET or HEAD
}

// A tagList is the value of If-Match or If-None-Match.
type tagList struct {
	any  bool     // "*"
	tags []string // with their quotes, and W/ if weak
}

// parseConditions returns the preconditions of r. A malformed list of entity tags is an error if the method is unsafe, so
// that a condition which the client meant never counts as absent; for GET and HEAD it matches nothing.
func parseConditions(r *http.Request) (conditions, error) {
	var c conditions
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	var err error
	if c.ifMatch, err = parseTagField(r, fieldIfMatch, safe); err != nil {
		return conditions{}, err
	}
	if c.ifNoneMatch, err = parseTagField(r, fieldIfNoneMatch, safe); err != nil {
		return conditions{}, err
	}
	if c.ifMatch == nil {
		c.ifUnmodifiedSince = parseDate(r.Header.Values(fieldIfUnmodifiedSince))
	}
	if c.ifNoneMatch == nil && safe {
		c.ifModifiedSince = parseDate(r.Header.Values(fieldIfModifiedSince))
	}
	return c, nil
}

// parseTagField returns the entity tags of a field of r, or nil if r does not have it.
func parseTagField(r *http.Request, field string, safe bool) (*tagList, error) {
	lines := r.Header.Values(field)
	if len(lines) == 0 {
		return nil, nil
	}
	list, ok := parseTags(strings.Join(lines, ","))
	if !ok && !safe {
		return nil, malformed(field, "want * or a list of entity tags")
	}
	return &list, nil
}

// parseTags parses an If-Match or If-None-Match value. Empty list elements are allowed (RFC 9110, Section 5.6.1.2).
func parseTags(s string) (tagList, bool) {
	if s = strings.Trim(s, " \t"); s == "*" {
		return tagList{any: true}, true
	}
	var list tagList
	for s != "" {
		if s[0] == ',' {
			s = strings.TrimLeft(s[1:], " \t")
			continue
		}
		tag, rest, ok := cutTag(s)
		if !ok {
			return tagList{}, false
		}
		list.tags = append(list.tags, tag)
		if s = strings.TrimLeft(rest, " \t"); s != "" && s[0] != ',' {
			return tagList{}, false
		}
	}
	return list, true
}

// cutTag returns the entity tag that s begins with (RFC 9110, Section 8.8.3), and what follows it.
func cutTag(s string) (tag, rest string, ok bool) {
	opaque := strings.TrimPrefix(s, "W/")
	if !strings.HasPrefix(opaque, `"`) {
		return "", "", false
	}
	for i := 1; i < len(opaque); i++ {
		switch c := opaque[i]; {
		case c == '"':
			end := len(s) - len(opaque) + i + 1
			return s[:end], s[end:], true
		case c < 0x21 || c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false
}

// parseDate returns the date that lines give in one of the three forms of RFC 9110, Section 5.6.7, or the zero time.
func parseDate(lines []string) time.Time {
	if len(lines) != 1 {
		return time.Time{}
	}
	t, err := http.ParseTime(lines[0])
	if err != nil {
		return time.Time{}
	}
	return t
}

// entityTag returns the strong entity tag of the state v of a resource.
func entityTag(v store.Version) string {
	b := make([]byte, 0, 64)
	b = append(b, '"')
	b = v.ID.Append(b)
	b = append(b, '.')
	b = strconv.AppendUint(b, v.Revision, 10)
	return string(append(b, '"'))
}

// matchStrong reports whether the strong tag current is in l (RFC 9110, Section 8.8.3.2).
func (l *tagList) matchStrong(current string) bool {
	for _, tag := range l.tags {
		if tag == current {
			return true
		}
	}
	return false
}

// matchWeak reports whether a tag in l has the opaque part of the strong tag current.
func (l *tagList) matchWeak(current string) bool {
	for _, tag := range l.tags {
		if strings.TrimPrefix(tag, "W/") == current {
			return true
		}
	}
	return false
}

// evaluate returns what c comes to for a resource in the state info, nil if there is none. The order is that of RFC
// 9110, Section 13.2.2. Dates compare in whole seconds.
func (c *conditions) evaluate(info *store.Info) result {
	if l := c.ifMatch; l != nil {
		if info == nil || !l.any && !l.matchStrong(entityTag(info.Version)) {
			return failed
		}
	}
	if since := c.ifUnmodifiedSince; !since.IsZero() && info != nil && lastModified(info).After(since) {
		return failed
	}
	if l := c.ifNoneMatch; l != nil {
		if info != nil && (l.any || l.matchWeak(entityTag(info.Version))) {
			return notModified
		}
	} else if since := c.ifModifiedSince; !since.IsZero() && info != nil && !lastModified(info).After(since) {
		return notModified
	}
	return proceed
}

// pins reports whether c names the state that the request is made for. "If-Match: *" names none.
func (c *conditions) pins() bool {
	return c.ifMatch != nil && !c.ifMatch.any || !c.ifUnmodifiedSince.IsZero()
}

// empty reports whether the request has no condition.
func (c *conditions) empty() bool {
	return c.ifMatch == nil && c.ifNoneMatch == nil && c.ifUnmodifiedSince.IsZero()
}

// require returns nil if c holds for info in a request with an unsafe method.
func (c *conditions) require(info *store.Info) error {
	if c.evaluate(info) != proceed {
		return errPrecondition
	}
	return nil
}

// lastModified returns the time of the last commit in whole seconds (RFC 9110, Section 8.8.2).
func lastModified(info *store.Info) time.Time { return info.Modified.Truncate(time.Second) }

// rangeApplies reports whether the If-Range field of r, if there is one, is true for info (RFC 9110, Section 13.1.5). A
// date is a strong validator only if the representation cannot have changed twice in its second. That is known of a
// resource that was made by one commit where there was none before.
func rangeApplies(r *http.Request, info *store.Info) bool {
	lines := r.Header.Values(fieldIfRange)
	if len(lines) == 0 {
		return true
	}
	if strings.HasPrefix(lines[0], `"`) || strings.HasPrefix(lines[0], "W/") {
		return len(lines) == 1 && lines[0] == entityTag(info.Version)
	}
	since := parseDate(lines)
	return !since.IsZero() && since.Equal(lastModified(info)) && info.Revision == 1 && info.Base == (store.Version{})
}

// malformed returns the error for a request field that does not follow its grammar.
func malformed(field, format string, args ...any) error {
	return fmt.Errorf("%w %s: %s", errField, field, fmt.Sprintf(format, args...))
}
