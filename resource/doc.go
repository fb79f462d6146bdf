// Package resource is the HTTP meaning of a store of segmented resources: resources that are allocated once and then
// filled, in any order and by any number of clients, with byte-range writes, until they are whole. A [Handler] serves
// them; spec/ describes the protocol.
//
// # Resources
//
// The path of a request names the resource, in any spelling; the query does not count. A resource is absent, incomplete
// (its complete-length may be known, and some ranges are committed), or complete. It becomes complete by itself when its
// last byte is durable. The representation of an incomplete resource is what is committed from byte 0 on without a gap;
// bytes beyond the first gap can be written and are reported, but not read. Paths that end in a slash are collections:
// POST allocates in them, GET lists them, and they need not be made. Paths under /.well-known/infill/ are the server's.
//
//	POST        allocate a resource, or store the content as a new one
//	PUT         store the content as the whole resource, or with Content-Range as one segment of it
//	PATCH       write the ranges that a document names, in one of the media types of package byteranges
//	GET, HEAD   read, in ranges if asked for; HEAD of an incomplete resource reports what is committed
//	DELETE      remove
//	MOVE, COPY  give a complete resource another name, or another resource its content
//	OPTIONS     tell what is possible
//
// # Writes
//
// A 2xx response means that everything the request wrote is durable. A write is applied as a whole or not at all, unless
// the client prefers transaction=persist: then what arrives is committed every so often, and stays if the rest does not
// come. Preconditions are evaluated before the content is read, and again when it is committed, on the state that the
// commit replaces.
//
// The digests that a request has for its content, in fields or in trailers, are verified before anything is committed,
// even with transaction=persist. A digest in a trailer that was not announced with the Trailer field is verified if it is
// SHA-256 and the length of the content was not told in advance; else the request fails, because the content was not
// hashed. Digests of the whole representation are verified when it is complete.
//
// # Errors
//
// Every error is a problem document (RFC 9457) with a stable type, and says what of the resource is committed. ServeHTTP
// is the only place where an error becomes a response.
//
// # Browsers
//
// Clients choose the media types of resources. All responses forbid guessing them, and a type that is not known to be
// passive, such as HTML or SVG, is served with a policy that puts it in a sandbox without scripts and without the origin
// of the server. Scripts of other origins may use the server unless Handler.AllowedOrigins says otherwise, without
// credentials of the browser.
package resource
