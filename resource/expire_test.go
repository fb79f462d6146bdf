package resource

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/infill-http/infill/store"
)

// TestExpires: every response about an incomplete resource tells how long it stays, if it does not stay for good.
func TestExpires(t *testing.T) {
	const told = "Upload-Limit: ~^min-size=0, max-age=(3600|359[0-9])$"
	forGood, w := newWorld(t), newWorldOn(t, vfs.NewMem(), store.Options{IncompleteMaxAge: time.Hour})
	ab := segment("0-1/4", "AB")
	forGood.run(
		step{req: "PATCH /a", header: []string{mb}, body: ab, status: 201, want: []string{"Upload-Limit: min-size=0"}},
		step{req: "HEAD /a", status: 200, want: []string{"Upload-Limit:"}},
	)
	w.run(
		step{req: "PATCH /a", header: []string{mb}, body: ab, status: 201, want: []string{told}},
		step{req: "PATCH /a", header: []string{mb}, body: ab, status: 204, want: []string{told}},
		step{req: "HEAD /a", status: 200, want: []string{told}},
		step{req: "GET /a", status: 200, want: []string{told}},
		step{req: "PATCH /a", header: []string{mb}, body: segment("0-1/5", "AB"), status: 409, typ: "complete-length-conflict", want: []string{told}},
		step{req: "PUT /b", body: "B", status: 201, want: []string{"Upload-Limit: min-size=0"}},
		step{req: "HEAD /b", status: 200, want: []string{"Upload-Limit:"}},
	)
	w.allocate(step{req: "POST /files/", header: []string{"Upload-Length: 8"}, want: []string{told}})
	expires := func(w *world) (v struct{ Expires *time.Time }) {
		t.Helper()
		r := w.do(step{req: "GET /.well-known/infill/ranges/a", status: 200})
		if err := json.Unmarshal([]byte(r.body), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := expires(forGood); v.Expires != nil {
		t.Errorf("expires %v", v.Expires)
	}
	if v := expires(w); v.Expires == nil || time.Until(*v.Expires) > time.Hour || time.Until(*v.Expires) < 59*time.Minute {
		t.Errorf("expires %v", v.Expires)
	}
	w.run(
		step{req: "PATCH /a", header: []string{mb}, body: segment("2-3/4", "CD"), status: 204, want: []string{"Upload-Limit:", "Upload-Complete: ?1"}},
		step{req: "HEAD /a", status: 200, want: []string{"Upload-Limit:"}},
	)
	if v := expires(w); v.Expires != nil {
		t.Errorf("complete, and expires %v", v.Expires)
	}
}

func TestUploadLimit(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		left time.Duration
		want string
	}{
		{-time.Hour, "min-size=0, max-age=0"},
		{time.Second - 1, "min-size=0, max-age=0"},
		{time.Second, "min-size=0, max-age=1"},
		{168 * time.Hour, "min-size=0, max-age=604800"},
	} {
		if got := uploadLimitOf(&store.Info{Expires: now.Add(tt.left)}, now); got != tt.want {
			t.Errorf("%v left: %s, want %s", tt.left, got, tt.want)
		}
	}
}
