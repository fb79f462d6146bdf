package resource

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/infill-http/infill/store"
)

// reply answers q after a commit (RFC 9110, Sections 9.3.3 and 9.3.4; RFC 5789, Section 2).
func (h *Handler) reply(w http.ResponseWriter, q *request, res store.Result) error {
	hd := w.Header()
	hd.Set(fieldETag, entityTag(res.Info.Version))
	hd.Set(fieldCacheControl, noStore) // RFC 5789, Section 2: no freshness that a cache could use
	h.setState(hd, res.Info)
	if err := h.setReprDigest(q, hd, res.Info); err != nil {
		return err
	}
	status := http.StatusNoContent
	if res.Created {
		status = http.StatusCreated
		hd.Set(fieldAcceptRanges, "bytes")
		hd.Set(fieldUploadLimit, uploadLimitOf(res.Info, time.Now()))
	}
	if !q.prefer.representation {
		if q.prefer.minimal {
			hd.Add(fieldPreferenceApplied, "return=minimal")
		}
		q.body.beforeEarlyResponse(hd)
		w.WriteHeader(status)
		return nil
	}
	if !res.Created {
		status = http.StatusOK
	}
	doc, err := json.Marshal(h.newMap(res.Info, mapQuery{end: maxOffset, limit: h.maxReceived()}))
	if err != nil {
		return err
	}
	hd.Add(fieldPreferenceApplied, "return=representation")
	hd.Set(fieldContentType, typeJSON)
	hd.Set(fieldContentLocation, fullMapPath(name(res.Info.Name)))
	q.body.beforeEarlyResponse(hd)
	w.WriteHeader(status)
	_, _ = w.Write(append(doc, '\n')) // nobody is there to be told
	return nil
}

// setReprDigest adds the digest of the representation in info if q wants one (RFC 9530, Section 4). An incomplete
// resource has none.
func (h *Handler) setReprDigest(q *request, hd http.Header, info *store.Info) error {
	alg, ok := wantedReprDigest(q.Header)
	if !ok || !info.Complete {
		return nil
	}
	sn, err := h.Store.Snapshot(q.Context(), info.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted since
	}
	if err != nil {
		return err
	}
	defer sn.Close()
	if sn.Info().Version != info.Version {
		return nil // changed since
	}
	sum, err := sn.Digest(q.Context(), alg)
	if err != nil {
		return err
	}
	hd.Set(fieldReprDigest, digest{alg: alg, sum: sum}.String())
	return nil
}
