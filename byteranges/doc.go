// Package byteranges reads and writes the three media types that carry byte-range patches
// (draft-ietf-httpapi-patch-byterange-03, Section 3): documents of one or more parts, each of which names one
// contiguous range of a resource and holds the bytes for it.
//
//	message/byterange       fields, an empty line, the bytes of the one part
//	multipart/byteranges    parts of that form between boundary delimiter lines
//	application/byteranges  parts in a binary form with lengths in front (RFC 9292)
//
// A [Reader] takes such a document apart and a [Writer] composes one. Both stream: no part body is ever held in memory,
// whatever its length, and nothing is allocated for a length that is only declared. A [Framing] holds what goes around
// the parts of an answer with several ranges (RFC 9110, Section 15.3.7.2).
//
// # What a reader promises
//
// The bytes that [Part.Read] delivers belong to the range that the part names, even if the document turns out to be
// malformed or incomplete later: bytes beyond the range, and bytes that may be the beginning of a delimiter, are not
// delivered. So the caller may keep what it got. Only the io.EOF of a Part says that the part is whole, and only the
// io.EOF of [Reader.Next] that the document is.
//
// Every error is final for its Reader. It wraps one of the sentinels of this package, ErrUnit of package
// ranges, io.ErrUnexpectedEOF for a document that ends too early, or else the error of the underlying reader, which is an
// interruption and never reported as a fault of the document.
//
// Part fields have a type of their own, [Header], and are never merged into the fields of a request.
//
// # Limits
//
// The fields of [Limits] bound what a document may hold. Their defaults are:
//
//	DefaultMaxParts        parts in one document
//	DefaultMaxFields       fields of one part
//	DefaultMaxHeaderBytes  octets of the fields of one part
//	DefaultMaxNameBytes    octets of one field name
//	DefaultMaxPadding      octets of a multipart document outside of its parts
//
// A Reader holds at most 64 KiB of the content, and one header section. The time it takes is linear in the length of
// the content, whatever the content is.
package byteranges
