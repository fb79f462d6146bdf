package resource

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/resource/internal/pace"
	"github.com/infill-http/infill/store"
)

// Defaults of a Handler.
const (
	DefaultMaxReceived      = 64
	DefaultMaxReceivedBytes = 4096
)

// IncompleteGet says what a GET without Range of an incomplete resource gets. HEAD always reports the state.
type IncompleteGet string

// The values of IncompleteGet.
const (
	IncompletePrefix   IncompleteGet = "prefix" // 200 with the bytes [0,K) that are there from the start
	IncompleteNotFound IncompleteGet = "404"    // as if there were no resource
	IncompleteConflict IncompleteGet = "409"    // a problem that tells the state
)

// A Handler serves the resources of a Store under their paths, see the package documentation. Store has to be set; the
// zero value of every other field means its default. The fields are not changed while the Handler is in use. Its methods
// may be called concurrently.
type Handler struct {
	// Store holds the resources.
	Store Store

	// Logger gets one record for each request that fails: 4xx at Debug, 5xx at Error. Default: slog.Default().
	Logger *slog.Logger

	// IncompleteGet is what an un-ranged GET of an incomplete resource gets. Default: IncompletePrefix.
	IncompleteGet IncompleteGet

	// StrictNoneMatch makes "If-None-Match: *" fail for a range write to an incomplete resource too. By default it fails
	// only if the resource is complete, so that all segments of one upload can be sent with it, as in the example of
	// draft-ietf-httpapi-patch-byterange-03, Section 5.1.
	StrictNoneMatch bool

	// RequireConditions makes every request that would overwrite or delete a complete resource need a precondition, such
	// as If-Match; without one it gets 428 (RFC 6585, Section 3).
	RequireConditions bool

	// NoCreateOnPatch makes a PATCH, or a PUT of a segment, to a name that has no resource get 404 instead of creating it.
	NoCreateOnPatch bool

	// Limits bound the patch documents.
	Limits byteranges.Limits

	// MaxContent bounds the content of one request in bytes, as it is sent and after its content coding was taken off; a
	// larger one gets 413. Default: no bound. How long a resource may be is a matter of the Store.
	MaxContent int64

	// MaxReceived and MaxReceivedBytes bound Upload-Received in ranges and octets. Defaults: DefaultMaxReceived and
	// DefaultMaxReceivedBytes.
	MaxReceived, MaxReceivedBytes int

	// BodyIdleTimeout is how long a request may send no content while the server waits for it; then it gets 408. Default:
	// no limit.
	BodyIdleTimeout time.Duration

	// MinBodyRate is the least rate, in bytes per second, at which a request has to send content while the server waits
	// for it, on average over BodyIdleTimeout, or over a minute if that is zero; then it gets 408. However long the whole
	// takes, and however long the server does not read, does not matter: nor, on one HTTP/2 connection, however long it
	// does not read the content of another request, which takes up their window (RFC 9113, Section 5.2). Default: no limit.
	MinBodyRate int64

	// AllowedOrigins are the origins, such as "https://app.example", whose scripts may use the server (CORS). Nil: any
	// origin; a server that only some browsers can reach should not leave it so. Empty but not nil: none. Credentials of
	// the browser, such as cookies, are never allowed: there is nothing here that they would open.
	AllowedOrigins []string
}

// A request is an http.Request with what is known of it before its method is looked at.
type request struct {
	*http.Request
	name   name
	prefer preferences
	body   *body
}

// ServeHTTP serves one request. It panics with http.ErrAbortHandler if content cannot be sent to its end, so that the
// client does not take it for whole.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{
		Request: r,
		prefer:  parsePrefer(r.Header.Values(fieldPrefer)),
		body:    newBody(w, r, pace.Limit{Idle: h.BodyIdleTimeout, Rate: h.MinBodyRate}, h.MaxContent),
	}
	q.body.keeps = q.prefer.persist
	defer q.body.wait.end()
	if !takesContent(q.Method) {
		// Or net/http would wait for content, without end, before it sends a response, and would wait for it after one.
		q.body.beforeEarlyResponse(w.Header())
	}
	if err := h.serve(w, q); err != nil {
		h.fail(w, q, err)
	}
	q.body.afterEarlyResponse(w.Header())
}

