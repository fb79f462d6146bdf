package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// cleanup is how long what was made may be deleted for after Run was to end.
const cleanup = 30 * time.Second

// Run does the workloads of c, which must be valid, and returns what it measured.
// Errors of the servers are counted in the report. The error of Run says why it
// could not begin, or that ctx ended; then the report has the rounds that were
// complete. In any case it deletes what it made, and if ctx ended, takes up to half a
// minute for that.
func Run(ctx context.Context, c *Config) (*Report, error) {
	report := &Report{Prefix: fmt.Sprintf("infill-bench-%.8s-", rand.Text()), Targets: c.Targets}
	var targets []*target
	for _, t := range c.Targets {
		tgt, err := newTarget(t, c, report.Prefix)
		if err != nil {
			return report, err
		}
		defer tgt.close()
		targets = append(targets, tgt)
	}
	for _, t := range targets {
		if err := t.probe(ctx); err != nil {
			return report, err
		}
	}
	for _, name := range c.Workloads {
		w := runWorkload(ctx, c, name, targets)
		report.Workloads = append(report.Workloads, w)
		for _, result := range w.Results {
			for _, n := range result.Errors {
				report.Errors += n
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	for _, t := range targets {
		report.Left += t.left
	}
	return report, ctx.Err()
}

// A side is a target in one workload.
type side struct {
	*target
	recorder *recorder
	round    round
	result   Result
}

// runWorkload does all rounds of a workload.
func runWorkload(ctx context.Context, c *Config, name string, targets []*target) WorkloadReport {
	w := workloads[name]
	report := WorkloadReport{Workload: name, About: w.about(c), Unit: w.unit}
	sides := make([]*side, len(targets))
	for i, t := range targets {
		sides[i] = &side{target: t, recorder: newRecorder(), result: Result{Possible: true}}
		sides[i].enter()
	}
	for _, s := range sides {
		var err error
		s.round, err = w.prepare(ctx, s.target, c)
		if err != nil {
			s.failed(ctx, err)
			s.round = nil
		}
	}
	for n := 0; n < c.Rounds && ctx.Err() == nil; n++ {
		for k := range sides {
			// The first one goes second in every other round: A B, B A, A B.
			k = (k + n) % len(sides)
			s := sides[k]
			if s.round == nil || ctx.Err() != nil {
				continue
			}
			rate := s.measure(ctx, w.unit)
			if ctx.Err() != nil {
				continue // half a round says nothing
			}
			s.result.Rounds = append(s.result.Rounds, rate)
			if c.Progress != nil && s.result.Possible {
				c.Progress(Progress{name, k, n + 1, c.Rounds, rate, w.unit})
			}
		}
	}
	for _, s := range sides {
		s.tidy(ctx)
		s.result.finish(s.recorder)
		report.Results = append(report.Results, s.result)
	}
	if len(sides) == 2 {
		report.Ratio = compare(sides[0].result.Rounds, sides[1].result.Rounds)
	}
	return report
}

// measure does one round, deletes what it made, and returns its rate in the given
// unit, 0 if it failed.
func (s *side) measure(ctx context.Context, unit string) float64 {
	s.enter()
	defer s.tidy(ctx)
	s.recorder.begin()
	start := time.Now()
	err := s.round(ctx, s.recorder)
	took := time.Since(start)
	if err != nil {
		s.failed(ctx, err)
		return 0
	}
	return s.recorder.rate(unit, took)
}

// failed records that a workload cannot be done, at all or this time.
func (s *side) failed(ctx context.Context, err error) {
	switch {
	case errors.Is(err, errNotPossible):
		s.result.Possible, s.result.Reason = false, err.Error()
		s.round = nil
	case ctx.Err() == nil && !errors.Is(err, errCounted):
		s.recorder.fail(err)
	}
}

// tidy deletes what was made in the present stage.
func (s *side) tidy(ctx context.Context) {
	ctx, cancel := outlast(ctx, cleanup)
	defer cancel()
	if err := s.leave(ctx); err != nil {
		s.recorder.fail(fmt.Errorf("cannot delete a resource: %w", err))
	}
}
