// Package server runs an [http.Handler] as a long upload server needs it:
// strict HTTP/1.1 message framing, HTTP/2 with and without TLS, time limits
// that bound idleness instead of the whole of a body, and a shutdown that lets
// requests in flight finish.
//
// # Framing
//
// net/http is lenient where request smuggling begins: a message with both
// Content-Length and Transfer-Encoding is accepted and its connection kept,
// equal repeated Content-Length fields are folded into one, obsolete line
// folding and bare LF line ends are joined into the field before. A proxy in
// front that reads such a message differently can be made to take one client's
// bytes for another client's request. [NewListener] therefore follows the
// framing of everything that arrives on a cleartext connection (RFC 9112,
// Sections 2 to 7), octet by octet, without holding or copying it. At the first
// octet that is not as the grammar has it, the rest of the connection is replaced
// by a few octets that net/http must refuse, and then by its end. The refusal is
// net/http's own: 400 and a closed connection, after the responses to the
// requests that were pipelined before; in the body of a message it is an error of
// the body's Read.
//
// Refused with 400, and the connection closed:
//
//   - Content-Length and Transfer-Encoding in one message, any repeated
//     Content-Length (also as a list) and any that is not a decimal number
//     below 2^63 (RFC 9112, Sections 6.1 and 6.3)
//   - a repeated or empty Transfer-Encoding, one in which chunked is not the
//     last coding or is there twice, and any in HTTP/1.0 (RFC 9112, Section 6.1);
//     other codings before a final chunked are 501
//   - line folding, white space before the colon, at the start of a line or
//     before the first field, bare CR, bare LF, and control characters
//     (RFC 9112, Sections 2.2, 5.1 and 5.2)
//   - chunk sizes that are not 1 to 16 hexadecimal digits below 2^63, or are
//     followed by anything but CRLF or an extension; chunk data that does not end
//     in CRLF; chunk extensions or trailers beyond the limits below; framing fields
//     in trailers (RFC 9112, Section 7.1)
//
// # Limits
//
// A header section is bounded by [Server.MaxHeaderBytes] (431). The line of a
// chunk size with its extensions is bounded by 1 KiB, the sum of what such lines
// have beyond 16 octets and twice the data of each chunk by 8 KiB, and a trailer
// section by 4000 octets. The state that is kept for a connection has a fixed
// size of a few hundred bytes.
//
// # Peers that are slow, or gone
//
// A client that vanishes without a word, or stays and does nothing, holds a
// connection and what a handler has open for it. Each way to wait for a client has
// its bound: for a header section [Server.ReadHeaderTimeout], between two requests
// [Server.IdleTimeout], for what a client has to take [Server.WriteIdleTimeout] and
// [Server.MinWriteRate], for a sign of life on an HTTP/2 connection
// [Server.PingInterval]. Content is what the handler waits for, so it sets that bound.
// A response counts as taken when the client's host has acknowledged it, where the
// operating system tells (Linux), and else when the connection has accepted it.
//
// # Files
//
// Over HTTP/1.1, bytes of a file that a handler gives to the ReadFrom method of its
// [http.ResponseWriter], inside an [io.LimitedReader], go to the connection by sendfile
// where the operating system can. The reader may be an [os.File], whose position moves;
// or one with the methods
//
//	FileAt() (f *os.File, off int64)
//	Seek(off int64, whence int) (int64, error)
//
// that reads f at off, so that many responses can be sent from one open file. FileAt
// may return no file; then the bytes are read. The limits above hold for it as for any
// other response.
package server
