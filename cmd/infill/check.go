package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/store"
)

const checkHelp = `Compare the map of a data directory with itself and with the data files. With
--data, also read all data and compare it with its checksums. Nothing in the
directory changes, and no server may have it open.

Each fault is one line on standard output: its kind, and as far as they are
known the resource, its bytes from the first one to below the last one, the file
and the reason. Kinds are

    map          the map contradicts itself
    missing      bytes of a resource are in no file
    damaged      bytes of a resource do not have their checksums
    unreadable   bytes of a resource cannot be read
    stray        a file that the map does not know

With --json, standard output is one JSON document in place of the lines.

The exit status is 0 if there are no faults, 1 if there are, and 2 if the check
could not be done or not be ended.

--progress and --json can be given as environment variables, INFILL_PROGRESS and
INFILL_JSON. --data cannot: INFILL_DATA is the directory of infill serve.`

const checkExamples = `  infill check /var/lib/infill
  infill check --data --json /var/lib/infill >faults.json`

// checkOptions are the flags of the check command.
type checkOptions struct {
	data, json, progress bool
	maxFaults            int
}

func checkCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:     "check DIR",
		Short:   "Compare the map of a data directory with its files",
		Long:    checkHelp,
		Example: checkExamples,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.ExactArgs(1)(cmd, args); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.maxFaults < 1 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--max-faults is %d, want at least 1", o.maxFaults)}
			}
			stderr := cmd.ErrOrStderr()
			m := meter{w: stderr, terminal: isTerminal(stderr)}
			m.on = o.progress || m.terminal && !cmd.Flags().Changed("progress")
			return check(cmd.Context(), args[0], &o, &m, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.data, "data", false, "read all data and compare it with its checksums")
	flags.BoolVar(&o.json, "json", false, "print one JSON document")
	flags.BoolVar(&o.progress, "progress", false, "show progress on standard error; default if that is a terminal")
	flags.IntVar(&o.maxFaults, "max-faults", 10_000, "most faults that are listed; all are counted")
	notFromEnv(flags, "data")
	return cmd
}

// check checks the store in dir and writes what it found to stdout.
func check(ctx context.Context, dir string, o *checkOptions, m *meter, stdout io.Writer) error {
	report, err := checkStore(ctx, dir, o, m)
	write := writeText
	if o.json {
		write = writeJSON
	}
	if werr := write(stdout, dir, o, report, err); err == nil {
		err = werr
	}
	switch {
	case err != nil:
		return &statusError{exitUncheckable, err}
	case report.CheckCounts.Faults > 0:
		return fmt.Errorf("check %s: faults found: %d", dir, report.CheckCounts.Faults)
	}
	return nil
}

// checkStore opens the store and checks it. The report has what was found
// before the error.
func checkStore(ctx context.Context, dir string, o *checkOptions, m *meter) (report *store.CheckReport, err error) {
	report = new(store.CheckReport)
	s, err := store.Open(dir, &store.Options{ReadOnly: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return report, openError(dir, err)
	}
	defer func() {
		err = errors.Join(err, s.Close())
	}()
	options := store.CheckOptions{Data: o.data, MaxFaults: o.maxFaults}
	if m.on {
		options.Progress = m.show
	}
	report, err = s.Check(ctx, options)
	m.end(report.CheckCounts)
	if err != nil {
		return report, fmt.Errorf("%s: %w", dir, err)
	}
	return report, nil
}

// writeText writes the faults as lines. An error of the check goes elsewhere.
func writeText(w io.Writer, _ string, _ *checkOptions, report *store.CheckReport, _ error) error {
	if report.Unclean {
		if _, err := fmt.Fprintln(w, "unclean: written with --durability none and not closed: what was acknowledged can be lost"); err != nil {
			return err
		}
	}
	for _, f := range report.Faults {
		if _, err := fmt.Fprintln(w, f); err != nil {
			return err
		}
	}
	if more := report.CheckCounts.Faults - int64(len(report.Faults)); more > 0 {
		_, err := fmt.Fprintf(w, "and %d more\n", more)
		return err
	}
	return nil
}

// checkDocument is what --json prints.
type checkDocument struct {
	Directory  string       `json:"directory"`
	Data       bool         `json:"data"`    // the data was to be read
	Unclean    bool         `json:"unclean"` // written with --durability none and not closed
	Resources  int64        `json:"resources"`
	Files      int64        `json:"files"`
	Bytes      int64        `json:"bytes"` // that were read
	FaultCount int64        `json:"fault-count"`
	Faults     []checkFault `json:"faults"`          // the first --max-faults of them
	Error      string       `json:"error,omitempty"` // why the check was not done or not ended
}

type checkFault struct {
	Kind   store.FaultKind `json:"kind"`
	Name   string          `json:"name,omitempty"`
	ID     string          `json:"id,omitempty"`
	Range  *[2]int64       `json:"range,omitempty"` // half-open
	File   string          `json:"file,omitempty"`  // relative to the directory
	Reason string          `json:"reason"`
}

// writeJSON writes the report, or as much of it as there is, as a document.
func writeJSON(w io.Writer, dir string, o *checkOptions, report *store.CheckReport, err error) error {
	doc := checkDocument{
		Directory:  dir,
		Data:       o.data,
		Unclean:    report.Unclean,
		Resources:  report.Resources,
		Files:      report.Files,
		Bytes:      report.Bytes,
		FaultCount: report.CheckCounts.Faults,
		Faults:     make([]checkFault, 0, len(report.Faults)),
	}
	if err != nil {
		doc.Error = err.Error()
	}
	for _, f := range report.Faults {
		fault := checkFault{Kind: f.Kind, Name: f.Name, File: f.File, Reason: f.Reason}
		if f.ID != (store.ID{}) {
			fault.ID = f.ID.String()
		}
		if !f.Range.Empty() {
			fault.Range = &[2]int64{f.Range.Start, f.Range.End}
		}
		doc.Faults = append(doc.Faults, fault)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(doc)
}

// isTerminal reports whether w is a terminal, or another device that takes
// characters.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
