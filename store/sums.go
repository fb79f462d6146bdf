package store

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/infill-http/infill/ranges"
)

// putSums adds the checksums of pieces to those that the chunks of their
// files have. Only the resource that owns a file writes to it, so the leader
// of its queue is alone in this, but for dropSums: the caller holds s.sums.
func (s *Store) putSums(pb *pebble.Batch, sums map[fileID][]crcPiece) error {
	for f, pieces := range sums {
		damaged := s.damage.in(f) // what joins it could not be told from it
		chunks := make(map[int64][]crcPiece)
		for _, p := range pieces {
			chunks[p.off/crcChunk] = append(chunks[p.off/crcChunk], p)
		}
		for chunk, ps := range chunks {
			var n int64
			for _, p := range ps {
				n += p.n
			}
			if n < crcChunk { // else there can be no others
				v, err := s.get(crcKey(f, chunk))
				if err != nil {
					return err
				}
				have, err := decodeCRC(chunk, v)
				if err != nil {
					return err
				}
				ps = append(have, ps...)
			}
			sortCRC(ps)
			pb.Set(crcKey(f, chunk), encodeCRC(chunk, mergeCRC(ps, damaged)), nil)
		}
	}
	return nil
}

// addSums writes checksums of a file that no extent names yet, without
// waiting for the disk.
func (s *Store) addSums(file fileID, pieces []crcPiece) error {
	s.sums.RLock()
	defer s.sums.RUnlock()
	pb := s.db.NewBatch()
	if err := s.putSums(pb, map[fileID][]crcPiece{file: pieces}); err != nil {
		return err
	}
	return pb.Commit(pebble.NoSync)
}

// addSums notes pieces that a batch commits.
func (b *batch) addSums(file fileID, pieces crcPieces) {
	if len(pieces) == 0 {
		return
	}
	if b.sums == nil {
		b.sums = make(map[fileID][]crcPiece)
	}
	b.sums[file] = append(b.sums[file], pieces...)
}

// dropSums removes the checksums of damaged bytes that no resource names.
func (s *Store) dropSums(file fileID, set ranges.Set) error {
	s.sums.Lock()
	defer s.sums.Unlock()
	pb := s.db.NewBatch()
	defer pb.Close()
	for r := range set.All() {
		for chunk := r.Start / crcChunk; chunk*crcChunk < r.End; chunk++ {
			v, err := s.get(crcKey(file, chunk))
			if err != nil {
				return err
			}
			have, err := decodeCRC(chunk, v)
			if err != nil {
				return err
			}
			var keep crcPieces
			for _, p := range have {
				if set.Overlaps(p.bytes()) && !set.Covers(p.bytes()) {
					// It has grown by bytes that were committed since, which have
					// no checksum of their own.
					s.damaged(file, p.bytes(), errChecksum)
				}
				if !set.Covers(p.bytes()) {
					keep = append(keep, p)
				}
			}
			if len(keep) == len(have) {
				continue
			}
			if len(keep) == 0 {
				pb.Delete(crcKey(file, chunk), nil)
			} else {
				pb.Set(crcKey(file, chunk), encodeCRC(chunk, keep), nil)
			}
		}
	}
	return pb.Commit(pebble.Sync)
}
