// Package store is a durable sparse extent map: it keeps resources whose bytes
// arrive in ranges, in any order and from many writers at once, and knows for
// every byte whether it is committed. Pebble holds the map, files hold the
// bytes. The package knows nothing of HTTP.
//
// # Model
//
// A name has no resource, an incomplete one, or a complete one. An incomplete
// resource is filled: committed bytes stay, and a write that carries other
// bytes for them is refused ([ErrRangeConflict]) unless its transaction says
// [TxOptions].Replace. When its length is known and every byte of it is
// committed, the resource is complete: a change of its record, nothing is
// copied. Bytes of a complete resource are overwritten, whole transactions at
// a time.
//
// Everything is written in two steps. Bytes are staged: streamed to a place
// that is theirs alone, invisible. Then they are committed: synced, checked
// against the state that the resource has by now, and entered in the map with
// one batch. A transaction ([Tx]) is that pair; [Snapshot] is a state that
// stays readable.
//
// # Invariants
//
// The code and the tests cite them by number.
//
//  1. An extent in the map implies that its bytes are durable. The order is:
//     write, sync the data and the directory of a new file, commit the batch
//     with its sync, publish in memory, return.
//  2. What is reported as committed is never more than what is durable, and
//     never shrinks on an incomplete resource.
//  3. The extents of a resource are sorted, non-empty, disjoint, and inside
//     [0,N) when N is known.
//  4. A commit is all or nothing: what a transaction staged becomes visible,
//     and survives a crash, as one.
//  5. A snapshot returns the same bytes for as long as it is open, whatever is
//     written, moved or deleted.
//  6. A byte of a data file is written by the transaction or fold that
//     reserved it, and never again after it was committed. Uncommitted bytes
//     may be reserved anew once the last write to them has returned.
//  7. An error of a sync seals the file for this process: nothing uncommitted
//     in it is ever acknowledged, because reading it again proves nothing.
//     What was committed before stays readable. A failed sync of a directory
//     seals every file that is new in it. Running out of space seals the file
//     only; any other I/O error makes the store read-only. An error of the log
//     of the map ends the process, because the map shows what was not synced.
//  8. Every file is named by the map or listed as garbage: its id is entered
//     as garbage, durably, before it is made, and the first batch that names
//     it removes the entry. So opening a store after any crash needs no scan
//     and leaves nothing behind.
//  9. Memory and time of an operation grow with the ranges it touches and the
//     logarithm of their number, never with N. (Loading a resource that
//     nobody used lately costs its extents once; a transaction holds 24 bytes
//     of checksum for each 64 KiB that it writes before it commits, and one
//     that makes a new resource at most 96 KiB of them.)
//
// # Where bytes live
//
// The first fill of a hole goes to the home file of the resource, at the same
// offset there, so that a finished upload is one plain file. What may not be
// written in place goes to overlay files: bytes over committed ones, bytes of
// a hole that another writer is filling at this moment, and all writes to a
// resource that was moved or copied. A small write goes into the map, unless
// many writers of the resource share the syncs of a file (inline.go). An
// extension with zeros is nowhere. See
// space.go for who decides, keys.go for the layout of the map, crc.go for the
// checksums, crcwhole.go for what they come to, fold.go for how overlays are
// kept in bounds, expire.go for how incomplete resources that nobody writes to
// go away. Files that are read stay open, in bounds and shared by all readers
// (handles.go); section.go says how their bytes get to a connection.
//
// Bytes of a complete or incomplete resource that are found damaged are taken
// out of its map (damage.go): the one exception to the second half of 2.
//
// # What is promised, and against what
//
// Each row names the tests that show it. Those of this package run in memory,
// on a file system that can be made to crash and to fail; those of
// cmd/infill and resource use the command, or a server, over HTTP.
//
//	failure                          promise                                      shown by
//	power loss, crash of the system  invariants 1 to 4 and 8 hold after the next  TestCrash, TestCrashConcurrent,
//	                                 opening: what was acknowledged is there,     TestSweep
//	                                 commits are there as a whole or not at all,
//	                                 and no file is left over
//	crash of the process             the same; opening takes no longer for more   TestKill, TestStart
//	                                 bytes                                        (cmd/infill)
//	error of a write, of a sync,     the commit fails and nothing of it counts;   TestSweep, TestProcessEnds,
//	of opening or removing a file    what was committed stays; the store goes on, fault_test.go (also in resource)
//	                                 is read-only, or ends the process if the
//	                                 log of the map cannot be written
//	full disk                        writes are ErrFull, deletions go on, and so  TestSweep
//	                                 does everything once there is space again
//	damaged bytes on the disk        who reads with checksums does not get them;  TestDamage..., TestScrubPace,
//	                                 what is lost is told, and writing it heals   TestCheck...
//	a client that stops anywhere     invariants 2 and 4, and nothing is held for  TestInterruptions (resource)
//	                                 it
//	writers at the same time         every history is that of one resource that   TestModel, TestConcurrent...,
//	                                 changes in single steps                      TestHistory (resource)
//	running for long                 files, descriptors and memory stay bounded   TestSoak (cmd/infill)
//
// Not promised: anything after a disk that acknowledged a sync and lost the
// bytes; anything against a process that writes to the directory beside the
// store (one that opens it as a store is kept out); the loss of the map, whose
// own checksums make damage to it an error and not a wrong byte, but for which
// there is no second copy.
//
// # What is assumed of the disk
//
// A sync that returns without error makes durable all that was written to the
// file before, and the file system keeps the directory entry of a file whose
// directory was synced. Unsynced bytes may be lost, kept or torn in any
// combination. Nothing is assumed of the order in which they reach the disk.
// Asking the disk to begin early (writeback_linux.go) promises nothing, and an
// error of it counts as one of a sync. On Linux, the sync of a part of a file
// is assumed to do for that part what a sync of the file does.
//
// With [DurabilityNone] nothing is synced until the store closes, and the
// directory is marked so that it cannot be taken for a durable one after an
// unclean stop.
package store
