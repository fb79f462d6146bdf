package resource

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// The beginnings of the URIs of problem types: those of this project, and those that are registered with IANA.
const (
	problemBase = "https://infill-http.github.io/problems/"
	ianaBase    = "https://iana.org/assignments/http-problem-types#"
)

var (
	errMethod    = errors.New("method is not allowed here")
	errMediaType = errors.New("not a media type of patches")
	errExists    = errors.New("destination exists")
	errUploading = errors.New("destination is being uploaded")
	errDeclared  = errors.New("content does not have the declared length")
)

// retryAfter is the value of Retry-After, in seconds: about the time to restart a server.
const retryAfter = "30"

// A problemType is a kind of problem that clients can recognize (RFC 9457, Section 4).
type problemType struct {
	status int
	uri    string
	title  string
}

func own(status int, slug, title string) problemType {
	return problemType{status, problemBase + slug, title}
}

// problemTypes says which problem each error is. The first error in the table that an error wraps counts, so that a
// sentinel stands before those that it comes together with.
var problemTypes = []struct {
	err error
	problemType
}{
	{errTooLarge, own(413, "content-too-large", "Request content is too large")},
	{errField, own(400, "malformed-field", "Malformed request field")},
	{errName, own(400, "invalid-name", "Path cannot name a resource")},
	{errNameLength, own(414, "name-too-long", "Path is too long")},
	{errReserved, own(403, "reserved-name", "Path belongs to the server")},
	{errDestination, own(400, "invalid-destination", "Destination is missing or malformed")},
	{errOtherServer, own(502, "other-server", "Destination is on another server")},
	{errCollection, own(403, "collection-destination", "Destination is a collection")},
	{store.ErrSameName, own(403, "same-destination", "Source and destination are the same")},
	{errExists, own(412, "precondition-failed", "Destination exists")},
	{errMethod, own(405, "method-not-allowed", "Method is not allowed")},

	{errPrecondition, own(412, "precondition-failed", "Precondition failed")},
	{errRequired, own(428, "precondition-required", "A precondition is required")},
	{errSuperseded, own(409, "superseded", "Another request changed the resource")},
	{store.ErrReplaced, own(409, "superseded", "Resource was replaced or deleted meanwhile")},

	{errMediaType, own(415, "unsupported-media-type", "Not a media type of patches")},
	{byteranges.ErrMediaType, own(415, "unsupported-media-type", "Not a media type of patches")},
	{errCoding, own(415, "unsupported-content-coding", "Content coding is not supported")},
	{errCoded, own(400, "malformed-patch", "Content does not follow its content coding")},
	{byteranges.ErrBodyNotEmpty, own(400, "part-body-not-empty", "Part that sets the length has a body")},
	{byteranges.ErrLimit, own(400, "patch-limit-exceeded", "Patch document exceeds a limit")},
	{byteranges.ErrMalformed, own(400, "malformed-patch", "Patch document is malformed")},
	{errTrailing, own(400, "malformed-patch", "Content goes on after the end of the patch document")},
	{byteranges.ErrNoRange, own(400, "unknown-range", "Part names no range")},
	{ranges.ErrUnit, own(422, "unknown-range", "Range unit is unknown")},
	{byteranges.ErrLengthMismatch, own(400, "range-length-mismatch", "Range and content have different lengths")},
	{errDeclared, own(400, "range-length-mismatch", "Content does not have the declared length")},
	{byteranges.ErrOverlap, own(422, "overlapping-parts", "Parts of the patch overlap")},
	{io.ErrUnexpectedEOF, own(400, "incomplete-body", "Request content is incomplete")},

	{store.ErrNotFound, own(404, "not-found", "No such resource")},
	{store.ErrRangeConflict, own(409, "range-conflict", "Range conflicts with committed bytes")},
	{store.ErrNotAdjacent, own(409, "non-adjacent-write", "Write is not adjacent to the committed bytes")},
	{store.ErrLengthConflict, own(409, "complete-length-conflict", "Complete-length conflicts with the resource")},
	{store.ErrMetadataConflict, own(409, "metadata-conflict", "Metadata conflicts with the resource")},
	{store.ErrIncomplete, own(409, "resource-incomplete", "Resource is incomplete")},
	{errUploading, own(409, "resource-incomplete", "Destination is being uploaded")},
	{store.ErrTooManyRanges, own(409, "too-many-ranges", "Resource would have too many separate ranges")},
	{store.ErrTooLarge, own(400, "length-limit-exceeded", "Resource would be too long")},
	{store.ErrFull, own(507, "quota-exceeded", "No space left")},
	{store.ErrReadOnly, own(503, "read-only", "Server takes no writes")},
	{store.ErrDamaged, own(500, "damaged", "Stored bytes are damaged")},
	{store.ErrClosed, own(503, "shutting-down", "Server is shutting down")},

	{context.Canceled, own(400, "request-canceled", "Client went away")},

	{errDigestUnannounced, own(400, "unannounced-digest", "Digest in a trailer was not announced")},
	{errDigestUnsupported, problemType{400, ianaBase + "digest-unsupported-algorithms", "Unsupported hashing algorithms"}},
	{errDigestInvalid, problemType{400, ianaBase + "digest-invalid-values", "Invalid digest values"}},
	{errDigestMismatch, problemType{400, ianaBase + "digest-mismatched-values", "Mismatched digest values"}},
	{store.ErrDigestMismatch, problemType{400, ianaBase + "digest-mismatched-values", "Mismatched digest values"}},
}

