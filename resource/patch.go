package resource

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/store"
)

// servePatch writes the ranges that a patch document names (draft-ietf-httpapi-patch-byterange-03, Section 2).
func (h *Handler) servePatch(w http.ResponseWriter, q *request) error {
	doc, err := h.patchDocument(q)
	if err != nil {
		return err
	}
	u, err := h.newUpdate(w, q, false)
	if err != nil {
		return err
	}
	return h.writeRanges(u, doc)
}

// A document is the content of a request as a patch document that was not opened yet: opening reads from it.
type document struct {
	open   func() (*byteranges.Reader, error)
	close  func()
	single bool // it has one part
	plain  bool // the body of that is octets of the content
}

// patchDocument returns the document in q. What makes it one that cannot be read is found out before the content is
// touched (RFC 5789, Section 2.2).
func (h *Handler) patchDocument(q *request) (*document, error) {
	types := q.Header.Values(fieldContentType)
	if len(types) > 1 {
		return nil, malformed(fieldContentType, "more than one field line")
	}
	if len(types) == 0 || !byteranges.IsMediaType(types[0]) {
		return nil, errMediaType
	}
	coding, err := checkCodings(q.Header.Values(fieldContentEncoding))
	if err != nil {
		return nil, err
	}
	// A type without a usable boundary is as malformed as the content could be.
	if _, err := byteranges.NewReader(nil, types[0], &h.Limits); err != nil {
		return nil, err
	}
	d := &document{close: func() {}, single: isMessage(types[0]), plain: len(codings(q.Header.Values(fieldContentEncoding))) == 0}
	d.open = func() (*byteranges.Reader, error) {
		content, err := newDecoder(q.body, coding, h.MaxContent)
		if err != nil {
			return nil, err
		}
		d.close = content.Close
		return byteranges.NewReader(content, types[0], &h.Limits)
	}
	return d, nil
}

// isMessage reports whether contentType is the one media type whose documents have one part.
func isMessage(contentType string) bool {
	essence, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.Trim(essence, " \t"), byteranges.MediaTypeMessage)
}

// writeRanges performs u, which writes the ranges that doc names.
func (h *Handler) writeRanges(u *update, doc *document) error {
	u.fill, u.mayCreate, u.sequential = true, !h.NoCreateOnPatch, doc.single
	res, err := u.run(func(u *update) error { return u.document(doc) })
	if errors.Is(err, errPrecondition) && u.tx == nil {
		info, rerr := u.repeated(false, func(sn Snapshot) (bool, error) { return u.samePart(doc, sn) })
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

// document writes all parts of doc.
func (u *update) document(doc *document) error {
	r, err := doc.open()
	if err != nil {
		return err
	}
	defer doc.close()
	if doc.single && doc.plain {
		u.q.body.hold()
		defer u.q.body.resume()
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.part(p); err != nil {
			return err
		}
	}
}

// part writes one part. Of its fields those count that would in a PUT of the whole resource
// (draft-ietf-httpapi-patch-byterange-03, Section 2.5): what describes the representation, and digests. All others,
// known or not, are ignored.
func (u *update) part(p *byteranges.Part) error {
	if err := p.Err(); err != nil && !u.persist {
		return err
	}
	sums, err := parseDigests(fieldContentDigest, p.Header.Values(fieldContentDigest), u.q.prefer.strict)
	if err != nil {
		return err
	}
	declared, err := parseDigests(fieldReprDigest, p.Header.Values(fieldReprDigest), u.q.prefer.strict)
	if err != nil {
		return err
	}
	if len(sums) > 0 && u.persist && !u.awaiting {
		if err := u.settle(); err != nil {
			return err
		}
	}
	if err := u.tx.SetMetadata(metadata(p.Header.Values)); err != nil {
		return err
	}
	if err := u.declareDigests(declared); err != nil {
		return err
	}
	if u.length >= 0 && p.Length >= 0 && p.Length != u.length {
		return errDeclared
	}
	if p.SetsLength {
		err := u.tx.SetLength(p.Length)
		u.some = u.some || err == nil
		return err
	}
	if len(sums) == 0 {
		return u.write(p, u.q.body.skip(p, p.Buffered()))
	}

	u.q.body.resume() // what is staged has one reader to tell, which is the digest of the part
	var hash hasher
	for _, d := range sums {
		hash.watch(d.alg)
	}
	body := io.TeeReader(p, &hash)
	if hash.joins() {
		body = summed{p, &hash}
	}
	if err := u.write(p, body); err != nil {
		return err
	}
	if err := hash.verify(sums); err != nil {
		u.discard = true
		return err
	}
	if u.persist && !u.awaiting {
		return u.settle()
	}
	return nil
}

// write writes the range of p with the bytes of body.
func (u *update) write(p *byteranges.Part, body io.Reader) error {
	n, err := u.tx.WriteFrom(body, p.Off, p.Len, p.Length)
	u.some = u.some || n > 0 || err == nil
	return err
}

// samePart reports whether the one part of doc names the last range that was written to the resource in sn, with the
// bytes that are there, and nothing else that could have changed it.
func (u *update) samePart(doc *document, sn Snapshot) (bool, error) {
	parts, err := doc.open()
	if err != nil {
		return false, err
	}
	defer doc.close()
	info := sn.Info()
	p, err := parts.Next()
	switch {
	case err != nil:
		return false, err
	case p.Off != info.BaseRange.Start, p.Len >= 0 && p.Len != info.BaseRange.Len(), p.SetsLength, p.Err() != nil:
		return false, nil
	case p.Length >= 0 && p.Length != info.Length:
		return false, nil
	case !sameMetadata(u.meta, info.Metadata), !sameMetadata(metadata(p.Header.Values), info.Metadata):
		return false, nil
	case p.Header.Values(fieldReprDigest) != nil:
		return false, nil
	}
	if same, err := sameBytes(p, sn, info.BaseRange.Start, info.BaseRange.Len()); !same || err != nil {
		return false, err
	}
	_, err = parts.Next()
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

// sameMetadata reports whether setting m would change nothing of stored.
func sameMetadata(m, stored store.Metadata) bool {
	same := func(a, b string) bool { return a == "" || a == b }
	return same(m.Type, stored.Type) && same(m.Language, stored.Language) && same(m.Encoding, stored.Encoding) &&
		same(m.Disposition, stored.Disposition)
}
