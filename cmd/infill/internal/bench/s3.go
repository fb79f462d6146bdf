package bench

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// An s3Driver speaks the REST API of S3, with the bucket in the path. It does not
// sign content, so that nothing has to be hashed.
type s3Driver struct {
	putDriver
	signer *v4.Signer
	keys   aws.Credentials
	region string
}

const unsignedPayload = "UNSIGNED-PAYLOAD"

func newS3Driver(base string, c Credentials) *s3Driver {
	return &s3Driver{
		putDriver: putDriver{base},
		signer:    v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		keys:      aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey},
		region:    c.Region,
	}
}

func (d *s3Driver) finish(r *http.Request) error { return d.sign(r, time.Now()) }

// sign signs a request as of a time.
func (d *s3Driver) sign(r *http.Request, at time.Time) error {
	r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	return d.signer.SignHTTP(r.Context(), d.keys, r, unsignedPayload, "s3", d.region, at)
}

func (d *s3Driver) fill(ctx context.Context, c *client, name string, n, segment int64) (filling, error) {
	object := d.locate(c, name)
	// Only the response tells what has to be given up, so it is waited for.
	ctx, cancel := outlast(ctx, grace)
	defer cancel()
	a, err := c.do(ctx, http.StatusOK, http.MethodPost, object+"?uploads=", nil)
	if err != nil {
		return nil, err
	}
	var result struct{ UploadId string }
	if err := xml.Unmarshal(a.text, &result); err != nil || result.UploadId == "" {
		return nil, errors.Join(errors.New("POST: no UploadId"), err)
	}
	upload := object + "?uploadId=" + url.QueryEscape(result.UploadId)
	c.target.keep(upload) // to delete it is to give it up
	return &s3Filling{upload: upload, segment: segment, tags: make([]string, (n+segment-1)/segment)}, nil
}

// An s3Filling is a multipart upload, of which each segment is a part.
type s3Filling struct {
	upload  string
	segment int64
	tags    []string // entity tags of the parts; each is written by the client that sends it
}

func (f *s3Filling) write(ctx context.Context, c *client, _ *lane, off, n int64) error {
	i := int(off / f.segment)
	a, err := c.do(ctx, http.StatusOK, http.MethodPut, f.upload+"&partNumber="+strconv.Itoa(i+1), c.content(n))
	if err == nil {
		f.tags[i] = a.Header.Get("ETag")
	}
	return err
}

func (f *s3Filling) complete(ctx context.Context, c *client) error {
	type part struct {
		PartNumber int
		ETag       string
	}
	doc := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Part    []part
	}{}
	for i, tag := range f.tags {
		doc.Part = append(doc.Part, part{i + 1, tag})
	}
	text, err := xml.Marshal(doc)
	if err != nil {
		return err
	}
	a, err := c.do(ctx, http.StatusOK, http.MethodPost, f.upload, &content{head: text}, "Content-Type", "application/xml")
	if err != nil {
		return err
	}
	// The status is sent before the outcome is known.
	if bytes.Contains(a.text, []byte("<Error>")) {
		return fmt.Errorf("POST: %s", a.text)
	}
	return nil
}
