package client

import (
	"time"

	"github.com/infill-http/infill/ranges"
)

const (
	// align is what positions inside a file are rounded to, so that servers get whole blocks.
	align = 64 << 10

	// Segments that take less than fastSegment, or fastFetch, grow, and those that take more than slowSegment shrink. What
	// is fetched is hashed in order, so it should not come from too far apart; and a request for it costs no commit.
	fastSegment = time.Second
	fastFetch   = 50 * time.Millisecond
	slowSegment = 4 * time.Second
)

// A plan decides which bytes of a transfer are sent, or fetched, next. It is not safe for concurrent use.
//
// Alone, a client goes from the first gap to the last one. If others work on the same resource, each goes on from where it
// is until it meets bytes that are there, and then begins anew inside another gap:
//
//	there     in flight           gap              there
//	########  1111~~~~~~~~~~~~~~~~~2222~~~~~~~~~~~~~###########
//	          |                    |
//	          client 1 goes on     client 2 begins between 3/8 and 7/8 of the gap, at random
//
// What a client has in flight is a sixteenth of the gap in front of it at most, so nobody begins where another one is at
// work, and when client 1 arrives at the bytes of client 2 they are committed. So few bytes are sent twice, without any
// word between the clients.
type plan struct {
	size    int64      // bytes of the transfer
	workers int64      // segments in flight at most
	least   int64      // bytes of a segment, if there are as many
	most    int64      // bytes of a segment at most
	segment int64      // bytes of a segment now
	have    ranges.Set // done, by whomever
	busy    ranges.Set // in flight
	mine    ranges.Set // that was ever in flight
	held    ranges.Range
	cursor  int64               // end of the segment that was handed out last
	rate    int64               // bytes per second of one connection, of the last segment
	begun   int64               // segments that were handed out
	foreign bool                // there are bytes that others have done
	shared  bool                // others work on the same
	quiet   int64               // segments since there was a sign of others
	ordered bool                // one segment at a time, in order
	fast    time.Duration       // segments that take less grow
	random  func(n int64) int64 // returns a number from 0 to n-1
}

func newPlan(c *Client, size int64) plan {
	return plan{size: size, workers: int64(c.connections()), least: c.minSegment(), most: c.maxSegment(), segment: c.firstSegment(), cursor: -1,
		fast: fastSegment, random: c.random}
}

// all returns the range of the whole transfer.
func (p *plan) all() ranges.Range { return ranges.Range{End: p.size} }

// missing returns how many bytes are not done.
func (p *plan) missing() int64 { return p.size - p.have.Size() }

// next returns what to do next, and false if there is nothing at the moment.
func (p *plan) next() (ranges.Range, bool) {
	taken := p.have.Union(p.busy)
	taken.Add(p.held)
	if p.ordered && !p.busy.Empty() {
		return ranges.Range{}, false
	}
	left := p.size - taken.Size()
	if left == 0 {
		return ranges.Range{}, false
	}
	var gap ranges.Range
	for gap = range taken.Gaps(ranges.Range{Start: max(0, p.cursor), End: p.size}) {
		break
	}
	if gap.Empty() || gap.Start != p.cursor || p.ordered {
		gap = p.begin(taken, left)
	}
	r := ranges.Range{Start: gap.Start, End: gap.Start + p.length(gap, left)}
	if r.End < gap.End {
		if end := r.End / align * align; end > r.Start {
			r.End = end
		}
	}
	if gap.End-r.End < min(p.least, p.most-r.Len()) {
		r.End = gap.End
	}
	p.busy.Add(r)
	p.mine.Add(r)
	p.begun++
	p.cursor = r.End
	return r, true
}

// begin returns the end of a gap, from where the next segments are taken. left is how much is in all gaps together.
func (p *plan) begin(taken ranges.Set, left int64) ranges.Range {
	if !p.shared || p.ordered {
		for gap := range taken.Gaps(p.all()) {
			return gap
		}
	}
	at := p.random(left)
	for gap := range taken.Gaps(p.all()) {
		if at -= gap.Len(); at >= 0 {
			continue
		}
		if gap.Len() > 2*p.least {
			start := gap.Start + gap.Len()*3/8
			start = (start + p.random(gap.Len()/2)) / align * align
			gap.Start = max(gap.Start, start)
		}
		return gap
	}
	return ranges.Range{}
}

// length returns how long the next segment is, at the start of gap.
func (p *plan) length(gap ranges.Range, left int64) int64 {
	share := max(left/p.workers, p.rate/10) // the last segments of all connections end within a tenth of a second
	if p.shared {
		share = gap.Len() / (16 * p.workers)
	}
	if p.ordered {
		share = left
	}
	segment := p.segment
	if p.rate == 0 {
		// The first segments have different lengths, so that not all connections wait for a commit at the same time.
		segment = min(p.most, p.segment*(p.begun+1))
	}
	return min(segment, max(p.least, share), gap.Len())
}

// done notes that all of r was done in the given time.
func (p *plan) done(r ranges.Range, took time.Duration) {
	p.busy.Sub(r)
	p.have.Add(r)
	p.quiet++
	p.rate = int64(float64(r.Len()) / max(took.Seconds(), 1e-6))
	if p.quiet > 4*p.workers {
		p.shared = false
	}
	switch {
	case took < p.fast && r.Len() >= p.segment/2:
		p.segment = min(p.most, 2*p.segment)
	case took > slowSegment:
		p.segment = max(p.least, p.segment/2)
	}
}

// failed notes that r was not done.
func (p *plan) failed(r ranges.Range) {
	p.busy.Sub(r)
	p.segment = max(p.least, p.segment/2)
	p.cursor = r.Start
}

// learn adds what is known to be done, by whomever, and reports whether any of it is new.
func (p *plan) learn(s ranges.Set) bool {
	news := s.Subtract(p.have)
	if !news.Subtract(p.mine).Empty() {
		p.foreign, p.shared, p.quiet = true, true, 0
	}
	p.have = p.have.Union(s)
	return !news.Empty()
}
