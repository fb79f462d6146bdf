package resource

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// An endable is content whose deadline passes when it is set: as that of net/http for HTTP/2, which never takes it back.
type endable struct {
	http.ResponseWriter
	*io.PipeReader
}

func (e *endable) SetReadDeadline(t time.Time) error {
	if time.Until(t) > 0 {
		panic("a deadline that would pass while nobody reads")
	}
	return e.PipeReader.CloseWithError(os.ErrDeadlineExceeded)
}

// Over HTTP/2, content that stops is ended in time, and not while the server does something else with it.
func TestHTTP2Stall(t *testing.T) {
	const idle = 50 * time.Millisecond
	w := newWorld(t, func(h *Handler) { h.BodyIdleTimeout = idle })
	f := w.frames()
	s := step{req: "PUT /a", status: 408, typ: "content-timeout"}
	f.request(s, "1", 10)
	f.send("01234", false)
	if _, err := f.response(s); err != nil {
		t.Fatal(err)
	}

	r1, w1 := io.Pipe()
	go func() {
		for range 3 {
			w1.Write([]byte("x"))
		}
		w1.Close()
	}()
	req, err := http.NewRequest("PUT", "/", r1)
	if err != nil {
		t.Fatal(err)
	}
	req.ProtoMajor = 2
	b := newBody(&endable{PipeReader: r1}, req, pace.Limit{Idle: idle}, 0)
	for range 3 {
		if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * idle) // a slow disk
	}
	if _, err := io.ReadAll(b); err != nil {
		t.Error(err)
	}
}
