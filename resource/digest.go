package resource

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/infill-http/infill/ranges/crc32c"
	"github.com/infill-http/infill/store"
)

var (
	errDigestUnsupported = errors.New("no digest with a supported algorithm")
	errDigestInvalid     = errors.New("digest has a length that its algorithm does not give")
	errDigestMismatch    = errors.New("digest does not match")
	errDigestUnannounced = errors.New("digest in a trailer that was not announced")
)

// digestPreference is the value of Want-Content-Digest that tells which algorithms are supported, both of the Active ones
// (RFC 9530, Sections 4 and 5). So no message ever makes more than two costly hashes run (RFC 9530, Section 6.7).
const digestPreference = "sha-512=10, sha-256=5"

// hashes are those of digests that are verified. store.CRC32C finds damage on the way, and no forgery (RFC 9530, Section
// 5; its registry calls it deprecated for that). It costs next to nothing, so that clients can have every segment checked.
// It is verified where it stands in Content-Digest, and told in Repr-Digest to those who want it; it counts for nothing
// else: it is not what handling=strict wants, not declared, and never offered.
var hashes = map[store.Algorithm]func() hash.Hash{
	store.SHA256: sha256.New,
	store.SHA512: sha512.New,
	store.CRC32C: func() hash.Hash { return crc32c.New() },
}

// A digest is one member of a digest field, with a supported algorithm.
type digest struct {
	field string
	alg   store.Algorithm
	sum   []byte
}

// String returns the member as it stands in a field, such as sha-256=:47DE…=:.
func (d digest) String() string { return string(d.alg) + "=" + byteSequence(d.sum) }

// byteSequence returns the structured-field form of b (RFC 9651, Section 4.1.8).
func byteSequence(b []byte) string { return ":" + base64.StdEncoding.EncodeToString(b) + ":" }

// A digestError is a fault of digests, with the members that draft-ietf-httpapi-digest-fields-problem-types names.
type digestError struct {
	err     error // errDigestUnsupported, errDigestInvalid or errDigestMismatch
	entries []digestEntry
}

// digestEntry is one offending digest in a problem document.
type digestEntry struct {
	Algorithm string `json:"algorithm"`
	Header    string `json:"header"`
	Reason    string `json:"reason,omitempty"`
	Provided  string `json:"provided_digest,omitempty"`
}

func (e *digestError) Error() string {
	var b strings.Builder
	b.WriteString(e.err.Error())
	for _, d := range e.entries {
		fmt.Fprintf(&b, ": %s in %s", d.Algorithm, d.Header)
	}
	return b.String()
}

func (e *digestError) Unwrap() error { return e.err }

// parseDigests parses the lines of a digest field (RFC 9530, Sections 2 and 3). Members with algorithms that are not
// supported, the deprecated ones among them, are left out; if strict and no other is there, that is an error. A field
// that does not parse is an error too: ignoring it would let damaged content pass.
func parseDigests(field string, lines []string, strict bool) ([]digest, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	dict, err := httpsfv.UnmarshalDictionary([]string{padByteSequences(strings.Join(lines, ", "))})
	if err != nil {
		return nil, malformed(field, "%v", err)
	}
	var out []digest
	var unsupported, invalid []digestEntry
	strong := false
	for _, key := range dict.Names() {
		alg := store.Algorithm(key)
		newHash, ok := hashes[alg]
		if !ok || alg == store.CRC32C && field != fieldContentDigest {
			unsupported = append(unsupported, digestEntry{Algorithm: key, Header: field})
			continue
		}
		member, _ := dict.Get(key)
		item, _ := member.(httpsfv.Item)
		sum, ok := item.Value.([]byte)
		if !ok {
			return nil, malformed(field, "the value of %s is not a Byte Sequence", key)
		}
		if size := newHash().Size(); len(sum) != size {
			invalid = append(invalid, digestEntry{Algorithm: key, Header: field,
				Reason: fmt.Sprintf("digest is not %d bytes long", size)})
			continue
		}
		out = append(out, digest{field, alg, sum})
		if alg == store.CRC32C {
			unsupported = append(unsupported, digestEntry{Algorithm: key, Header: field})
		} else {
			strong = true
		}
	}
	switch {
	case len(invalid) > 0:
		return nil, &digestError{errDigestInvalid, invalid}
	case strict && !strong && len(unsupported) > 0:
		return nil, &digestError{errDigestUnsupported, unsupported}
	}
	return out, nil
}

