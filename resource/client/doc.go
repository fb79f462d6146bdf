// Package client uploads and downloads whole files to and from servers of segmented resources, over several connections,
// and goes on after whatever interrupted it. spec/ describes the protocol.
//
// # Uploads
//
// [Client.Upload] sends what an io.ReaderAt has. Nothing is remembered but the URL: the state of the resource says what
// is there, and what is missing is sent, in segments, each with a digest. So any number of processes that are given the
// same URL and the same bytes share the work: each takes its segments from another place of what is missing, sees in
// the responses what the others have done, and leaves that out. A segment that is sent twice does no harm.
//
// The last bytes of a file are held back until all else is there. They are sent only if the file was not modified since
// the upload began, or with the digest of the whole, which is computed meanwhile where [Whole] says so: whenever the
// resource has bytes that this call did not send. So a file that changed while it was sent, or a resource that was begun
// with other bytes, is never complete without anybody noticing; the error wraps [ErrSource] or [ErrDigest].
//
// [Client.UploadStream] sends what an io.Reader has, whose length is not known, in segments one after the other, with
// bounded memory.
//
// A complete resource is not written to piece by piece. Unless UploadOptions.Replace is set, the error wraps
// [ErrExists]; if it is, the new content is uploaded beside it and takes its place by MOVE, so that readers have the old
// content until all of the new one is there.
//
// # Downloads
//
// [Client.Download] gets a complete resource in ranges into a file with the suffix .part, and keeps a second file beside
// it that says what of it is there. When all is there and its digest is right, it gets its name. Every request demands
// the entity tag of the first one, so that bytes of two versions are never mixed.
//
// The digest is by default a CRC-32C, if the server tells one: the client computes it of each piece that comes and puts
// them together, and a server that keeps checksums does the same. Damage is found so, and forgery is not; for that there
// is TLS, and DownloadOptions.Digest. Other servers are asked for SHA-256.
//
// [Client.DownloadCollection] does that for all that is listed in a collection and those below it. Names and listings come
// from the server, and are not trusted: files are opened below one directory only, which no link in it leads out of, and
// a listing that names what is not in its collection, or does not go forward, is an error.
//
// # Other servers
//
// Servers that speak draft-ietf-httpapi-patch-byterange, and do not tell the committed ranges in Upload-Received
// (draft-spk-httpbis-parallel-upload), get the segments one after the other, and Content-Length in the response to HEAD
// is taken for the end of what they have. Servers that do not know PATCH get one PUT. Servers without ranges, or
// without strong entity tags, are read with one GET.
//
// # Errors and retries
//
// What may succeed later (lost connections, the statuses 408, 425, 429, 500, 502, 503 and 504) is tried again as
// Client.Retry says, after the state of the resource was asked for: every request of this package can be sent twice
// without harm. Other errors are final. A response that is an error is an [*Error] with the problem document (RFC 9457),
// and matches one of the variables Err… with errors.Is.
//
// Ending the context ends any call at once. What was committed stays, and the same call goes on from there.
package client
