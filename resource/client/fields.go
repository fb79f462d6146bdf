package client

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/infill-http/infill/ranges/crc32c"
)

// All fields that this package reads or writes.
const (
	fieldAccept         = "Accept"
	fieldAcceptEncoding = "Accept-Encoding"
	fieldAcceptPatch    = "Accept-Patch"
	fieldAcceptRanges   = "Accept-Ranges"
	fieldContentDigest  = "Content-Digest"
	fieldContentRange   = "Content-Range"
	fieldContentType    = "Content-Type"
	fieldDestination    = "Destination"
	fieldETag           = "Etag"
	fieldIdempotencyKey = "Idempotency-Key"
	fieldIfMatch        = "If-Match"
	fieldIfNoneMatch    = "If-None-Match"
	fieldLastModified   = "Last-Modified"
	fieldLink           = "Link"
	fieldLocation       = "Location"
	fieldOverwrite      = "Overwrite"
	fieldPrefer         = "Prefer"
	fieldRange          = "Range"
	fieldReprDigest     = "Repr-Digest"
	fieldRetryAfter     = "Retry-After"
	fieldUploadComplete = "Upload-Complete"
	fieldUploadLength   = "Upload-Length"
	fieldUploadLimit    = "Upload-Limit"
	fieldUploadOffset   = "Upload-Offset"
	fieldUploadReceived = "Upload-Received"
	fieldUserAgent      = "User-Agent"
	fieldWantReprDigest = "Want-Repr-Digest"
)

const (
	typeJSON = "application/json"

	// relRanges is the relation of the Link to the full map of a resource.
	relRanges = "https://infill-http.github.io/rel/ranges"

	wantSHA256 = "sha-256=10"
	wantCRC32C = "crc32c=10"
)

// A Digest is the SHA-256 digest of a whole representation. The zero value stands for one that is not known.
type Digest struct {
	sum   [32]byte
	known bool
}

// NewDigest returns the digest that a SHA-256 hash came to.
func NewDigest(sum [32]byte) Digest { return Digest{sum, true} }

// Known reports whether d is not the zero value.
func (d Digest) Known() bool { return d.known }

// Sum returns the digest, and zeros if it is not known.
func (d Digest) Sum() [32]byte { return d.sum }

// String returns the digest in hexadecimal, as sha256sum prints it, and "" if it is not known.
func (d Digest) String() string {
	if !d.known {
		return ""
	}
	return hex.EncodeToString(d.sum[:])
}

// field returns d as the value of a digest field (RFC 9530, Section 3).
func (d Digest) field() string { return digestField(SHA256, d.sum[:]) }

// digestField returns the value of a digest field with one member.
func digestField(alg Algorithm, sum []byte) string {
	return string(alg) + "=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

// hash returns a hash, nil if there is to be no digest.
func (a Algorithm) hash() hash.Hash {
	switch a {
	case CRC32C:
		return crc32c.New()
	case SHA256:
		return sha256.New()
	}
	return nil
}

// parseDigest returns the digest with an algorithm that the lines of a digest field have, nil if there is none. What does
// not parse is ignored: the digest of a response is an offer.
func parseDigest(lines []string, alg Algorithm) []byte {
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return nil
	}
	member, _ := dict.Get(string(alg))
	item, _ := member.(httpsfv.Item)
	sum, _ := item.Value.([]byte)
	if len(sum) != alg.hash().Size() {
		return nil
	}
	return sum
}

// parseBool returns the value of a structured field Boolean, and whether there is one.
func parseBool(lines []string) (value, ok bool) {
	item, err := httpsfv.UnmarshalItem(lines)
	if len(lines) == 0 || err != nil {
		return false, false
	}
	value, ok = item.Value.(bool)
	return value, ok
}

// parseInteger returns the value of a structured field Integer of at least 0, and -1 if there is none.
func parseInteger(lines []string) int64 {
	item, err := httpsfv.UnmarshalItem(lines)
	if len(lines) == 0 || err != nil {
		return -1
	}
	if n, ok := item.Value.(int64); ok && n >= 0 {
		return n
	}
	return -1
}

// parseLimit returns the member of an Upload-Limit field that is an Integer, and -1 if there is none.
func parseLimit(lines []string, key string) int64 {
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return -1
	}
	member, _ := dict.Get(key)
	item, _ := member.(httpsfv.Item)
	if n, ok := item.Value.(int64); ok && n >= 0 {
		return n
	}
	return -1
}

// parseLink returns the target of the first link with the relation rel (RFC 8288), and whether it has the parameter
// truncated. The values that servers of this protocol write have no commas or semicolons inside quotes.
func parseLink(lines []string, rel string) (target string, truncated bool) {
	for link := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		ref, params, _ := strings.Cut(strings.TrimSpace(link), ">")
		ref, ok := strings.CutPrefix(ref, "<")
		if !ok || !strings.Contains(params, `rel="`+rel+`"`) {
			continue
		}
		for p := range strings.SplitSeq(params, ";") {
			truncated = truncated || strings.TrimSpace(p) == "truncated"
		}
		return ref, truncated
	}
	return "", false
}

// strongTag returns the entity tag if it is strong, and else "": bytes of two responses with the same weak tag must not be
// combined (RFC 9110, Section 15.3.7.3).
func strongTag(tag string) string {
	if len(tag) < 2 || tag[0] != '"' {
		return ""
	}
	return tag
}

// rangeField returns the value of a Range field for [start,end).
func rangeField(start, end int64) string { return fmt.Sprintf("bytes=%d-%d", start, end-1) }

// contentLength returns the value of Content-Length in hd, and -1 if there is none. Responses to HEAD have it in the
// header only.
func contentLength(hd http.Header) int64 {
	n, err := strconv.ParseInt(hd.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
