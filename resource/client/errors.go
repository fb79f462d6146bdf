package client

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Errors that callers tell apart. An [*Error] is one of them according to its status and problem type.
var (
	ErrNotFound    = errors.New("no such resource")
	ErrExists      = errors.New("a complete resource with other content exists")
	ErrIncomplete  = errors.New("the resource is not complete")
	ErrConflict    = errors.New("the resource has other bytes, another length or another digest")
	ErrChanged     = errors.New("the resource was changed, replaced or removed meanwhile")
	ErrDigest      = errors.New("the digest does not match")
	ErrForbidden   = errors.New("not allowed")
	ErrNoSpace     = errors.New("the server has no space left")
	ErrReadOnly    = errors.New("the storage of the server failed, and it accepts no writes")
	ErrUnsupported = errors.New("the server does not support this")
	ErrServer      = errors.New("the server contradicts itself")
	ErrSource      = errors.New("the source cannot be read as it was when the upload began")
	ErrBusy        = errors.New("another download to the file is going on")
	ErrStalled     = errors.New("the connection stalled")
)

// problemBase is what the relative problem types of the protocol are relative to.
const problemBase = "https://infill-http.github.io/problems/"

// maxProblem is how many octets of the content of an error response are read.
const maxProblem = 64 << 10

// A Problem is a problem document (RFC 9457).
type Problem struct {
	Type    string         // "about:blank" if the document has none
	Title   string         // may be empty
	Detail  string         // for people, may be empty
	Members map[string]any // all members of the document, as encoding/json decodes them
}

// An Error is a response that is an error, or a request that got no response. It is returned as a pointer.
type Error struct {
	Method  string
	URL     string // without the password
	Status  int    // status code; 0 if there was no response
	Header  http.Header
	Problem *Problem // nil if the response had no problem document
	Err     error    // why there was no response, or nil
}

// Error returns the method, the URL without its password, and what went wrong, in one line. It has no control characters,
// whatever the server said.
func (e *Error) Error() string {
	what := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	switch {
	case e.Err != nil:
		what = e.Err.Error()
	case e.Status/100 == 3 && e.Header.Get(fieldLocation) != "":
		what += ", to " + e.Header.Get(fieldLocation)
	case e.Problem != nil:
		if detail := cmp.Or(e.Problem.Detail, e.Problem.Title); detail != "" {
			what += ": " + detail
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, fmt.Sprintf("%s %s: %s", e.Method, e.URL, what))
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the variable of this package that the response means.
func (e *Error) Is(target error) bool {
	kind := e.kind()
	return kind != nil && target == kind
}

// kind returns the variable that the response means, or nil.
func (e *Error) kind() error {
	switch e.problem() {
	case "range-conflict", "complete-length-conflict", "metadata-conflict":
		return ErrConflict
	case "superseded":
		return ErrChanged
	case "resource-incomplete":
		return ErrIncomplete
	case "read-only":
		return ErrReadOnly
	case "digest-mismatched-values":
		return ErrDigest
	}
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrForbidden
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		return ErrUnsupported
	case http.StatusPreconditionFailed:
		return ErrChanged
	case http.StatusConflict:
		return ErrConflict
	case http.StatusInsufficientStorage:
		return ErrNoSpace
	}
	return nil
}

// problem returns the last segment or the fragment of the problem type, if it is one of the protocol, and else "".
func (e *Error) problem() string {
	if e.Problem == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(e.Problem.Type, problemBase); ok {
		return name
	}
	_, name, _ := strings.Cut(e.Problem.Type, "iana.org/assignments/http-problem-types#")
	return name
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool {
	switch e.problem() {
	case "read-only":
		return false
	case "incomplete-body", "request-canceled", "digest-mismatched-values":
		return true // what arrived is not what was sent
	}
	switch e.Status {
	case 0:
		var cert *tls.CertificateVerificationError
		return !errors.As(e.Err, &cert) && !errors.Is(e.Err, http.ErrSchemeMismatch)
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// asError returns the Error that err wraps, or nil.
func asError(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// temporary reports whether what failed with err may succeed later.
func temporary(err error) bool {
	e := asError(err)
	return e != nil && e.Temporary()
}

// statusOf returns the status of the response that err is, or 0.
func statusOf(err error) int {
	if e := asError(err); e != nil {
		return e.Status
	}
	return 0
}

// newError returns the error that resp is. It reads the content.
func newError(req *http.Request, resp *http.Response) *Error {
	e := &Error{Method: req.Method, URL: req.URL.Redacted(), Status: resp.StatusCode, Header: resp.Header}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem)) // what arrived is better than nothing
	essence, _, _ := mime.ParseMediaType(resp.Header.Get(fieldContentType))
	if essence != "application/problem+json" {
		return e
	}
	p := &Problem{Type: "about:blank"}
	if json.Unmarshal(text, &p.Members) != nil {
		return e
	}
	for name, to := range map[string]*string{"type": &p.Type, "title": &p.Title, "detail": &p.Detail} {
		if s, ok := p.Members[name].(string); ok {
			*to = s
		}
	}
	e.Problem = p
	return e
}

// lostError returns the error for a request that err kept from getting a response.
func lostError(req *http.Request, err error) *Error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &Error{Method: req.Method, URL: req.URL.Redacted(), Err: err}
}

// redacted returns a URL for a message: without the password.
func redacted(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s[strings.LastIndexByte(s, '@')+1:]
	}
	return u.Redacted()
}

// retryAfter returns how long the response asks to wait (RFC 9110, Section 10.2.3), or 0.
func (e *Error) retryAfter(now time.Time) time.Duration {
	value := e.Header.Get(fieldRetryAfter)
	if value == "" {
		return 0
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(seconds) * time.Second // of a number that is out of range, as many as there can be
}
