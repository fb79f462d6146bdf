// Package ranges has half-open ranges of bytes, sets of them, maps from them to values, and the grammars of the header
// fields that carry them: Range, Content-Range, Content-Offset and Upload-Received.
//
// HTTP counts the last byte of a range in: "bytes 2-5/12" names four bytes. In this module, such inclusive positions
// exist only inside the functions here that parse and format fields. All else is a [Range], which does not include its
// End, so that a length is a difference and what follows a range begins at its End.
//
//	offset          0   1   2   3   4   5   6   7
//	Range{2, 6}             [---------------)           "bytes 2-5/8"
//
// # Sets and maps
//
// A [Set] says which bytes there are, a [Map] what is known about them; a Set is a Map without values. Both are
// persistent trees: a copy costs nothing, and stays as it is when the original is changed. A server can therefore hand
// out the ranges of a resource at one moment to a reader that needs minutes to look at them, while writers go on.
//
// # Integers
//
// Offsets and lengths are int64. No function overflows, whatever a field says: numbers beyond 2^63-1 are an error where a
// field names bytes to be written, and mean "up to the end" where a field asks for bytes to be read.
//
// # Errors
//
// The parsers return a [*ParseError] for what does not follow the grammar, and wrap [ErrUnit] for what does but has a
// range unit other than bytes. [ParseRange] only wraps [ErrIgnored] and [ErrUnsatisfiable], because a field of that name
// that is malformed is no error to the sender.
package ranges
