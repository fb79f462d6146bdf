package resource

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// MaxNameBytes is the greatest length of a resource name, in octets of its canonical form.
const MaxNameBytes = 4096

// ownPrefix begins the paths that belong to the server itself and name no resource (RFC 8615).
const ownPrefix = "/.well-known/infill"

var (
	errName        = errors.New("path cannot name a resource")
	errNameLength  = errors.New("path is too long")
	errReserved    = errors.New("path belongs to the server")
	errDestination = errors.New("malformed Destination")
	errOtherServer = errors.New("destination is on another server")
	errCollection  = errors.New("destination is a collection")
)

// A name is the name of a resource or of a collection, which ends in a slash: the path of its URI in canonical form, in
// which exactly those octets are percent-encoded, with upper-case digits, that cannot stand in a path as they are. The
// query is not part of it.
//
// All spellings of one path are one name. Nothing else is made equal: empty segments stay, and since an encoded slash is
// refused, decoding is unambiguous.
type name string

// parseName returns the name that an escaped path spells. The error wraps errName for a path that is not absolute, has a
// "." or ".." segment, an encoded slash or a NUL in any spelling, or a malformed escape, and errNameLength for one that
// is too long. What a name is called never becomes the name of a file, but clients and proxies do resolve such segments.
func parseName(escaped string) (name, error) {
	if !strings.HasPrefix(escaped, "/") {
		return "", fmt.Errorf("%w: it does not begin with a slash", errName)
	}
	if len(escaped) <= MaxNameBytes && isCanonical(escaped) {
		return name(escaped), nil
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(escaped[1:], "/") {
		b.WriteByte('/')
		s, err := url.PathUnescape(segment)
		switch {
		case err != nil:
			return "", fmt.Errorf("%w: it has a malformed escape", errName)
		case s == "." || s == "..":
			return "", fmt.Errorf("%w: it has a dot segment", errName)
		case strings.ContainsAny(s, "/\x00"):
			return "", fmt.Errorf("%w: it has an encoded slash or NUL", errName)
		}
		for i := range len(s) {
			if isPathChar(s[i]) {
				b.WriteByte(s[i])
			} else {
				fmt.Fprintf(&b, "%%%02X", s[i])
			}
		}
		if b.Len() > MaxNameBytes {
			return "", fmt.Errorf("%w: more than %d octets", errNameLength, MaxNameBytes)
		}
	}
	return name(b.String()), nil
}

// isCanonical reports whether an absolute path is a name as it is: nothing in it is percent-encoded or has to be, and no
// segment begins with a dot, as those do that cannot stand in a name.
func isCanonical(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == '.' && path[i-1] == '/':
			return false
		case c != '/' && !isPathChar(c):
			return false
		}
	}
	return true
}

// isPathChar reports whether c stands for itself in a path (RFC 3986, Section 3.3, pchar).
func isPathChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// collection reports whether n names a collection.
func (n name) collection() bool { return strings.HasSuffix(string(n), "/") }

// reserved reports whether n belongs to the server.
func (n name) reserved() bool {
	rest, ok := strings.CutPrefix(string(n), ownPrefix)
	return ok && (rest == "" || rest[0] == '/')
}

// decoded returns the octets that n, or a part of it, stands for.
func (n name) decoded() string {
	s, err := url.PathUnescape(string(n))
	if err != nil { // cannot be: a name is canonical
		return string(n)
	}
	return s
}

// reference returns n as an absolute path for a field or a document. A name that begins with two slashes would be read as
// an authority (RFC 3986, Section 4.2).
func reference(n name) string {
	if strings.HasPrefix(string(n), "//") {
		return "/." + string(n)
	}
	return string(n)
}

// fullMapPath returns the path of the document that lists all ranges of the resource n.
func fullMapPath(n name) string { return ownPrefix + "/ranges" + string(n) }

// relative returns a reference to path, a name or the part of one that follows a collection, that is safe in HTML
// attributes and Link fields as a relative reference: no segment passes for a scheme or an authority.
func relative(path string) string {
	first, _, _ := strings.Cut(path, "/")
	if first == "" || strings.Contains(first, ":") {
		return "./" + path
	}
	return path
}

// withQuery returns path with the query that values encodes to.
func withQuery(path string, values url.Values) string { return path + "?" + values.Encode() }

// parseDestination returns the name that the Destination field of r gives (RFC 4918, Section 10.3): an absolute URI of
// this server, or an absolute path. The error wraps errDestination, errOtherServer, errReserved, errCollection, or one of
// the errors of parseName.
func parseDestination(r *http.Request) (name, error) {
	values := r.Header.Values(fieldDestination)
	if len(values) != 1 {
		return "", fmt.Errorf("%w: want one field line", errDestination)
	}
	u, err := url.Parse(values[0])
	switch {
	case err != nil, u.Opaque != "", u.User != nil, u.Fragment != "", u.Scheme != "" && u.Host == "":
		return "", fmt.Errorf("%w: want an absolute URI or an absolute path", errDestination)
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%w: scheme is not http or https", errOtherServer)
	case u.Host != "" && !sameHost(u, r.Host):
		return "", errOtherServer
	}
	n, err := parseName(u.EscapedPath())
	switch {
	case err != nil:
		return "", fmt.Errorf("destination: %w", err)
	case n.reserved():
		return "", fmt.Errorf("destination: %w", errReserved)
	case n.collection():
		return "", errCollection
	}
	return n, nil
}

// sameHost reports whether the authority of u is host, the value of a Host field. The scheme does not matter: behind a
// proxy that ends TLS it is not the one that the client sees. A default port is the same as none.
func sameHost(u *url.URL, host string) bool {
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	trim := func(s string) string { return strings.TrimSuffix(strings.ToLower(s), port) }
	return trim(u.Host) == trim(host)
}
