// Package bench puts load on servers that store what is uploaded to them, and
// measures how they bear it.
//
// A workload is one kind of work, such as an upload over one connection or random
// overwrites over many. A protocol says how that work is asked for: by
// byte-range writes, plain PUT, tus or S3. Run does the workloads in rounds; of two
// targets, each round has both, one after the other and the first one by turns, so
// that what changes on the machine meanwhile meets both.
//
// The client is made to cost little, since it often shares the machine with the
// server: each concurrent client has a connection of its own, content is sent from
// one buffer of random bytes without being copied, nothing is hashed, and latencies
// go to a histogram of bounded size.
//
// Everything that is made on a server has a name with a random prefix, as far as the
// protocol lets the client choose, and is deleted after the round, or at the end.
package bench
