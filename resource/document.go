package resource

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// A documentWriter writes a response with content that this package makes up, as it is made up: JSON or HTML, with gzip
// if the client takes it. The first error of w ends it; the rest is thrown away.
type documentWriter struct {
	*bufio.Writer
	zip *gzip.Writer
}

// newDocumentWriter starts a 200 response of the given type. For HEAD there is no content, and it returns nil.
func newDocumentWriter(w http.ResponseWriter, q *request, contentType string) *documentWriter {
	hd := w.Header()
	hd.Set(fieldContentType, contentType)
	hd.Set(fieldCacheControl, noStore)
	hd.Add(fieldVary, fieldAcceptEncoding)
	zipped := quality(q.Header.Values(fieldAcceptEncoding), "gzip", "*") > 0
	if zipped {
		hd.Set(fieldContentEncoding, "gzip")
	}
	w.WriteHeader(http.StatusOK)
	if q.Method == http.MethodHead {
		return nil
	}
	d := new(documentWriter)
	var to io.Writer = w
	if zipped {
		d.zip = gzip.NewWriter(w)
		to = d.zip
	}
	d.Writer = bufio.NewWriter(to)
	return d
}

// json writes v.
func (d *documentWriter) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = d.Write(b)
	return err
}

// text writes strings.
func (d *documentWriter) text(ss ...string) error {
	for _, s := range ss {
		if _, err := d.WriteString(s); err != nil {
			return err
		}
	}
	return nil
}

// Close writes what is buffered. Without it the content does not end as its coding demands.
func (d *documentWriter) Close() error {
	if err := d.Flush(); err != nil {
		return err
	}
	if d.zip != nil {
		return d.zip.Close()
	}
	return nil
}

// quality returns the weight that lines, those of Accept or Accept-Encoding, give to the first of names that they have
// (RFC 9110, Section 12.4.2), from the most to the least specific, and 0 if they have none.
func quality(lines []string, names ...string) float64 {
	weights := make(map[string]float64)
	for member := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		params := strings.Split(member, ";")
		weight := 1.0
		for _, p := range params[1:] {
			if v, ok := strings.CutPrefix(strings.ToLower(strings.Trim(p, " \t")), "q="); ok {
				f, err := strconv.ParseFloat(v, 64)
				if err != nil || !(f >= 0 && f <= 1) {
					f = 0
				}
				weight = f
			}
		}
		weights[strings.ToLower(strings.Trim(params[0], " \t"))] = weight
	}
	for _, n := range names {
		if weight, ok := weights[n]; ok {
			return weight
		}
	}
	return 0
}
