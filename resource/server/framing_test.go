package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"
)

// head returns a request with the given method and fields, without content.
func head(method string, fields ...string) string {
	return method + " /r HTTP/1.1\r\nHost: h\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

const chunked = "Transfer-Encoding: chunked"

// Messages whose header section is refused. Each stands for the whole of a connection.
var refusedHeads = []struct {
	name    string
	message string
	want    error
}{
	{"CL and TE", head("PUT", "Content-Length: 5", chunked) + "0\r\n\r\n", errBothLengths},
	{"TE and CL", head("PUT", chunked, "Content-Length: 5") + "0\r\n\r\n", errBothLengths},
	{"TE and CL 0", head("PUT", chunked, "content-length: 0") + "0\r\n\r\n", errBothLengths},
	{"differing CL", head("PUT", "Content-Length: 5", "Content-Length: 6") + "hello", errLength},
	{"repeated CL", head("PUT", "Content-Length: 5", "Content-Length: 5") + "hello", errLength},
	{"CL list", head("PUT", "Content-Length: 5, 5") + "hello", errLength},
	{"CL sign", head("PUT", "Content-Length: +5") + "hello", errLength},
	{"CL negative", head("PUT", "Content-Length: -5") + "hello", errLength},
	{"CL hex", head("PUT", "Content-Length: 0x5") + "hello", errLength},
	{"CL empty", head("PUT", "Content-Length: ") + "hello", errLength},
	{"CL with space", head("PUT", "Content-Length: 1 1") + "hello", errLength},
	{"CL 2^63", head("PUT", "Content-Length: 9223372036854775808"), errLength},
	{"CL endless", head("PUT", "Content-Length: "+strings.Repeat("0", 100)), errLength},
	{"TE twice", head("PUT", chunked, chunked) + "0\r\n\r\n", errCoding},
	{"TE gzip, TE chunked", head("PUT", "Transfer-Encoding: gzip", chunked) + "0\r\n\r\n", errCoding},
	{"TE chunked, gzip", head("PUT", "Transfer-Encoding: chunked, gzip") + "0\r\n\r\n", errCoding},
	{"TE chunked, chunked", head("PUT", "Transfer-Encoding: chunked, chunked") + "0\r\n\r\n", errCoding},
	{"TE gzip", head("PUT", "Transfer-Encoding: gzip"), errCoding},
	{"TE identity", head("PUT", "Transfer-Encoding: identity", "Content-Length: 5") + "hello", errCoding},
	{"TE empty", head("PUT", "Transfer-Encoding:"), errCoding},
	{"TE parameter", head("PUT", "Transfer-Encoding: chunked;q=1") + "0\r\n\r\n", errCoding},
	{"TE quoted", head("PUT", `Transfer-Encoding: "chunked"`) + "0\r\n\r\n", errCoding},
	{"TE xchunked", head("PUT", "Transfer-Encoding: xchunked") + "0\r\n\r\n", errCoding},
	{"TE endless", head("PUT", "Transfer-Encoding: "+strings.Repeat("gzip,", 100)+"chunked"), errCoding},
	{"TE in HTTP/1.0", "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errCoding},
	{"TE with vertical tab", head("PUT", "Transfer-Encoding: \vchunked") + "0\r\n\r\n", errFieldValue},

	{"folding", head("GET", "X: a", " b"), errFolding},
	{"folded TE", head("PUT", "Transfer-Encoding:", " chunked"), errCoding},
	{"folding with tab", head("GET", "X: a", "\tb"), errFolding},
	{"space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", errFolding},
	{"space before the colon", head("PUT", "Content-Length : 5") + "hello", errFieldName},
	{"tab before the colon", head("PUT", "Transfer-Encoding\t: chunked"), errFieldName},
	{"no colon", head("GET", "X"), errFieldName},
	{"empty name", head("GET", ": x"), errFieldName},
	{"NUL in name", head("GET", "X\x00: x"), errFieldName},
	{"obs-text in name", head("GET", "\xff: x"), errFieldName},
	{"bare CR in value", head("GET", "X: a\rb"), errLineEnd},
	{"CR at the end of a value", head("GET", "X: a\r"), errLineEnd},
	{"bare LF", "GET / HTTP/1.1\r\nHost: h\n\r\n", errFieldValue},
	{"bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", errRequestLine},
	{"bare LF at the end of the section", "GET / HTTP/1.1\r\nHost: h\r\n\n", errFieldName},
	{"CR CR LF", "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n", errLineEnd},
	{"NUL in value", head("GET", "X: a\x00b"), errFieldValue},
	{"DEL in value", head("GET", "X: a\x7fb"), errFieldValue},

	{"no version", "GET /\r\nHost: h\r\n\r\n", errRequestLine},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"tab in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"space after the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", errRequestLine},
	{"long version", "GET / HTTP/1.10\r\nHost: h\r\n\r\n", errRequestLine},
	{"signed version", "GET / HTTP/+.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", errRequestLine},
	{"preface later", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errRequestLine},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", errRequestLine},
}

// Messages with a good header section and content that is refused.
var refusedBodies = []struct {
	name    string
	content string // of a chunked message
	want    error
}{
	{"no size", "\r\nhello\r\n0\r\n\r\n", errChunk},
	{"sign", "+5\r\nhello\r\n0\r\n\r\n", errChunk},
	{"0x", "0x5\r\nhello\r\n0\r\n\r\n", errChunk},
	{"not hexadecimal", "5g\r\nhello\r\n0\r\n\r\n", errChunk},
	{"space before the size", " 5\r\nhello\r\n0\r\n\r\n", errChunk},
	{"space after the size", "5 \r\nhello\r\n0\r\n\r\n", errChunk},
	{"2^63", "8000000000000000\r\n", errChunk},
	{"2^64+5", "10000000000000005\r\nhello\r\n0\r\n\r\n", errChunk},
	{"17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", errChunk},
	{"bare LF after the size", "5\nhello\r\n0\r\n\r\n", errChunk},
	{"bare CR after the size", "5\rhello\r\n0\r\n\r\n", errLineEnd},
	{"bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", errChunk},
	{"bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", errLineEnd},
	{"NUL in an extension", "5;\x00\r\nhello\r\n0\r\n\r\n", errChunk},
	{"no line end after the data", "5\r\nhello0\r\n\r\n", errChunk},
	{"bare LF after the data", "5\r\nhello\n0\r\n\r\n", errChunk},
	{"bare CR after the data", "5\r\nhello\r0\r\n\r\n", errChunk},
	{"endless extension", "5;" + strings.Repeat("a", 2000) + "\r\nhello\r\n0\r\n\r\n", errChunkLine},
	{"many extensions", strings.Repeat("1;"+strings.Repeat("a", 500)+"\r\nx\r\n", 30) + "0\r\n\r\n", errChunkLine},
	{"CL in the trailer", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", errTrailer},
	{"TE in the trailer", "5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n", errTrailer},
	{"folding in the trailer", "0\r\nX: a\r\n b\r\n\r\n", errFolding},
	{"bare LF in the trailer", "0\r\nX: a\n\r\n", errFieldValue},
	{"bare LF at the end", "0\r\n\n", errFieldName},
	{"bare CR at the end", "0\r\n\rGET", errLineEnd},
	{"large trailer", "0\r\nX: " + strings.Repeat("a", 5000) + "\r\n\r\n", errTrailer},
}

// Messages that are let through, with their content.
var accepted = []struct {
	name    string
	message string
	content string
}{
	{"GET", head("GET"), ""},
	{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ""},
	{"obs-text", head("GET", "X: \xfc\xff"), ""},
	{"empty value", head("GET", "X:", "Y: \t "), ""},
	{"CL", head("PUT", "Content-Length: 5") + "hello", "hello"},
	{"CL with white space", head("PUT", "CONTENT-LENGTH:\t 005 \t") + "hello", "hello"},
	{"CL 0", head("PUT", "Content-Length: 0"), ""},
	{"content like a request", head("PUT", "Content-Length: 18") + "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"},
	{"chunked", head("PUT", chunked) + "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n", "hello world"},
	{"CHUNKED", head("PUT", "transfer-encoding: \tCHUNKED ") + "0000000000000005;\r\nhello\r\n000\r\n\r\n", "hello"},
	{"chunk sizes", head("PUT", chunked) + "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
	{"data like a last chunk", head("PUT", chunked) + "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
	{"trailer", head("PUT", chunked) + "5\r\nhello\r\n0\r\nContent-Digest: x\r\nX-Content-Length: 1\r\n\r\n", "hello"},
	{"octet by octet", head("PUT", chunked) + strings.Repeat("1\r\nx\r\n", 9000) + "0\r\n\r\n", strings.Repeat("x", 9000)},
	{"extensions with data", head("PUT", chunked) + strings.Repeat("400;"+strings.Repeat("a", 900)+"\r\n"+strings.Repeat("x", 1024)+"\r\n", 100) + "0\r\n\r\n", strings.Repeat("x", 102400)},
	{"similar names", head("GET", "Content-Length-X: y", "X-Transfer-Encoding: gzip", "Transfer-Encodin: g"), ""},
}

// guarded returns what net/http gets to see of a connection on which r arrives.
func guarded(r io.Reader) io.Reader {
	l := NewListener(nil, true, discard)
	return &conn{Conn: readConn{Reader: r}, listener: l}
}

// readConn is a connection that only reads.
type readConn struct {
	net.Conn
	io.Reader
}

func (c readConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
func (c readConn) RemoteAddr() net.Addr       { return &net.TCPAddr{} }

// contents returns the content of each message that net/http reads from r to its end.
func contents(r io.Reader) []string {
	var list []string
	br := bufio.NewReader(r)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return list
		}
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return list
		}
		list = append(list, string(content))
	}
}

// spans returns the content of each message that framing follows to its end.
func spans(b []byte) ([]string, error) {
	var list []string
	var content []byte
	var f framing
	for i := range b {
		if f.state == inBody || f.state == inChunkData {
			content = append(content, b[i])
		}
		before := f.state
		if _, err := f.next(b[i : i+1]); err != nil {
			return list, err
		}
		if f.state == atMessage && before != atMessage {
			list = append(list, string(content))
			content = nil
		}
	}
	return list, nil
}

func TestRefusedHeads(t *testing.T) {
	for _, tt := range refusedHeads {
		t.Run(tt.name, func(t *testing.T) {
			stream := head("PUT", "Content-Length: 3") + "one" + tt.message + head("GET")
			list, err := spans([]byte(stream))
			if !errors.Is(err, tt.want) || len(list) != 1 {
				t.Errorf("followed %q, %v, want one message and %v", list, err, tt.want)
			}
			if list := contents(guarded(strings.NewReader(stream))); len(list) != 1 || list[0] != "one" {
				t.Errorf("net/http read %q", list)
			}
		})
	}
}

func TestRefusedBodies(t *testing.T) {
	for _, tt := range refusedBodies {
		t.Run(tt.name, func(t *testing.T) {
			stream := head("PUT", "Content-Length: 3") + "one" + head("PUT", chunked) + tt.content + head("GET")
			list, err := spans([]byte(stream))
			if !errors.Is(err, tt.want) || len(list) != 1 {
				t.Errorf("followed %q, %v, want one message and %v", list, err, tt.want)
			}
			if list := contents(guarded(strings.NewReader(stream))); len(list) != 1 || list[0] != "one" {
				t.Errorf("net/http read %q", list)
			}
		})
	}
}

// TestAccepted checks that good messages pass unchanged, in whatever pieces they arrive.
func TestAccepted(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			stream := tt.message + tt.message + "\r\n" + tt.message
			list, err := spans([]byte(stream))
			if err != nil || len(list) != 3 || list[0] != tt.content || list[1] != tt.content || list[2] != tt.content {
				t.Fatalf("followed %d messages, %v: %.80q", len(list), err, list)
			}
			if got, err := io.ReadAll(guarded(strings.NewReader(stream))); err != nil || string(got) != stream {
				t.Errorf("read %.80q, %v", got, err)
			}
			if list := contents(guarded(strings.NewReader(tt.message))); len(list) != 1 || list[0] != tt.content {
				t.Errorf("net/http read %.80q", list)
			}
		})
	}
}

