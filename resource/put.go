package resource

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// servePut replaces the resource with the content (RFC 9110, Section 9.3.4), or, with Content-Range, writes one segment
// of it (RFC 9110, Section 14.5).
func (h *Handler) servePut(w http.ResponseWriter, q *request) error {
	if lines, ok := q.Header[fieldContentRange]; ok {
		return h.putSegment(w, q, lines)
	}
	u, err := h.newUpdate(w, q, false)
	if err != nil {
		return err
	}
	return h.putWhole(u)
}

// putWhole performs u, which makes the content of the request all of the representation.
func (h *Handler) putWhole(u *update) error {
	u.create, u.sequential, u.raw = true, true, true
	u.meta = metadata(u.q.Header.Values)
	res, err := u.run((*update).whole)
	if errors.Is(err, errPrecondition) && u.tx == nil {
		info, rerr := u.repeated(true, func(sn Snapshot) (bool, error) {
			info := sn.Info()
			if info.Metadata != u.meta || u.q.ContentLength >= 0 && u.q.ContentLength != info.Length {
				return false, nil
			}
			return sameBytes(u.q.body, sn, 0, info.Length)
		})
		if rerr != nil {
			return rerr
		}
		if info != nil {
			return h.reply(u.w, u.q, store.Result{Info: info})
		}
	}
	if err != nil {
		return err
	}
	return h.reply(u.w, u.q, res)
}

// putSegment writes the content to the range that the Content-Range field names. It is the patch of one part, with the
// fields of the message in the place of those of the part, and gets the same result. Every field value that names no
// range is refused: to ignore it would replace the resource with a segment of it.
func (h *Handler) putSegment(w http.ResponseWriter, q *request, lines []string) error {
	if len(lines) != 1 {
		return malformed(fieldContentRange, "more than one field line")
	}
	value, err := ranges.ParseContentRange(lines[0])
	switch {
	case err != nil:
		return fmt.Errorf("%w %w", errField, err)
	case value.Unsatisfied:
		return malformed(fieldContentRange, "it names no bytes; a patch document can set the length")
	case q.ContentLength >= 0 && q.ContentLength != value.Range.Len():
		return byteranges.ErrLengthMismatch
	}
	u, err := h.newUpdate(w, q, true)
	if err != nil {
		return err
	}
	doc := &document{single: true, plain: true, close: func() {}, open: func() (*byteranges.Reader, error) {
		head := strings.NewReader(fieldContentRange + ": " + value.String() + "\r\n\r\n")
		return byteranges.NewReader(io.MultiReader(head, q.body), byteranges.MediaTypeMessage, nil)
	}}
	u.raw, u.start = true, value.Range.Start
	u.meta = metadata(q.Header.Values)
	return h.writeRanges(u, doc)
}
