package resource

import (
	"errors"
	"hash"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// serveGet serves GET and HEAD (RFC 9110, Sections 9.3.1 and 9.3.2). All of the response is made of one snapshot. The
// representation of an incomplete resource is its prefix [0,K).
func (h *Handler) serveGet(w http.ResponseWriter, q *request) error {
	conds, err := parseConditions(q.Request)
	if err != nil {
		return err
	}
	sn, err := h.Store.Snapshot(q.Context(), string(q.name))
	if err != nil {
		return err
	}
	defer sn.Close()
	info := sn.Info()

	switch conds.evaluate(info) {
	case failed:
		return &stateError{errPrecondition, info}
	case notModified:
		h.setCommon(w.Header(), info)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	a := answer{h: h, q: q, sn: sn, info: info}
	if err := a.selectRanges(); err != nil {
		return &stateError{err, info}
	}
	if a.parts == nil && !info.Complete && q.Method == http.MethodGet {
		switch h.IncompleteGet {
		case IncompleteNotFound:
			return store.ErrNotFound
		case IncompleteConflict:
			return &stateError{store.ErrIncomplete, info}
		}
	}
	if q.Method == http.MethodGet {
		if err := a.readable(); err != nil {
			return &stateError{err, info}
		}
	}
	return a.send(w)
}

// readable returns a store.ErrDamaged if something that is to be sent is known to be damaged, before any of it is sent.
func (a *answer) readable() error {
	if !a.info.Damaged() {
		return nil
	}
	parts := a.parts
	if parts == nil {
		parts = []ranges.Range{{End: a.info.Length}}
	}
	for _, r := range parts {
		for gap := range a.info.Received.Gaps(r) {
			return &store.RangeError{Err: store.ErrDamaged, Range: gap, Offset: a.info.Offset, Length: a.info.Length}
		}
	}
	return nil
}

// setCommon sets the fields that every successful response about info has, 304 included (RFC 9110, Section 15.4.5).
func (h *Handler) setCommon(hd http.Header, info *store.Info) {
	setValidators(hd, info)
	if info.Complete {
		// The bytes may be stored, and are not to be used without asking, nor to be recoded on the way: offsets and
		// digests are about them as they are.
		hd[fieldCacheControl] = valueMutable
	} else {
		h.setState(hd, info)
	}
}

// An answer is a response with all of a representation, or with ranges of it.
type answer struct {
	h       *Handler
	q       *request
	sn      Snapshot
	info    *store.Info
	parts   []ranges.Range // nil: all of it
	partial bool           // fields that the client has from before may be left out
	framing *byteranges.Framing
}

// selectRanges decides which ranges are sent. Range counts for GET only, and only if it would be answered with 200 (RFC
// 9110, Sections 13.2.2 and 14.2). The error is ranges.ErrUnsatisfiable.
func (a *answer) selectRanges() error {
	lines := a.q.Header.Values(fieldRange)
	if a.q.Method != http.MethodGet || len(lines) == 0 || !rangeApplies(a.q.Request, a.info) {
		return nil
	}
	parts, err := ranges.ParseRange(lines, a.info.Size())
	switch {
	case errors.Is(err, ranges.ErrIgnored):
		return nil
	case err != nil:
		return err
	}
	// A client gets the ranges that it asked for: only those that share or touch bytes become one (RFC 9110, Section
	// 15.3.7.2).
	a.parts = ranges.Coalesce(parts, 0)
	a.partial = a.q.Header.Get(fieldIfRange) != ""
	return nil
}

// length returns the complete-length for Content-Range: -1 while the resource is incomplete, so that no cache takes the
// prefix for all of it.
func (a *answer) length() int64 {
	if a.info.Complete {
		return a.info.Length
	}
	return -1
}

func (a *answer) send(w http.ResponseWriter) error {
	status, size := http.StatusOK, a.info.Size()
	switch len(a.parts) {
	case 0:
	case 1:
		status, size = http.StatusPartialContent, a.parts[0].Len()
	default:
		var err error
		if a.framing, err = byteranges.NewFraming(a.parts, a.length(), a.info.Metadata.Type); err != nil {
			return err
		}
		status, size = http.StatusPartialContent, a.framing.Size()
	}
	digests, err := a.digests()
	if err != nil {
		return err
	}

	hd := w.Header()
	maps.Copy(hd, digests)
	a.h.setCommon(hd, a.info)
	hd[fieldAcceptRanges] = valueBytes
	setSafety(hd, a.info.Metadata.Type)
	if a.partial { // RFC 9110, Section 15.3.7: no other fields of the representation than are required
		hd.Del(fieldLastModified)
		hd[fieldContentType] = nil // none, not one that is guessed
	} else {
		setMetadata(hd, a.info.Metadata)
	}
	if a.framing != nil {
		setField(hd, fieldContentType, a.framing.ContentType())
	} else if a.parts != nil {
		setField(hd, fieldContentRange, ranges.ContentRange{Range: a.parts[0], Length: a.length()}.String())
	}
	setField(hd, fieldContentLength, strconv.FormatInt(size, 10))
	if a.q.Method == http.MethodHead {
		a.h.setState(hd, a.info)
		w.WriteHeader(status)
		return nil
	}
	w.WriteHeader(status)
	if err := a.write(w); err != nil {
		a.h.cutOff(a.q, err)
	}
	return nil
}

// cutOff ends the response to q, which began and cannot go on because of err, so that the client does not take it for
// whole (RFC 9112, Section 8). It panics. That the client is gone or does not read is no fault of the server.
func (h *Handler) cutOff(q *request, err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		h.log(q, http.StatusRequestTimeout, "client did not take the response", err)
	case q.Context().Err() == nil:
		h.log(q, newProblem(err).Status, "response was cut off", err)
	}
	panic(http.ErrAbortHandler)
}

// write writes the content: the bytes go straight from the snapshot to w, which may know a short way for them.
func (a *answer) write(w io.Writer) error {
	if a.framing == nil {
		all := ranges.Range{Start: 0, End: a.info.Size()}
		if a.parts != nil {
			all = a.parts[0]
		}
		_, err := a.sn.WriteRange(w, all)
		return err
	}
	var head []byte
	for i := range a.framing.Len() {
		head = a.framing.AppendHead(head[:0], i)
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := a.sn.WriteRange(w, a.framing.Part(i)); err != nil {
			return err
		}
	}
	_, err := w.Write(a.framing.Tail())
	return err
}

// digests returns the digests that the request wants: Repr-Digest is of all of the representation, Content-Digest of what
// this response has of it, framing included (RFC 9530, Sections 2 and 3). An incomplete resource has no Repr-Digest, and
// a response to HEAD no content.
func (a *answer) digests() (http.Header, error) {
	var hd http.Header
	if alg, ok := wantedReprDigest(a.q.Header); ok && a.info.Complete {
		sum, err := a.sn.Digest(a.q.Context(), alg)
		if err != nil {
			return nil, err
		}
		hd = make(http.Header)
		hd.Set(fieldReprDigest, digest{alg: alg, sum: sum}.String())
	}
	alg, ok := wantedContentDigest(a.q.Header)
	if !ok || a.q.Method == http.MethodHead {
		return hd, nil
	}
	var sum []byte
	var err error
	if a.parts == nil && a.info.Complete {
		sum, err = a.sn.Digest(a.q.Context(), alg)
	} else {
		h := hashes[alg]()
		err = a.write(contextWriter{a.q, h})
		sum = h.Sum(nil)
	}
	if err != nil {
		return nil, err
	}
	if hd == nil {
		hd = make(http.Header)
	}
	hd.Set(fieldContentDigest, digest{alg: alg, sum: sum}.String())
	return hd, nil
}

// A contextWriter hashes until the client goes away.
type contextWriter struct {
	q *request
	hash.Hash
}

func (w contextWriter) Write(p []byte) (int, error) {
	if err := w.q.Context().Err(); err != nil {
		return 0, err
	}
	return w.Hash.Write(p)
}