func (h *Handler) serve(w http.ResponseWriter, q *request) error {
	h.setOrigin(w.Header(), q.Request)
	w.Header()[fieldTypeOptions] = valueNosniff
	if q.Method == http.MethodOptions && q.RequestURI == "*" {
		return serveOptions(w, methodsResource+", "+http.MethodPost)
	}
	if isPreflight(q.Request) {
		return h.servePreflight(w)
	}
	n, err := parseName(q.URL.EscapedPath())
	if err != nil {
		return err
	}
	q.name = n
	switch {
	case n.reserved():
		return h.serveOwn(w, q)
	case n.collection():
		return h.serveCollection(w, q)
	}
	w.Header()[fieldAcceptPatch] = valueAcceptPatch
	return h.serveResource(w, q)
}

// The methods that paths of each kind allow. POST to a name without a resource allocates in the collection of that name.
const (
	methodsResource   = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS, MOVE, COPY"
	methodsCollection = "GET, HEAD, POST, OPTIONS"
	methodsOwn        = "GET, HEAD, OPTIONS"
)

// The methods of RFC 4918 that net/http has no names for.
const (
	methodMove = "MOVE"
	methodCopy = "COPY"
)

// takesContent reports whether the content of requests with this method means something (RFC 9110, Section 9.3).
func takesContent(method string) bool {
	switch method {
	case http.MethodPut, http.MethodPatch, http.MethodPost:
		return true
	}
	return false
}

func (h *Handler) serveResource(w http.ResponseWriter, q *request) error {
	w.Header()[fieldAllow] = valueMethodsResource
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return h.serveGet(w, q)
	case http.MethodPut:
		return h.servePut(w, q)
	case http.MethodPatch:
		return h.servePatch(w, q)
	case http.MethodDelete:
		return h.serveDelete(w, q)
	case methodMove:
		return h.serveMove(w, q, h.Store.Move)
	case methodCopy:
		return h.serveMove(w, q, h.Store.Copy)
	}
	_, err := h.Store.Stat(q.Context(), string(q.name))
	absent := errors.Is(err, store.ErrNotFound)
	switch {
	case err != nil && !absent:
		return err
	case absent:
		w.Header().Set(fieldAllow, methodsResource+", "+http.MethodPost)
	}
	switch {
	case q.Method == http.MethodOptions:
		return serveOptions(w, w.Header().Get(fieldAllow))
	case q.Method == http.MethodPost && absent:
		return h.servePost(w, q, q.name+"/")
	}
	return errMethod
}

func (h *Handler) serveCollection(w http.ResponseWriter, q *request) error {
	w.Header().Set(fieldAllow, methodsCollection)
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return h.serveList(w, q)
	case http.MethodPost:
		return h.servePost(w, q, q.name)
	case http.MethodOptions:
		return serveOptions(w, methodsCollection)
	}
	return errMethod
}

// serveOwn serves the paths that belong to the server.
func (h *Handler) serveOwn(w http.ResponseWriter, q *request) error {
	w.Header().Set(fieldAllow, methodsOwn)
	target, ok := strings.CutPrefix(string(q.name), fullMapPath(""))
	if !ok || !strings.HasPrefix(target, "/") {
		return store.ErrNotFound
	}
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		return h.serveFullMap(w, q, name(target))
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errMethod
}

func (h *Handler) logger() *slog.Logger {
	if h.Logger != nil {
		return h.Logger
	}
	return slog.Default()
}

func (h *Handler) maxReceived() int { return orDefault(h.MaxReceived, DefaultMaxReceived) }

func (h *Handler) maxReceivedBytes() int {
	return orDefault(h.MaxReceivedBytes, DefaultMaxReceivedBytes)
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}

// checkContent refuses content that is known to be too large before any of it is read.
func (h *Handler) checkContent(q *request) error {
	if h.MaxContent > 0 && q.ContentLength > h.MaxContent {
		return errTooLarge
	}
	return nil
}

// lasting returns the context for writes of q: what was received in full is committed even if the client goes away, and
// what a persisting request sent before it was cut off above all.
func lasting(q *request) context.Context { return context.WithoutCancel(q.Context()) }

// allows reports whether scripts of origin may use the server.
func (h *Handler) allows(origin string) bool {
	return h.AllowedOrigins == nil || slices.Contains(h.AllowedOrigins, origin)
}
