package resource

import (
	"context"
	"net/http"
	"strings"

	"github.com/infill-http/infill/store"
)

// transfer is the Move or the Copy method of a Store.
type transfer func(ctx context.Context, from, to string, cond, dest store.Cond) (store.Result, error)

// serveMove serves MOVE and COPY (RFC 4918, Sections 9.8 and 9.9). The preconditions are about the source, as the target
// of the request; the Overwrite field guards the destination. Readers of the destination see what was there before, or
// all of what is there after.
func (h *Handler) serveMove(w http.ResponseWriter, q *request, do transfer) error {
	conds, err := parseConditions(q.Request)
	if err != nil {
		return err
	}
	overwrite, given, err := parseOverwrite(q.Header.Values(fieldOverwrite))
	if err != nil {
		return err
	}
	to, err := parseDestination(q.Request)
	if err != nil {
		return err
	}
	if to == q.name {
		return store.ErrSameName
	}
	source := func(cur, _ *store.Info) error {
		switch {
		case cur == nil:
			return store.ErrNotFound
		case conds.evaluate(cur) != proceed:
			return errPrecondition
		}
		return nil
	}
	dest := func(cur, _ *store.Info) error {
		switch {
		case cur == nil:
			return nil
		case !overwrite:
			return errExists
		case !cur.Complete:
			return errUploading
		case h.RequireConditions && !given:
			return errRequired
		}
		return nil
	}
	res, err := do(lasting(q), string(q.name), string(to), source, dest)
	if err != nil {
		return err
	}
	hd := w.Header()
	hd.Set(fieldETag, entityTag(res.Info.Version))
	hd.Set(fieldUploadComplete, sfTrue)
	hd.Set(fieldCacheControl, noStore)
	status := http.StatusNoContent
	if res.Created {
		status = http.StatusCreated
		hd.Set(fieldLocation, reference(to)) // caches know it no other way (RFC 9111, Section 4.4)
	}
	w.WriteHeader(status)
	return nil
}

// parseOverwrite parses the lines of an Overwrite field (RFC 4918, Section 10.6), and reports whether there is one.
func parseOverwrite(lines []string) (overwrite, given bool, err error) {
	switch {
	case len(lines) == 0:
		return true, false, nil
	case len(lines) == 1 && strings.EqualFold(lines[0], "T"):
		return true, true, nil
	case len(lines) == 1 && strings.EqualFold(lines[0], "F"):
		return false, true, nil
	}
	return false, true, malformed(fieldOverwrite, "want T or F")
}
