package resource

import (
	"net/http"

	"github.com/infill-http/infill/store"
)

// serveDelete removes a resource (RFC 9110, Section 9.3.5). Writes to it that are in flight fail.
func (h *Handler) serveDelete(w http.ResponseWriter, q *request) error {
	conds, err := parseConditions(q.Request)
	if err != nil {
		return err
	}
	err = h.Store.Delete(lasting(q), string(q.name), func(cur, _ *store.Info) error {
		switch {
		case cur == nil: // RFC 9110, Section 13.2.1: then the preconditions do not matter
			return store.ErrNotFound
		case conds.evaluate(cur) != proceed:
			return errPrecondition
		case h.RequireConditions && cur.Complete && conds.empty():
			return errRequired
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set(fieldCacheControl, noStore)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
