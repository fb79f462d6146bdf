package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace looks at who may begin to send, and when.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		headStart := time.Minute
		p := pace{near: near{time.Second, headStart}}
		p.learn(time.Second - 1)
		n := cap(p.sending)
		begin := func(ctx context.Context) (sent func(), waited time.Duration, err error) {
			at := time.Now()
			sent, err = p.begin(ctx, p.sending)
			return sent, time.Since(at), err
		}
		must := func(want time.Duration) (sent func()) {
			t.Helper()
			sent, waited, err := begin(t.Context())
			if err != nil || waited != want {
				t.Fatalf("waited %v, and %v; want %v", waited, err, want)
			}
			return sent
		}
		var sent []func()
		for range n {
			sent = append(sent, must(0))
		}
		// One that has sent all makes room, once.
		sent[0]()
		sent[0]()
		sent[0] = must(0)
		// So do those that go on for long.
		time.Sleep(headStart / 2)
		late := must(headStart / 2)
		for range n - 1 {
			must(0)
		}
		// What those say later is of no account.
		for _, f := range sent {
			f()
		}
		ctx, cancel := context.WithTimeout(t.Context(), headStart/4)
		defer cancel()
		if _, waited, err := begin(ctx); !errors.Is(err, context.DeadlineExceeded) || waited != headStart/4 {
			t.Errorf("waited %v, and %v; want that of the context", waited, err)
		}
		late()
		must(0)

		p.learn(time.Second)
		for range 10 * n {
			must(0) // far away, nobody waits
		}
	})
}

// A timedSource tells when each segment of it was read first.
type timedSource struct {
	*bytes.Reader
	segment int64
	first   sync.Map // of time.Time, by the number of the segment
}

func (s *timedSource) ReadAt(p []byte, off int64) (int, error) {
	s.first.LoadOrStore(off/s.segment, time.Now())
	return s.Reader.ReadAt(p, off)
}

// begun returns how many segments were read from before t.
func (s *timedSource) begun(t time.Time) (n int) {
	s.first.Range(func(_, at any) bool {
		if at.(time.Time).Before(t) {
			n++
		}
		return true
	})
	return n
}

// TestUploadPaced has a server near by that takes the content of no segment until all have begun.
func TestUploadPaced(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // with many, there would be much content
	for _, test := range []struct {
		name    string
		segment int64
		near
		waits bool
	}{
		{"content that does not fit into buffers of the system", 16 << 20, near{time.Hour, time.Second}, true},
		{"content that does", 64 << 10, near{time.Hour, 20 * time.Second}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			p := pace{near: test.near}
			p.learn(0)
			n := cap(p.sending)
			c.near, c.Connections, c.Segment, c.MinSegment, c.MaxSegment = &test.near, n+2, test.segment, test.segment, test.segment
			arrived, all := make(chan time.Time, 1000), make(chan struct{})
			w.on(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPatch && r.ContentLength > 32<<10 {
					arrived <- time.Now()
					<-all
				}
				return false
			})
			start := time.Now()
			done := make(chan error)
			size := max(int64(c.Connections)*test.segment, 2*smallSize)
			src := &timedSource{Reader: bytes.NewReader(make([]byte, size)), segment: test.segment}
			go func() {
				_, err := c.Upload(t.Context(), w.url+"/f", src, size, &UploadOptions{Whole: WholeNever})
				done <- err
			}()
			for k := range c.Connections {
				at := <-arrived
				if k == n && test.waits != (at.Sub(start) >= test.headStart) {
					t.Errorf("%d connections began to send within %v", k+1, at.Sub(start))
				}
			}
			if begun := src.begun(start.Add(test.headStart)); test.waits && begun != n+1 {
				t.Errorf("%d segments were hashed while %d were sent", begun, n)
			}
			close(all)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
