package byteranges

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	h := Header{{"content-type", "a/b"}, {"x", "1"}, {"X", ""}, {"x", "3"}}
	if got := h.Get("Content-Type"); got != "a/b" {
		t.Errorf("Get: %q", got)
	}
	if got := h.Get("y"); got != "" {
		t.Errorf("Get of a field that is not there: %q", got)
	}
	if diff := cmp.Diff([]string{"1", "", "3"}, h.Values("X")); diff != "" {
		t.Errorf("Values (-want +got):\n%s", diff)
	}
	if got := h.Values("y"); got != nil {
		t.Errorf("Values of a field that is not there: %q", got)
	}
}
