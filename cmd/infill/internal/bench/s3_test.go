package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A fakeS3 is a server of one bucket that checks signatures by signing each request
// that it gets anew, and refuses multipart uploads that are not as they should be.
type fakeS3 struct {
	t      *testing.T
	signer *s3Driver

	mu      sync.Mutex // guards what follows
	objects map[string]int64
	uploads map[string][]int64 // lengths of parts
	next    int
}

// uploadID has characters that have to be escaped in a query.
const uploadID = "id+/= %d"

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := f.verify(r); err != nil {
		f.t.Error(err)
		http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>", http.StatusForbidden)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	upload := q.Get("uploadId")
	parts, known := f.uploads[upload]
	switch {
	case r.Method == http.MethodPost && q.Has("uploads"):
		f.next++
		id := fmt.Sprintf(uploadID, f.next)
		f.uploads[id] = nil
		fmt.Fprintf(w, "%s<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", xml.Header, id)
	case upload != "" && !known:
		http.NotFound(w, r)
	case upload != "" && r.Method == http.MethodPut:
		n, err := strconv.Atoi(q.Get("partNumber"))
		if err != nil || n < 1 {
			http.Error(w, "number of part", http.StatusBadRequest)
			return
		}
		for len(parts) < n {
			parts = append(parts, -1)
		}
		parts[n-1] = int64(len(body))
		f.uploads[upload] = parts
		w.Header().Set("ETag", fmt.Sprintf(`"tag<&%d"`, n))
	case upload != "" && r.Method == http.MethodPost:
		if err := f.complete(r.URL.Path, upload, body); err != nil {
			// S3 answers with 200 before it knows.
			fmt.Fprintf(w, "<Error><Message>%v</Message></Error>", err)
			return
		}
		io.WriteString(w, "<CompleteMultipartUploadResult/>")
	case upload != "" && r.Method == http.MethodDelete:
		delete(f.uploads, upload)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		f.objects[r.URL.Path] = int64(len(body))
	case r.Method == http.MethodDelete:
		delete(f.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		n, ok := f.objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(zeros{}, 0, n))
	}
}

// zeros reads as zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// verify checks the signature of a request.
func (f *fakeS3) verify(r *http.Request) error {
	date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return err
	}
	// These are what the signature covers; it says so itself.
	_, signed, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	for _, name := range []string{"host", "x-amz-content-sha256", "x-amz-date"} {
		if !strings.Contains(";"+signed+";", ";"+name+";") {
			return fmt.Errorf("%s: %q lacks %s", r.Method, signed, name)
		}
	}
	for name := range strings.SplitSeq(signed, ";") {
		if v := r.Header.Get(name); v != "" {
			again.Header.Set(name, v)
		}
	}
	again.ContentLength = r.ContentLength
	if err := f.signer.sign(again, date); err != nil {
		return err
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		return fmt.Errorf("%s %s: Authorization is %q, want %q", r.Method, r.URL, got, want)
	}
	return nil
}

func (f *fakeS3) complete(path, upload string, body []byte) error {
	var doc struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Part    []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		return err
	}
	parts := f.uploads[upload]
	if len(doc.Part) != len(parts) {
		return fmt.Errorf("%d of %d parts", len(doc.Part), len(parts))
	}
	var n int64
	for i, p := range doc.Part {
		if p.PartNumber != i+1 || p.ETag != fmt.Sprintf(`"tag<&%d"`, i+1) || parts[i] < 0 {
			return fmt.Errorf("part %d is %+v", i, p)
		}
		n += parts[i]
	}
	f.objects[path] = n
	delete(f.uploads, upload)
	return nil
}

func newFakeS3(t *testing.T, credentials Credentials) *fakeS3 {
	return &fakeS3{
		t:       t,
		signer:  newS3Driver("", credentials),
		objects: make(map[string]int64),
		uploads: make(map[string][]int64),
	}
}

func TestS3(t *testing.T) {
	f := newFakeS3(t, small().S3)
	var whole []int64 // lengths of what was filled
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.ServeHTTP(w, r)
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			f.mu.Lock()
			whole = append(whole, f.objects[r.URL.Path])
			f.mu.Unlock()
		}
	}))
	defer srv.Close()
	c := small(Target{srv.URL + "/bucket", "s3"})
	report := run(t, c)
	wantResults(t, c, report, 0, "patch", "overwrite", "head", "islands")
	if want := []int64{c.Size, c.Size}; !cmp.Equal(whole, want) {
		t.Errorf("multipart uploads have %v bytes, want %v", whole, want)
	}
	if len(f.objects)+len(f.uploads) > 0 {
		t.Errorf("left: %v, %v", f.objects, f.uploads)
	}
}

// TestS3Refused checks that a completion that fails behind a status of 200 is an
// error, and that the upload is given up then.
func TestS3Refused(t *testing.T) {
	c := small()
	f := newFakeS3(t, c.S3)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.ServeHTTP(w, r)
		if r.URL.Query().Get("partNumber") == "2" {
			f.mu.Lock()
			f.uploads[r.URL.Query().Get("uploadId")][1] = -1 // it lost the part
			f.mu.Unlock()
		}
	}))
	defer srv.Close()
	c.Targets = []Target{{srv.URL + "/bucket", "s3"}}
	c.Workloads, c.Rounds = []string{"fill"}, 1
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Workloads[0].Results[0]; report.Errors != 1 || r.Rounds[0] != 0 || !strings.Contains(r.First, "part 1 is") {
		t.Errorf("%+v", r)
	}
	if len(f.objects)+len(f.uploads) > 0 {
		t.Errorf("left: %v, %v", f.objects, f.uploads)
	}
}

// TestS3Keys checks that the keys matter.
func TestS3Keys(t *testing.T) {
	for _, keys := range []Credentials{{"other", "secret", "region"}, {"key", "other", "region"}, {"key", "secret", "other"}} {
		r := httptest.NewRequest("PUT", "http://h/bucket/x", nil)
		if err := newS3Driver("", keys).finish(r); err != nil {
			t.Fatal(err)
		}
		if err := newFakeS3(t, small().S3).verify(r); err == nil || !strings.Contains(err.Error(), "Authorization is") {
			t.Errorf("%+v: %v", keys, err)
		}
	}
}