// padByteSequences adds the padding that Byte Sequences in s lack: a recipient is asked to accept them without (RFC 9651,
// Section 4.2.7), and the parser does not.
func padByteSequences(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		switch {
		case quoted && s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ':' && i > 0 && s[i-1] == '=':
			n := strings.IndexByte(s[i+1:], ':')
			if n < 0 {
				continue
			}
			b.WriteString(s[i+1 : i+1+n])
			for p := n; p%4 != 0 && p%4 != 1; p++ {
				b.WriteByte('=')
			}
			b.WriteByte(':')
			i += 1 + n
		}
	}
	return b.String()
}

// The algorithms that are told, of those that are wanted equally the first one: the cheaper one of the strong ones. The
// store has what a CRC-32C of a whole representation follows from; for that of some content it would have to be read.
var (
	toldOfContent = []store.Algorithm{store.SHA256, store.SHA512}
	toldOfWhole   = []store.Algorithm{store.SHA256, store.SHA512, store.CRC32C}
)

// wantedReprDigest returns the algorithm of the digest of the whole representation that a request wants.
func wantedReprDigest(hd http.Header) (store.Algorithm, bool) {
	return wantedDigest(hd.Values(fieldWantReprDigest), toldOfWhole)
}

// wantedContentDigest returns the algorithm of the digest of the content of the response that a request wants.
func wantedContentDigest(hd http.Header) (store.Algorithm, bool) {
	return wantedDigest(hd.Values(fieldWantContentDigest), toldOfContent)
}

// wantedDigest returns the one of algs that the lines of a Want-Repr-Digest or Want-Content-Digest field prefer most (RFC
// 9530, Section 4), and false if they want none. What they want else, and malformed ones, are not errors.
func wantedDigest(lines []string, algs []store.Algorithm) (store.Algorithm, bool) {
	if len(lines) == 0 {
		return "", false
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return "", false
	}
	var best store.Algorithm
	var weight int64
	for _, alg := range algs {
		member, _ := dict.Get(string(alg))
		item, _ := member.(httpsfv.Item)
		if w, _ := item.Value.(int64); w > weight && w <= 10 {
			best, weight = alg, w
		}
	}
	return best, weight > 0
}

// digestRoles says what the digest fields of a request are digests of. It depends on the method: the representation in a
// patch request is the patch document, not the resource (RFC 9530, Section 3.1 and Appendix B.9).
type digestRoles struct {
	content []string // fields about the content of the request
	whole   []string // fields about the whole representation that the resource will have
}

// roles returns the roles for a request whose content is itself all of a representation (a patch document, or a whole
// new one), or only a part of one, a segment. With a content coding, Unencoded-Digest is about bytes that this server
// does not look at, and is ignored.
func roles(q *request, segment bool) digestRoles {
	content, whole := []string{fieldContentDigest}, []string{fieldReprDigest}
	if len(codings(q.Header.Values(fieldContentEncoding))) == 0 {
		whole = append(whole, fieldUnencodedDigest)
	}
	if segment {
		return digestRoles{content, whole}
	}
	return digestRoles{append(content, whole...), nil}
}

// parseDigestFields returns the digests that hd has in the given fields.
func parseDigestFields(hd http.Header, fields []string, strict bool) ([]digest, error) {
	var out []digest
	for _, field := range fields {
		ds, err := parseDigests(field, hd.Values(field), strict)
		if err != nil {
			return nil, err
		}
		out = append(out, ds...)
	}
	return out, nil
}
