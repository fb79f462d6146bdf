package resource

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/dunglas/httpsfv"

	"github.com/infill-http/infill/byteranges"
)

// nameBytes is how many octets make up the last segment of an allocated name: at least 128 bits, so that it cannot be
// guessed and does not come twice (draft-ietf-httpapi-patch-byterange-03, Section 5).
const nameBytes = 16

// servePost allocates a resource in a collection (RFC 9110, Section 9.3.3). Without content it is incomplete, of the
// length that Upload-Length gives, if any. A patch document is applied to it; other content is all of its representation.
//
// With an Idempotency-Key the new name is a function of the collection and the key, so that a request which is sent again
// because the response was lost finds what it made, in whatever state that is now.
func (h *Handler) servePost(w http.ResponseWriter, q *request, collection name) error {
	w.Header().Set(fieldAcceptPatch, acceptPatch)
	keys := q.Header.Values(fieldIdempotencyKey)
	if len(keys) > 1 || len(keys) == 1 && keys[0] == "" {
		return malformed(fieldIdempotencyKey, "want one value")
	}
	u, fill, err := h.newAllocation(w, q)
	if err != nil {
		return err
	}
	// A collection has no representation that a precondition could be about.
	if err := u.conds.require(nil); err != nil {
		return err
	}
	u.conds = conditions{ifNoneMatch: &tagList{any: true}}
	u.create = true
	if len(keys) == 1 {
		u.name = collection + name(keyedSegment(h.Store.Secret(), collection, keys[0]))
	} else {
		u.name = collection + name(newSegment())
		u.persist = false // nobody would know what was kept
	}
	q.name = u.name // what goes wrong now is about the new resource

	res, err := u.run(fill)
	if errors.Is(err, errPrecondition) && len(keys) == 1 {
		if res.Info, err = h.Store.Stat(q.Context(), string(u.name)); err == nil {
			res.Created = true
			w.Header().Del(fieldPreferenceApplied)
		}
	}
	if err != nil {
		return err
	}
	w.Header().Set(fieldLocation, reference(u.name))
	return h.reply(w, q, res)
}

// newAllocation returns the update that the POST request q asks for, without a name yet, and what fills it.
func (h *Handler) newAllocation(w http.ResponseWriter, q *request) (u *update, fill func(*update) error, err error) {
	length := uploadLength(q.Header.Values(fieldUploadLength))
	if byteranges.IsMediaType(q.Header.Get(fieldContentType)) {
		doc, err := h.patchDocument(q)
		if err != nil {
			return nil, nil, err
		}
		if u, err = h.newUpdate(w, q, false); err != nil {
			return nil, nil, err
		}
		u.length = length
		return u, func(u *update) error {
			if err := u.setLength(); err != nil {
				return err
			}
			return u.document(doc)
		}, nil
	}

	if length >= 0 && q.ContentLength > 0 && q.ContentLength != length {
		return nil, nil, errDeclared
	}
	if err := h.checkContent(q); err != nil {
		return nil, nil, err
	}
	empty, err := q.body.empty()
	if err != nil {
		return nil, nil, err
	}
	// A digest of the representation is one of the content, or else of what the resource will be.
	if u, err = h.newUpdate(w, q, empty); err != nil {
		return nil, nil, err
	}
	u.length = length
	u.meta = metadata(q.Header.Values)
	if empty {
		return u, (*update).setLength, nil
	}
	u.raw = true
	return u, (*update).whole, nil
}

// newSegment returns the last segment of a new name.
func newSegment() string {
	var b [nameBytes]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// keyedSegment returns the last segment of the name that key stands for in a collection. It is the same each time, and
// nobody can tell it without the secret.
func keyedSegment(secret []byte, collection name, key string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(collection + "\x00"))
	mac.Write([]byte(key))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:nameBytes])
}

// uploadLength returns the length that lines declare, in bytes, or -1 if they do not: a value that is no Integer, or
// negative, counts as absent (RFC 9651, Section 4.2; draft-ietf-httpbis-resumable-upload).
func uploadLength(lines []string) int64 {
	if len(lines) == 0 {
		return -1
	}
	item, err := httpsfv.UnmarshalItem(lines)
	if n, ok := item.Value.(int64); err == nil && ok && n >= 0 {
		return n
	}
	return -1
}
