package resource

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// All fields that this package reads or writes.
const (
	fieldAccept             = "Accept"
	fieldAcceptEncoding     = "Accept-Encoding"
	fieldAcceptPatch        = "Accept-Patch"
	fieldAcceptRanges       = "Accept-Ranges"
	fieldAllow              = "Allow"
	fieldCacheControl       = "Cache-Control"
	fieldConnection         = "Connection"
	fieldContentDigest      = "Content-Digest"
	fieldContentDisposition = "Content-Disposition"
	fieldContentEncoding    = "Content-Encoding"
	fieldContentLanguage    = "Content-Language"
	fieldContentLength      = "Content-Length"
	fieldContentLocation    = "Content-Location"
	fieldContentRange       = "Content-Range"
	fieldContentType        = "Content-Type"
	fieldDestination        = "Destination"
	fieldETag               = "Etag"
	fieldExpect             = "Expect"
	fieldIdempotencyKey     = "Idempotency-Key"
	fieldIfMatch            = "If-Match"
	fieldIfModifiedSince    = "If-Modified-Since"
	fieldIfNoneMatch        = "If-None-Match"
	fieldIfRange            = "If-Range"
	fieldIfUnmodifiedSince  = "If-Unmodified-Since"
	fieldLastModified       = "Last-Modified"
	fieldLink               = "Link"
	fieldLocation           = "Location"
	fieldOrigin             = "Origin"
	fieldOverwrite          = "Overwrite"
	fieldPrefer             = "Prefer"
	fieldPreferenceApplied  = "Preference-Applied"
	fieldRange              = "Range"
	fieldReprDigest         = "Repr-Digest"
	fieldRetryAfter         = "Retry-After"
	fieldSecurityPolicy     = "Content-Security-Policy"
	fieldTypeOptions        = "X-Content-Type-Options"
	fieldUnencodedDigest    = "Unencoded-Digest"
	fieldUploadComplete     = "Upload-Complete"
	fieldUploadLength       = "Upload-Length"
	fieldUploadLimit        = "Upload-Limit"
	fieldUploadOffset       = "Upload-Offset"
	fieldUploadReceived     = "Upload-Received"
	fieldVary               = "Vary"
	fieldWantContentDigest  = "Want-Content-Digest"
	fieldWantReprDigest     = "Want-Repr-Digest"
)

const (
	typeOctets = "application/octet-stream"
	typeJSON   = "application/json"

	noStore = "no-store"

	// relRanges is the relation of the Link to the full map of a resource.
	relRanges = "https://infill-http.github.io/rel/ranges"
)

var acceptPatch = strings.Join([]string{
	byteranges.MediaTypeMessage, byteranges.MediaTypeMultipart, byteranges.MediaTypeApplication}, ", ")

// sfTrue and sfFalse are the Booleans of structured fields (RFC 9651, Section 3.3.6).
const (
	sfTrue  = "?1"
	sfFalse = "?0"
)

// Values that most responses have, as they stand in a header: shared, because they never change.
var (
	valueNosniff         = []string{"nosniff"}
	valueOrigin          = []string{fieldOrigin}
	valueAcceptPatch     = []string{acceptPatch}
	valueMethodsResource = []string{methodsResource}
	valueBytes           = []string{"bytes"}
	valueMutable         = []string{"no-cache, no-transform"}
	valueNoStore         = []string{noStore}
	valueOctets          = []string{typeOctets}
	valueTrue            = []string{sfTrue}
	valueFalse           = []string{sfFalse}
)

// setField is hd.Set for a name that is canonical, as all those above are.
func setField(hd http.Header, name, value string) { hd[name] = []string{value} }

