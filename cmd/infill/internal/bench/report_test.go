package bench

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{4, 1}, 2.5},
		{[]float64{9, 1, 5}, 5},
		{[]float64{9, 1, 5, 6}, 5.5},
	} {
		before := append([]float64(nil), c.v...)
		if got := Median(c.v); got != c.want {
			t.Errorf("Median(%v) = %v, want %v", c.v, got, c.want)
		}
		if !reflect.DeepEqual(c.v, before) {
			t.Errorf("Median changed its argument to %v", c.v)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want *Ratio
	}{
		{nil, nil, nil},
		{[]float64{1}, nil, nil},
		{[]float64{0}, []float64{1}, nil},
		{[]float64{1, 0}, []float64{0, 1}, nil},
		{[]float64{6}, []float64{3}, &Ratio{2, 2, 2}},
		// The ratio of the medians, 4/2, need not be that of any round.
		{[]float64{8, 1, 4}, []float64{2, 1, 8}, &Ratio{2, .5, 4}},
		// A round that failed on one side counts for neither spread nor median of it.
		{[]float64{0, 6, 9}, []float64{100, 3, 3}, &Ratio{2.5, 2, 3}},
	} {
		if diff := cmp.Diff(c.want, compare(c.a, c.b)); diff != "" {
			t.Errorf("compare(%v, %v): (-want +got)\n%s", c.a, c.b, diff)
		}
	}
}

func example() *Report {
	assembly := 400.25
	return &Report{
		Prefix:  "infill-bench-X-",
		Targets: []Target{{"http://a/", "infill"}, {"http://b/", "tus"}},
		Workloads: []WorkloadReport{{
			Workload: "fill", About: "much", Unit: unitBytes,
			Results: []Result{
				{Possible: true, Rate: 1234.5, Rounds: []float64{1234.5}, Ops: 8, Latency: Latency{.25, 1.5, 12.25, 1500}, Errors: map[string]int64{}},
				{Possible: true, Rate: 99.94, Rounds: []float64{99.94}, Ops: 8, Latency: Latency{1, 2, 3, 4}, Assembly: &assembly,
					Errors: map[string]int64{"PUT 503": 2, "PUT 500": 1}, First: "PUT answered with 503"},
			},
			Ratio: &Ratio{12.352, 1.5, 123.4},
		}, {
			Workload: "patch", About: "one", Unit: unitBytes,
			Results: []Result{{Possible: true}, {Reason: "not possible"}},
		}},
		Errors: 3,
		Left:   1,
	}
}

func TestWriteText(t *testing.T) {
	const want = `A  http://a/ (infill)
B  http://b/ (tus)

fill: much
  A  1,235 MiB/s  p50 250µs  p99 1.50ms  p99.9 12.2ms  max 1.50s  errors 0
  B   99.9 MiB/s  p50 1.00ms  p99 2.00ms  p99.9 3.00ms  max 4.00ms  errors 3  assembly 400ms
  B  error PUT 500: 1
  B  error PUT 503: 2
  B  the first one: PUT answered with 503
  A/B 12.4, rounds 1.50 to 123

patch: one
  A  0.00 MiB/s  p50 0µs  p99 0µs  p99.9 0µs  max 0µs  errors 0
  B  not possible (tus)

resources that could not be deleted: 1, names begin with infill-bench-X-
`
	var b strings.Builder
	if err := example().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	// The widths of columns are for people.
	fields := func(s string) (lines [][]string) {
		for line := range strings.Lines(s) {
			lines = append(lines, strings.Fields(line))
		}
		return lines
	}
	if diff := cmp.Diff(fields(want), fields(b.String())); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, b.String())
	}
}

func TestWriteJSON(t *testing.T) {
	var b strings.Builder
	if err := example().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got := new(Report)
	if err := json.Unmarshal([]byte(b.String()), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, name := range []string{`"p99.9": 12.25`, `"latency-ms"`, `"assembly-ms": 400.25`, `"first-error"`} {
		if !strings.Contains(b.String(), name) {
			t.Errorf("no %s in\n%s", name, b.String())
		}
	}
}
