package resource

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/infill-http/infill/store"
)

// uploadLimit is the value of Upload-Limit where something can be created (draft-ietf-httpbis-resumable-upload): there
// are no limits that a client could not exceed otherwise, and the field has to have one member.
const uploadLimit = "min-size=0"

// uploadLimitOf returns the value of Upload-Limit in a response about the state in info. max-age is what is left to an
// incomplete resource that nobody writes to, in whole seconds, so that it does not go earlier than was told.
func uploadLimitOf(info *store.Info, now time.Time) string {
	if info.Expires.IsZero() {
		return uploadLimit
	}
	left := max(0, info.Expires.Sub(now)/time.Second)
	return uploadLimit + ", max-age=" + strconv.FormatInt(int64(left), 10)
}

// The lists of a CORS response (Fetch Standard, Section 3.3). "*" would not stand for Authorization.
var (
	corsMethods = methodsResource + ", " + http.MethodPost

	corsRequestFields = strings.Join([]string{
		"Authorization", fieldContentDigest, fieldContentDisposition, fieldContentEncoding, fieldContentLanguage,
		fieldContentRange, fieldContentType, fieldDestination, fieldIdempotencyKey, fieldIfMatch, fieldIfModifiedSince,
		fieldIfNoneMatch, fieldIfRange, fieldIfUnmodifiedSince, fieldOverwrite, fieldPrefer, fieldRange, fieldReprDigest,
		fieldUnencodedDigest, fieldUploadComplete, "Upload-Draft-Interop-Version", fieldUploadLength, fieldUploadOffset,
		fieldWantContentDigest, fieldWantReprDigest,
	}, ", ")

	corsResponseFields = strings.Join([]string{
		fieldAcceptPatch, fieldAcceptRanges, fieldAllow, fieldContentDigest, fieldContentLocation, fieldContentRange,
		"Date", "ETag", fieldLink, fieldLocation, fieldPreferenceApplied, fieldReprDigest, fieldRetryAfter,
		fieldUploadComplete, fieldUploadLength, fieldUploadLimit, fieldUploadOffset, fieldUploadReceived,
		fieldWantContentDigest,
	}, ", ")
)

const (
	fieldAllowOrigin   = "Access-Control-Allow-Origin"
	fieldAllowMethods  = "Access-Control-Allow-Methods"
	fieldAllowFields   = "Access-Control-Allow-Headers"
	fieldExposeFields  = "Access-Control-Expose-Headers"
	fieldMaxAge        = "Access-Control-Max-Age"
	fieldRequestMethod = "Access-Control-Request-Method"

	// preflightAge is how long a browser may remember a preflight, in seconds: the longest that any of them does.
	preflightAge = "86400"
)

// setOrigin lets scripts of the origin that r comes from read the response, if it is allowed. Every response says that
// it may differ by origin, whether or not this request has one.
func (h *Handler) setOrigin(hd http.Header, r *http.Request) {
	if hd[fieldVary] == nil {
		hd[fieldVary] = valueOrigin
	} else {
		hd.Add(fieldVary, fieldOrigin)
	}
	if origin := r.Header.Get(fieldOrigin); origin != "" && h.allows(origin) {
		hd.Set(fieldAllowOrigin, origin)
		hd.Set(fieldExposeFields, corsResponseFields)
	}
}

// isPreflight reports whether a browser asks with r if a request is allowed.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get(fieldOrigin) != "" && r.Header.Get(fieldRequestMethod) != ""
}

// servePreflight answers a CORS preflight, for any path and before anything else is looked at: it has no credentials.
func (h *Handler) servePreflight(w http.ResponseWriter) error {
	hd := w.Header()
	if hd.Get(fieldAllowOrigin) != "" {
		hd.Set(fieldAllowMethods, corsMethods)
		hd.Set(fieldAllowFields, corsRequestFields)
		hd.Set(fieldMaxAge, preflightAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveOptions tells what a target allows (RFC 9110, Section 9.3.7; RFC 5789, Section 3.1). Preconditions do not
// apply.
func serveOptions(w http.ResponseWriter, methods string) error {
	hd := w.Header()
	hd.Set(fieldAllow, methods)
	hd.Set(fieldAcceptPatch, acceptPatch)
	hd.Set(fieldAcceptRanges, "bytes")
	hd.Set(fieldUploadLimit, uploadLimit)
	hd.Set(fieldCacheControl, noStore)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