// setState sets the fields that tell what of a resource is there. On a complete resource that is only Upload-Complete,
// unless some of it is damaged.
func (h *Handler) setState(hd http.Header, info *store.Info) {
	hd[fieldUploadComplete] = valueFalse
	if info.Complete {
		hd[fieldUploadComplete] = valueTrue
		if !info.Damaged() {
			return
		}
	}
	setField(hd, fieldUploadOffset, strconv.FormatInt(info.Offset, 10))
	if info.Length >= 0 {
		setField(hd, fieldUploadLength, strconv.FormatInt(info.Length, 10))
	}
	if !info.Expires.IsZero() {
		setField(hd, fieldUploadLimit, uploadLimitOf(info, time.Now()))
	}
	received, truncated := ranges.FormatReceived(info.Received, h.maxReceived(), h.maxReceivedBytes())
	if received != "" {
		setField(hd, fieldUploadReceived, received)
	}
	link := "<" + fullMapPath(name(info.Name)) + `>; rel="` + relRanges + `"; type="` + typeJSON + `"`
	if truncated {
		link += "; truncated"
	}
	setField(hd, fieldLink, link)
	hd[fieldCacheControl] = valueNoStore
}

// setValidators sets the fields that identify the state in info.
func setValidators(hd http.Header, info *store.Info) {
	setField(hd, fieldETag, entityTag(info.Version))
	modified := lastModified(info)
	if now := time.Now(); modified.After(now) { // RFC 9110, Section 8.8.2.1
		modified = now
	}
	setField(hd, fieldLastModified, modified.UTC().Format(http.TimeFormat))
}

// setMetadata sets the fields that are stored with a resource, and those that make it safe to show in a browser.
func setMetadata(hd http.Header, m store.Metadata) {
	if m.Type != "" {
		setField(hd, fieldContentType, m.Type)
	} else {
		hd[fieldContentType] = valueOctets // or net/http would guess one
	}
	for _, f := range []struct{ name, value string }{
		{fieldContentLanguage, m.Language},
		{fieldContentEncoding, m.Encoding},
		{fieldContentDisposition, m.Disposition},
	} {
		if f.value != "" {
			setField(hd, f.name, f.value)
		}
	}
}

// setSafety keeps a browser from running content of the media type contentType, which a client chose, in the origin of
// this server: all but types that are known to be passive are shown in a sandbox without scripts and with an origin of its
// own. The content itself, and how it is disposed of, stay as they were stored.
func setSafety(hd http.Header, contentType string) {
	if !passive(contentType) {
		setField(hd, fieldSecurityPolicy, "sandbox")
	}
}

// passive reports whether a browser runs nothing that is inside content of this media type. PDF counts, because viewers
// run it apart from the page, and do not work in a sandbox.
func passive(contentType string) bool {
	if contentType == "" {
		return true
	}
	essence, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch essence {
	case typeOctets, "application/gzip", typeJSON, "application/pdf", "application/x-tar", "application/zip",
		"application/zstd", "text/csv", "text/markdown", "text/plain":
		return true
	}
	top, sub, _ := strings.Cut(essence, "/")
	switch top {
	case "audio", "font", "video":
		return true
	case "image":
		return !strings.HasSuffix(sub, "xml") // SVG
	}
	return false
}

// metadata returns what is stored of the fields that get returns the lines of, those of a request or of a part (RFC 9110,
// Section 9.3.4). Codings are stored in lower case and without identity; x-gzip is gzip (RFC 9110, Section 8.4.1.3).
func metadata(get func(field string) []string) store.Metadata {
	first := func(field string) string {
		if lines := get(field); len(lines) > 0 {
			return lines[0]
		}
		return ""
	}
	return store.Metadata{
		Type:        first(fieldContentType),
		Language:    strings.Join(get(fieldContentLanguage), ", "),
		Encoding:    strings.Join(codings(get(fieldContentEncoding)), ", "),
		Disposition: first(fieldContentDisposition),
	}
}

// codings returns the content codings that lines list, in the order in which they were applied.
func codings(lines []string) []string {
	var out []string
	for coding := range strings.SplitSeq(strings.ToLower(strings.Join(lines, ",")), ",") {
		switch coding = strings.Trim(coding, " \t"); coding {
		case "", "identity":
		case "x-gzip":
			out = append(out, "gzip")
		default:
			out = append(out, coding)
		}
	}
	return out
}

// hasToken reports whether the comma-separated lines have the token, compared without regard to case.
func hasToken(lines []string, token string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(lines, ","), ","), func(s string) bool {
		return strings.EqualFold(strings.Trim(s, " \t"), token)
	})
}
