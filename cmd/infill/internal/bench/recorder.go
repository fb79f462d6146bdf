package bench

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in microseconds, with three significant digits, up to an
// hour.
const longest = time.Hour

// hopeless is the number of errors after which a round that had no success yet is
// given up.
const hopeless = 100

// A recorder counts the operations of one target, over all rounds of a workload. It
// is safe for concurrent use.
type recorder struct {
	mu        sync.Mutex // guards all
	latencies *hdrhistogram.Histogram
	ops       int64            // of this round, without errors
	bytes     int64            // of this round
	failed    int64            // of this round
	total     int64            // operations of all rounds
	assembly  []time.Duration  // of each fill of all rounds
	errors    map[string]int64 // of all rounds
	first     error            // that was counted
}

func newRecorder() *recorder {
	return &recorder{
		latencies: hdrhistogram.New(1, longest.Microseconds(), 3),
		errors:    make(map[string]int64),
	}
}

// begin begins a round.
func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops, r.bytes, r.failed = 0, 0, 0
}

// assembled records how long it took to make one resource of what was filled.
func (r *recorder) assembled(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.assembly = append(r.assembly, took)
}

// done records an operation over n bytes that ended now. An error counts by its
// kind, and then neither its bytes nor its time do. What was interrupted because
// ctx ended does not count at all.
func (r *recorder) done(ctx context.Context, start time.Time, n int64, err error) {
	took := time.Since(start)
	if err != nil {
		if ctx.Err() == nil {
			r.fail(err)
		}
		return
	}
	r.record(took, n)
}

// record records an operation that succeeded.
func (r *recorder) record(took time.Duration, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops++
	r.total++
	r.bytes += n
	if err := r.latencies.RecordValue(min(max(took, time.Microsecond), longest).Microseconds()); err != nil {
		panic(err) // the value is in the range of the histogram
	}
}

// fail counts an error.
func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	r.errors[kind(err)]++
	if r.first == nil {
		r.first = err
	}
}

// hopeless reports whether the round has nothing but errors, and many.
func (r *recorder) hopeless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops == 0 && r.failed >= hopeless
}

// latency returns the percentiles of what was recorded.
func (r *recorder) latency() Latency {
	r.mu.Lock()
	defer r.mu.Unlock()
	ms := func(micros int64) float64 { return float64(micros) / 1e3 }
	return Latency{
		P50:  ms(r.latencies.ValueAtPercentile(50)),
		P99:  ms(r.latencies.ValueAtPercentile(99)),
		P999: ms(r.latencies.ValueAtPercentile(99.9)),
		Max:  ms(r.latencies.Max()),
	}
}
