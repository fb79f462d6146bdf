package resource

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A frames is a connection that speaks HTTP/2, with prior knowledge, frame by frame, so that a test can end a stream in
// every way that there is. It has one stream at a time.
type frames struct {
	w      *world
	c      net.Conn
	fr     *http2.Framer
	fields bytes.Buffer
	enc    *hpack.Encoder
	stream uint32 // of the latest request
	open   bool   // that stream: the content of the request has not ended
}

// frames opens a connection.
func (w *world) frames() *frames {
	w.t.Helper()
	c := w.dial()
	f := &frames{w: w, c: c, fr: http2.NewFramer(c, c)}
	f.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.enc = hpack.NewEncoder(&f.fields)
	_, err := io.WriteString(c, http2.ClientPreface)
	f.must(err)
	f.must(f.fr.WriteSettings())
	return f
}

func (f *frames) must(err error) {
	f.w.t.Helper()
	if err != nil {
		f.w.t.Fatal(err)
	}
}

// request opens the next stream with the header section of s. A negative n leaves out Content-Length.
func (f *frames) request(s step, id string, n int) {
	f.w.t.Helper()
	method, path, _ := strings.Cut(s.req, " ")
	f.fields.Reset()
	field := func(name, value string) {
		f.must(f.enc.WriteField(hpack.HeaderField{Name: name, Value: value}))
	}
	field(":method", method)
	field(":scheme", "http")
	field(":authority", "x")
	field(":path", path)
	field("x-id", id)
	if n >= 0 {
		field("content-length", strconv.Itoa(n))
	}
	for _, h := range s.header {
		name, value, _ := strings.Cut(h, ": ")
		field(strings.ToLower(name), f.w.expand(value))
	}
	f.stream += 2
	if f.stream == 2 {
		f.stream = 1
	}
	f.open = true
	f.must(f.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: f.fields.Bytes(), EndHeaders: true}))
}

// send sends content.
func (f *frames) send(content string, end bool) {
	f.w.t.Helper()
	f.open = !end
	f.must(f.fr.WriteData(f.stream, end, []byte(content)))
}

// reset ends the stream as a client does that wants no response.
func (f *frames) reset() {
	f.w.t.Helper()
	f.must(f.fr.WriteRSTStream(f.stream, http2.ErrCodeCancel))
}

// response reads the response to the latest request, and on until its stream is closed. It is an error if the server
// closed the stream before that.
func (f *frames) response(s step) (reply, error) {
	f.w.t.Helper()
	r := reply{Response: &http.Response{Header: make(http.Header)}}
	ended := false
	for !ended || f.open {
		frame, err := f.fr.ReadFrame()
		if err != nil {
			return r, err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.must(f.fr.WriteSettingsAck())
			}
		case *http2.MetaHeadersFrame:
			if frame.StreamID != f.stream {
				return r, fmt.Errorf("header section on stream %d, not %d", frame.StreamID, f.stream)
			}
			if r.StatusCode, err = strconv.Atoi(frame.PseudoValue("status")); err != nil {
				return r, err
			}
			for _, field := range frame.RegularFields() {
				r.Header.Add(field.Name, field.Value)
			}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			r.body += string(frame.Data())
			ended = frame.StreamEnded()
			if n := len(frame.Data()); n > 0 {
				f.must(f.fr.WriteWindowUpdate(0, uint32(n)))
			}
		case *http2.RSTStreamFrame:
			// After a response to content that has not ended, it says that no more of the content is wanted (RFC 9113,
			// Section 8.1).
			if frame.StreamID == f.stream {
				if !ended || frame.ErrCode != http2.ErrCodeNo {
					return r, fmt.Errorf("stream %d: %v", f.stream, frame.ErrCode)
				}
				f.open = false
			}
		case *http2.GoAwayFrame:
			return r, fmt.Errorf("connection: %v %q", frame.ErrCode, frame.DebugData())
		}
	}
	f.w.compare(s, r)
	return r, nil
}
