package client

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/infill-http/infill/ranges"
)

// TestPlanShares lets several clients work on one resource, each with segments in flight that the others do not see. All is
// done in the end, a client alone does nothing twice, and several do little.
func TestPlanShares(t *testing.T) {
	const size = 1 << 30
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		clients := 1 + int(seed%4)
		c := &Client{seed: rng.Int64N}
		var plans []*plan
		for i := range clients {
			p := newPlan(c, size)
			p.shared = i > 0 // the first one has begun it
			plans = append(plans, &p)
		}
		type flight struct {
			p *plan
			r ranges.Range
		}
		var flights []flight
		under := map[*plan]int64{}
		var done ranges.Set
		var sent int64
		for done.Size() < size {
			for _, p := range plans {
				for under[p] < p.workers {
					r, ok := p.next()
					if !ok {
						break
					}
					if r.Empty() || r.End > size || p.have.Overlaps(r) {
						t.Fatalf("seed %d: segment %v, of which is there %v", seed, r, p.have)
					}
					sent += r.Len()
					under[p]++
					flights = append(flights, flight{p, r})
				}
			}
			if len(flights) == 0 {
				t.Fatalf("seed %d: nothing to do, %v is done", seed, done)
			}
			i := rng.IntN(len(flights))
			f := flights[i]
			flights[i] = flights[len(flights)-1]
			flights = flights[:len(flights)-1]
			under[f.p]--
			if rng.IntN(50) == 0 {
				f.p.failed(f.r)
				sent -= f.r.Len()
				continue
			}
			done.Add(f.r)
			f.p.done(f.r, time.Duration(rng.Int64N(int64(2*time.Second))))
			f.p.learn(done)
		}
		if more := sent - size; clients == 1 && more != 0 || more > size/10 {
			t.Errorf("seed %d: %d clients did %d of %d bytes again", seed, clients, more, size)
		}
	}
}
