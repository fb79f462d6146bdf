package resource

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/infill-http/infill/resource/internal/pace"
)

// Content that comes too slowly on average is refused, although it never stops; what came is kept if that was asked for.
func TestMinBodyRate(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newWorld(t, func(h *Handler) {
			// Bytes are worth next to nothing, so that a trickle soon is too slow, however fast it is.
			h.BodyIdleTimeout, h.MinBodyRate = 200*time.Millisecond, 1<<40
		})
		s := step{req: "PUT /a", status: 408, typ: "content-timeout", want: []string{"Connection: close"}}
		if keep {
			s.header = append(s.header, persist)
		}
		f := w.start(s, 1<<30)
		sent := make(chan int)
		go func() {
			n := 0
			for ; w.meter.waitOrGone(f.id, n, f.c); n++ { // a byte as soon as the last one was read: never idle
				if _, err := f.c.Write([]byte{'x'}); err != nil {
					break
				}
			}
			sent <- n
		}()
		f.end(s)
		f.c.Close()
		n := <-sent
		t.Logf("%d bytes were sent", n)
		info, err := w.store.Stat(t.Context(), "/a")
		switch {
		case !keep && err == nil:
			t.Errorf("an atomic request left %v", info.Received)
		case keep && (err != nil || info.Offset < 1 || info.Offset > int64(n)):
			t.Errorf("kept %v of at most %d bytes, %v", info, n, err)
		}
	}
}

// waitOrGone is wait for a request of the connection c, and returns false if that was closed first.
func (m *meter) waitOrGone(id string, n int, c net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.call(id).read < n && !m.closed[c.LocalAddr().String()] {
		m.moved.Wait()
	}
	return m.call(id).read >= n
}

// deadlines is a ResponseWriter that notes how much time each read is given.
type deadlines struct {
	http.ResponseWriter
	given []time.Duration
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		d.given = append(d.given, time.Until(t))
	}
	return nil
}

// The time in which the server does not read is not counted.
func TestSlowServer(t *testing.T) {
	const window = 50 * time.Millisecond
	r, err := http.NewRequest("PUT", "/", io.MultiReader(strings.NewReader("0123456789")))
	if err != nil {
		t.Fatal(err)
	}
	d := new(deadlines)
	b := newBody(d, r, pace.Limit{Idle: window, Rate: 1 << 40}, 0)
	for range 4 {
		if _, err := io.ReadFull(b, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		<-time.After(window) // a slow disk
	}
	if _, err := io.ReadAll(b); err != nil {
		t.Fatal(err)
	}
	if len(d.given) < 5 || slices.Min(d.given) < window/2 {
		t.Errorf("reads were given %v, want nearly %v", d.given, window)
	}
}