// TestSplits checks that what is read does not depend on how it arrives or is asked for.
func TestSplits(t *testing.T) {
	var streams []string
	for _, tt := range refusedHeads {
		streams = append(streams, head("GET")+tt.message+head("GET"))
	}
	for _, tt := range refusedBodies {
		streams = append(streams, head("PUT", chunked)+tt.content+head("GET"))
	}
	for _, tt := range accepted {
		streams = append(streams, tt.message)
	}
	streams = append(streams, preface+"anything\n\x00", preface[:20]+"x", preface[:3], "P", "PUT", "")
	for _, stream := range streams {
		want, err := io.ReadAll(guarded(strings.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(guarded(iotest.OneByteReader(strings.NewReader(stream)))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("arriving by octets: %v\ngot  %.80q\nwant %.80q", err, got, want)
		}
		if got, err := io.ReadAll(iotest.OneByteReader(guarded(strings.NewReader(stream)))); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read by octets: %v\ngot  %.80q\nwant %.80q", err, got, want)
		}
		if len(stream) > 2000 {
			continue
		}
		for i := range stream {
			r := io.MultiReader(strings.NewReader(stream[:i]), strings.NewReader(stream[i:]))
			if got, err := io.ReadAll(guarded(r)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("in two pieces at %d: %v\ngot  %.80q\nwant %.80q", i, err, got, want)
			}
		}
	}
}

// TestSniffTimeout checks that a deadline in the middle of the preface loses nothing.
func TestSniffTimeout(t *testing.T) {
	for _, stream := range []string{preface + "more", head("PUT", "Content-Length: 2") + "ab"} {
		for i := range len(preface) {
			r := iotest.TimeoutReader(io.MultiReader(strings.NewReader(stream[:i]), strings.NewReader(stream[i:])))
			c := guarded(r)
			var got []byte
			for range 100 {
				b, err := io.ReadAll(c)
				got = append(got, b...)
				if err == nil {
					break
				}
				if !errors.Is(err, iotest.ErrTimeout) {
					t.Fatal(err)
				}
			}
			if string(got) != stream {
				t.Errorf("cut at %d: read %q", i, got)
			}
		}
	}
}

// TestStateSize notices when the memory of a connection grows.
func TestStateSize(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 360 {
		t.Errorf("a guarded connection has %d bytes of state", n)
	}
}

// FuzzFraming checks that framing and net/http agree on where each message ends.
func FuzzFraming(f *testing.F) {
	for _, tt := range refusedHeads {
		f.Add([]byte(head("GET")+tt.message+head("GET")), uint8(7))
	}
	for _, tt := range refusedBodies {
		f.Add([]byte(head("PUT", chunked)+tt.content+head("GET")), uint8(3))
	}
	for _, tt := range accepted {
		f.Add([]byte(tt.message+tt.message), uint8(1))
	}
	f.Add([]byte(preface), uint8(5))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		if n := min(len(stream), len(preface)); string(stream[:n]) == preface[:n] {
			return // HTTP/2, or nothing yet
		}
		followed, refused := spans(stream)
		seen := contents(guarded(bytes.NewReader(stream)))
		plain := contents(bytes.NewReader(stream))
		if len(seen) > len(followed) {
			t.Fatalf("net/http read %d messages, framing followed %d (%v)", len(seen), len(followed), refused)
		}
		for i := range seen {
			if seen[i] != followed[i] || i >= len(plain) || seen[i] != plain[i] {
				t.Fatalf("message %d: net/http read %q, framing followed %q, of %q", i, seen[i], followed[i], plain)
			}
		}
		whole, err := io.ReadAll(guarded(bytes.NewReader(stream)))
		if err != nil {
			t.Fatal(err)
		}
		if refused == nil && !bytes.Equal(whole, stream) {
			t.Fatalf("changed %q to %q", stream, whole)
		}
		pieces, err := io.ReadAll(guarded(&pieceReader{stream, int(size) + 1}))
		if err != nil || !bytes.Equal(pieces, whole) {
			t.Fatalf("in pieces of %d: %q, %v, want %q", int(size)+1, pieces, err, whole)
		}
	})
}

// pieceReader returns n octets at a time.
type pieceReader struct {
	rest []byte
	n    int
}

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.n)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// BenchmarkFraming measures what following a body costs.
func BenchmarkFraming(b *testing.B) {
	buf := make([]byte, 256<<10)
	b.Run("length", func(b *testing.B) {
		f := framing{state: inBody, remain: 1 << 62}
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			if _, err := f.next(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("chunked", func(b *testing.B) {
		chunk := append([]byte("4000\r\n"), make([]byte, 16<<10)...)
		chunk = append(chunk, "\r\n"...)
		f := framing{state: atChunkSize}
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			if _, err := f.next(chunk); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("head", func(b *testing.B) {
		message := []byte(head("GET", "User-Agent: curl/8.5.0", "Accept: */*", "X-Long: "+strings.Repeat("x", 400)))
		var f framing
		b.SetBytes(int64(len(message)))
		for b.Loop() {
			if _, err := f.next(message); err != nil {
				b.Fatal(err)
			}
		}
	})
}
