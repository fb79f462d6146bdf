package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// A Report is what Run measured.
type Report struct {
	Prefix    string           `json:"prefix"` // of the names of all resources that were made
	Targets   []Target         `json:"targets"`
	Workloads []WorkloadReport `json:"workloads"`
	Errors    int64            `json:"errors"` // of all workloads
	Left      int              `json:"left"`   // resources that could not be deleted
}

// A WorkloadReport is what was measured with one workload.
type WorkloadReport struct {
	Workload string   `json:"workload"`
	About    string   `json:"about"`
	Unit     string   `json:"unit"`            // of rates
	Results  []Result `json:"results"`         // one of each target
	Ratio    *Ratio   `json:"ratio,omitempty"` // of the first target to the second one
}

// A Result is what was measured with one workload on one target.
type Result struct {
	Possible bool             `json:"possible"`         // the protocol, and the server, can do it
	Reason   string           `json:"reason,omitempty"` // why not
	Rate     float64          `json:"rate"`             // median of the rounds that did not fail; 0 if all did
	Rounds   []float64        `json:"rounds"`           // rate of each round; 0 if it failed
	Ops      int64            `json:"operations"`       // that succeeded
	Latency  Latency          `json:"latency-ms"`       // of these
	Assembly *float64         `json:"assembly-ms,omitempty"`
	Errors   map[string]int64 `json:"errors"`                // how often, by kind
	First    string           `json:"first-error,omitempty"` // as an example
}

// Latency is how long operations took, in milliseconds: that which the given part of
// them did not exceed.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// A Ratio compares two targets.
type Ratio struct {
	Medians float64 `json:"medians"` // ratio of the medians of the rates
	Least   float64 `json:"least"`   // of the ratios of the rates of one round
	Most    float64 `json:"most"`
}

// rate returns the rate of a round that took some time.
func (r *recorder) rate(unit string, took time.Duration) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := float64(r.ops)
	if unit == unitBytes {
		n = float64(r.bytes) / (1 << 20)
	}
	return n / took.Seconds()
}

// finish takes over what was recorded.
func (r *Result) finish(rec *recorder) {
	r.Latency = rec.latency()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	r.Rate, r.Ops, r.Errors = Median(succeeded(r.Rounds)), rec.total, rec.errors
	if rec.first != nil {
		r.First = rec.first.Error()
	}
	if len(rec.assembly) > 0 {
		var list []float64
		for _, d := range rec.assembly {
			list = append(list, float64(d.Microseconds())/1e3)
		}
		median := Median(list)
		r.Assembly = &median
	}
}

// succeeded returns the rates that are not 0.
func succeeded(rates []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(rates), func(v float64) bool { return v == 0 })
}

// Median returns the median of v, the mean of the two in the middle if their number
// is even, and 0 if v is empty.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// compare returns the ratio of a to b, the rates of two targets by round, or nil if
// there is no round in which both succeeded.
func compare(a, b []float64) *Ratio {
	var each []float64
	for i := range min(len(a), len(b)) {
		if a[i] != 0 && b[i] != 0 {
			each = append(each, a[i]/b[i])
		}
	}
	if len(each) == 0 {
		return nil
	}
	return &Ratio{
		Medians: Median(succeeded(a)) / Median(succeeded(b)),
		Least:   slices.Min(each),
		Most:    slices.Max(each),
	}
}

// WriteJSON writes the report as one document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for i, t := range r.Targets {
		fmt.Fprintf(&b, "%c  %s (%s)\n", 'A'+i, t.URL, t.Protocol)
	}
	for _, work := range r.Workloads {
		b.WriteByte('\n')
		work.text(&b, r.Targets)
	}
	if r.Left > 0 {
		fmt.Fprintf(&b, "\nresources that could not be deleted: %d, names begin with %s\n", r.Left, r.Prefix)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text writes a line on the workload, one on each target, and one on the ratio.
func (w *WorkloadReport) text(b *strings.Builder, targets []Target) {
	fmt.Fprintf(b, "%s: %s\n", w.Workload, w.About)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, r := range w.Results {
		if r.Possible {
			l := r.Latency
			fmt.Fprintf(tw, "%c\t%s %s\tp50 %s\tp99 %s\tp99.9 %s\tmax %s\terrors %d\t", 'A'+i, number(r.Rate), w.Unit,
				millis(l.P50), millis(l.P99), millis(l.P999), millis(l.Max), r.failures())
			if r.Assembly != nil {
				fmt.Fprintf(tw, "assembly %s\t", millis(*r.Assembly))
			}
			fmt.Fprintln(tw)
		}
	}
	tw.Flush()
	for i, r := range w.Results {
		if !r.Possible {
			fmt.Fprintf(b, "  %c  %s (%s)\n", 'A'+i, r.Reason, targets[i].Protocol)
		}
		for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
			fmt.Fprintf(b, "  %c  error %s: %d\n", 'A'+i, kind, r.Errors[kind])
		}
		if r.First != "" {
			fmt.Fprintf(b, "  %c  the first one: %s\n", 'A'+i, r.First)
		}
	}
	if w.Ratio != nil {
		fmt.Fprintf(b, "  A/B %s, rounds %s to %s\n", number(w.Ratio.Medians), number(w.Ratio.Least), number(w.Ratio.Most))
	}
}

// failures returns the number of errors.
func (r *Result) failures() (n int64) {
	for _, k := range r.Errors {
		n += k
	}
	return n
}

// number returns v with about three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return humanize.Comma(int64(v + 0.5))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// millis returns a number of milliseconds with a unit.
func millis(v float64) string {
	switch {
	case v >= 1000:
		return number(v/1000) + "s"
	case v >= 1:
		return number(v) + "ms"
	}
	return strconv.FormatFloat(v*1000, 'f', 0, 64) + "µs"
}
