package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// A patch is a message/byterange document about one resource.
type patch struct {
	url    string
	head   []byte      // of the document
	src    io.ReaderAt // has the bytes
	r      ranges.Range
	header http.Header // of the request
	digest Algorithm   // of the digest of the document
	moved  func(int)
	pace   pace   // of all that are sent for the same upload; zero if this is all
	began  func() // called when the connection is about to send; may be nil
	slow   bool   // the server verifies the digest of the whole before it answers
}

// rangePart returns the head of a document for the range r of a resource of the given length, -1 if that is not known.
func rangePart(r ranges.Range, length int64, fields byteranges.Header) ([]byte, error) {
	var b bytes.Buffer
	w, err := byteranges.NewWriter(&b, byteranges.MediaTypeMessage)
	if err != nil {
		return nil, err
	}
	_, err = w.CreatePart(byteranges.PartHeader{Off: r.Start, Len: r.Len(), Length: length, Fields: fields})
	return b.Bytes(), err
}

// lengthPart returns a document that sets the length.
func lengthPart(length int64, fields byteranges.Header) ([]byte, error) {
	var b bytes.Buffer
	w, err := byteranges.NewWriter(&b, byteranges.MediaTypeMessage)
	if err != nil {
		return nil, err
	}
	err = w.SetLength(length, fields...)
	return b.Bytes(), err
}

// send sends p once, and returns the state that the response tells.
func (c *Client) send(ctx context.Context, p patch) (*State, error) {
	hd := http.Header{}
	for name, lines := range p.header {
		hd[name] = lines
	}
	hd.Set(fieldContentType, byteranges.MediaTypeMessage)
	next, err := p.pace.begin(ctx, p.pace.turns)
	if err != nil {
		return nil, err
	}
	defer next()
	if h := p.digest.hash(); h != nil {
		h.Write(p.head)
		if err := hashSection(ctx, h, p.src, p.r.Start, p.r.Len()); err != nil {
			return nil, err
		}
		hd.Set(fieldContentDigest, digestField(p.digest, h.Sum(nil)))
	}
	sent, err := p.pace.begin(ctx, p.pace.sending)
	if err != nil {
		return nil, err
	}
	defer sent()
	drained := func() { sent(); next() }
	if p.began != nil {
		p.began()
	}
	resp, err := c.exchange(ctx, call{
		method: http.MethodPatch, url: p.url, header: hd, size: int64(len(p.head)) + p.r.Len(), sent: p.moved, drained: drained, slow: p.slow,
		body: func() io.Reader { return &document{p.head, sectionReader{p.src, p.r.Start, p.r.Len()}} },
	})
	if err != nil {
		return nil, err
	}
	return newState(p.url, resp)
}

// A document is the content of a request that has one part.
type document struct {
	head []byte
	sectionReader
}

func (d *document) Read(p []byte) (int, error) {
	if len(d.head) > 0 {
		n := copy(p, d.head)
		d.head = d.head[n:]
		return n, nil
	}
	return d.sectionReader.Read(p)
}

// stateOf returns the state that an error response tells, or nil.
func stateOf(err error, url string) *State {
	e := asError(err)
	if e == nil || e.Header == nil {
		return nil
	}
	req, rerr := http.NewRequest(e.Method, url, nil)
	if rerr != nil {
		return nil
	}
	st, serr := newState(url, &http.Response{Header: e.Header, Request: req})
	if serr != nil || !st.Segmented {
		return nil
	}
	return st
}

// segmentError says which bytes err is about.
func segmentError(r ranges.Range, err error) error {
	return fmt.Errorf("bytes %d to %d: %w", r.Start, r.End-1, err)
}
