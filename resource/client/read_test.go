package client

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
)

// TestUnknownLength: a server that does not tell the length of what it has loses the connection in the middle. A range
// cannot be asked for then: a file is begun anew, and a pipe gets an error and no byte twice.
func TestUnknownLength(t *testing.T) {
	data := content(300_000)
	var mu sync.Mutex
	lost := false
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"a"`)
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Transfer-Encoding", "chunked")
		if r.Method == http.MethodHead {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !lost {
			lost = true
			w.Write(data[:200_000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Write(data)
	}))
	srv.Config.ErrorLog = quietLog
	srv.Start()
	defer srv.Close()
	path := filepath.Join(t.TempDir(), "f")
	if _, err := new(Client).Download(t.Context(), srv.URL, path, nil); err != nil {
		t.Error(err)
	} else {
		expectFile(t, path, data)
	}
	lost = false
	var b bytes.Buffer
	if _, err := new(Client).Read(t.Context(), srv.URL, &b, nil); err == nil || !bytes.Equal(b.Bytes(), data[:200_000]) {
		t.Errorf("%v after %d bytes", err, b.Len())
	}
}