var (
	problemSlow     = own(408, "content-timeout", "Request content came too slowly")
	problemCut      = own(400, "incomplete-body", "Request content is incomplete")
	problemInternal = problemType{500, "about:blank", "Internal Server Error"}
	problemRange    = own(416, "range-not-satisfiable", "Range is not satisfiable")
)

// A problem is a problem document (RFC 9457, Section 3). The members from upload-complete on tell the state of the
// resource after the request, and what of the request was at odds with it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	Complete *bool         `json:"upload-complete,omitempty"`
	Offset   *int64        `json:"upload-offset,omitempty"`
	Length   *int64        `json:"upload-length,omitempty"`
	Received [][2]int64    `json:"received,omitempty"` // half-open; the lowest ranges
	Expected *int64        `json:"expected,omitempty"`
	Provided *int64        `json:"provided,omitempty"`
	Range    *[2]int64     `json:"range,omitempty"`
	Unknown  []digestEntry `json:"unsupported_algorithms,omitempty"`
	Invalid  []digestEntry `json:"invalid_digests,omitempty"`
	Mismatch []digestEntry `json:"mismatched_digests,omitempty"`
}

// A stateError is an error about a resource whose state is known and part of the answer.
type stateError struct {
	err  error
	info *store.Info
}

func (e *stateError) Error() string { return e.err.Error() }
func (e *stateError) Unwrap() error { return e.err }

// newProblem returns the problem that err is. What the table does not know is an internal error, about which a client
// is told nothing.
func newProblem(err error) problem {
	kind := problemInternal
	var cut *interruption
	switch {
	case errors.As(err, &cut) && cut.timeout():
		kind = problemSlow
	case errors.As(err, &cut):
		kind = problemCut
	case errors.Is(err, ranges.ErrUnsatisfiable):
		kind = problemRange
	default:
		for _, t := range problemTypes {
			if errors.Is(err, t.err) {
				kind = t.problemType
				break
			}
		}
	}
	p := problem{Type: kind.uri, Title: kind.title, Status: kind.status}
	if cut == nil && kind.status < 500 { // the others may tell of addresses and files, which are no business of a client
		p.Detail = err.Error()
	}

	var re *store.RangeError
	if errors.As(err, &re) {
		p.Range = &[2]int64{re.Range.Start, re.Range.End}
		switch re.Err {
		case store.ErrNotAdjacent:
			p.Expected, p.Provided = &re.Offset, &re.Range.Start
		case store.ErrLengthConflict, store.ErrTooLarge:
			p.Expected, p.Provided = &re.Length, &re.Range.End
		}
	}
	var de *digestError
	if errors.As(err, &de) {
		switch de.err {
		case errDigestUnsupported:
			p.Unknown = de.entries
		case errDigestInvalid:
			p.Invalid = de.entries
		case errDigestMismatch:
			p.Mismatch = de.entries
		}
	}
	return p
}

