package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/infill-http/infill/store"
)

// expectFault is the script command that expects a report with one fault:
// faults FILE KIND NAME START END DATAFILE.
func expectFault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 6 {
		ts.Fatalf("usage: faults file kind name start end datafile")
	}
	var doc checkDocument
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.DisallowUnknownFields()
	ts.Check(d.Decode(&doc))
	var r [2]int64
	for i, arg := range args[3:5] {
		ts.Check(json.Unmarshal([]byte(arg), &r[i]))
	}
	if len(doc.Faults) != 1 || doc.FaultCount != 1 || doc.Error != "" || doc.Faults[0].ID == "" || doc.Faults[0].Reason == "" {
		ts.Fatalf("report %+v", doc)
	}
	want := []checkFault{{Kind: store.FaultKind(args[1]), Name: args[2], Range: &r, File: args[5]}}
	doc.Faults[0].ID, doc.Faults[0].Reason = "", ""
	if diff := cmp.Diff(want, doc.Faults); diff != "" {
		ts.Fatalf("faults (-want +got):\n%s", diff)
	}
}

// TestMeter looks at what a meter writes on a terminal and elsewhere.
func TestMeter(t *testing.T) {
	counts := store.CheckCounts{Resources: 2, Files: 3, Faults: 1, Bytes: 1 << 20, TotalBytes: 3 << 20}
	const line = "checked: 2 resources, 3 files, 1.0 MiB of 3.0 MiB (33%), faults: 1"
	for _, tt := range []struct {
		meter meter
		want  string
	}{
		{meter{}, ""},
		{meter{on: true}, line + "\n"},
		{meter{on: true, terminal: true}, "\r" + line + "\x1b[K\n"},
	} {
		var b bytes.Buffer
		tt.meter.w = &b
		tt.meter.show(counts) // too early
		tt.meter.end(counts)
		if b.String() != tt.want {
			t.Errorf("wrote %q, want %q", b.String(), tt.want)
		}
	}
	var b bytes.Buffer
	m := meter{w: &b, on: true, terminal: true}
	m.show(counts)
	m.last = m.last.Add(-terminalEvery)
	m.show(counts)
	if want := "\r" + line + "\x1b[K"; b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}

// failing is a writer that fails.
type failing struct{}

var errFailing = errors.New("cannot write")

func (failing) Write([]byte) (int, error) { return 0, errFailing }

// TestCheckOutput expects that a report which cannot be written is no success.
func TestCheckOutput(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err = check(t.Context(), dir, &checkOptions{json: true}, &meter{}, failing{})
	var status *statusError
	if !errors.Is(err, errFailing) || !errors.As(err, &status) || status.status != exitUncheckable {
		t.Errorf("got %v", err)
	}
}