// fail answers q with the problem that err is. It is the only place where an error becomes a response.
func (h *Handler) fail(w http.ResponseWriter, q *request, err error) {
	p := newProblem(err)
	h.log(q, p.Status, "request failed", err)

	hd := w.Header()
	switch {
	case errors.Is(err, errCoding): // RFC 9110, Section 12.5.3
		hd.Set(fieldAcceptEncoding, acceptCodings)
		hd.Del(fieldAcceptPatch)
	case p.Unknown != nil:
		hd.Set(fieldWantContentDigest, digestPreference)
	case p.Status == http.StatusServiceUnavailable:
		hd.Set(fieldRetryAfter, retryAfter)
	}
	if info := h.stateAfter(q, err, p.Status); info != nil {
		h.tellState(hd, &p, info)
		if p.Status == http.StatusRequestedRangeNotSatisfiable {
			hd.Set(fieldContentRange, ranges.ContentRange{Unsatisfied: true, Length: info.Size()}.String())
		}
	}
	hd.Set(fieldCacheControl, noStore)

	content, jerr := json.Marshal(p)
	if jerr != nil { // cannot be: the types have JSON forms
		panic(jerr)
	}
	q.body.beforeEarlyResponse(hd)
	hd.Set(fieldContentType, "application/problem+json")
	hd.Set(fieldContentLength, strconv.Itoa(len(content)))
	w.WriteHeader(p.Status)
	if q.Method != http.MethodHead {
		_, _ = w.Write(content) // nobody is there to be told
	}
}

// log records an error that is, or would be, answered with status.
func (h *Handler) log(q *request, status int, message string, err error) {
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	h.logger().LogAttrs(q.Context(), level, message, slog.String("method", q.Method), slog.String("name", string(q.name)),
		slog.Int("status", status), slog.Any("err", err))
}

// stateAfter returns the state of the resource that q is about, for the answer to a request that failed with err, or nil
// if it is not part of that answer. A request that writes is always told what is committed.
func (h *Handler) stateAfter(q *request, err error, status int) *store.Info {
	var known *stateError
	if errors.As(err, &known) {
		return known.info
	}
	switch q.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, methodMove, methodCopy:
	default:
		return nil
	}
	if q.name == "" || q.name.collection() || q.name.reserved() || status == http.StatusNotFound {
		return nil
	}
	info, serr := h.Store.Stat(context.WithoutCancel(q.Context()), string(q.name))
	if serr != nil {
		return nil
	}
	return info
}

// tellState puts the state in info into the fields and the document of a problem.
func (h *Handler) tellState(hd http.Header, p *problem, info *store.Info) {
	h.setState(hd, info)
	hd.Set(fieldETag, entityTag(info.Version))
	hd.Set(fieldUploadOffset, strconv.FormatInt(info.Offset, 10))
	p.Complete, p.Offset = &info.Complete, &info.Offset
	if info.Length >= 0 {
		hd.Set(fieldUploadLength, strconv.FormatInt(info.Length, 10))
		p.Length = &info.Length
	}
	for r := range info.Received.All() {
		if len(p.Received) == h.maxReceived() {
			break
		}
		p.Received = append(p.Received, [2]int64{r.Start, r.End})
	}
}
