package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/resource/client"
)

const statusHelp = `Show what of a resource is there: its state, sizes, and a bar that draws which
ranges are committed. # is a part that is there, + one of which some is there,
. one that is missing.

With --watch, it shows that again and again, with the rate at which the resource
grows, until it is complete.
` + exitHelp + `
A resource that is not complete gives 3.`

const statusExamples = `  infill status http://host:8080/images/big.iso
  infill status --watch http://host:8080/images/big.iso
  until infill status --quiet http://host:8080/big.iso; do sleep 10; done`

// barCells is how many characters the bar of a resource has.
const barCells = 64

// statusOptions are the flags of the status command.
type statusOptions struct {
	clientOptions
	watch    bool
	interval time.Duration
}

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := clientCommand(&cobra.Command{
		Use:     "status URL",
		Short:   "Show which parts of a resource are there",
		Long:    statusHelp,
		Example: statusExamples,
		Args:    cobra.ExactArgs(1),
	}, &o.clientOptions, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		at, err := parseResource(args[0])
		if err == nil && o.interval <= 0 {
			err = fmt.Errorf("--interval is %v, want more than 0", o.interval)
		}
		if err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		return o.run(ctx, at.String(), cmd.OutOrStdout())
	})
	flags := cmd.Flags()
	flags.BoolVarP(&o.watch, "watch", "w", false, "show it again and again until the resource is complete")
	flags.DurationVar(&o.interval, "interval", time.Second, "time between two looks of --watch")
	o.register(flags, false)
	return cmd
}

// run shows the state once, or until the resource is complete.
func (o *statusOptions) run(ctx context.Context, url string, stdout io.Writer) error {
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	var last *client.State
	var at time.Time
	for {
		st, err := o.Client.Status(ctx, url)
		if err != nil {
			return err
		}
		now := time.Now()
		rate := 0.0
		if last != nil {
			rate = float64(st.Received.Size()-last.Received.Size()) / now.Sub(at).Seconds()
		}
		if !o.quiet && (last == nil || last.ETag != st.ETag) {
			if err := o.show(stdout, st, rate, last != nil); err != nil {
				return err
			}
		}
		last, at = st, now
		switch {
		case st.Complete:
			return nil
		case !o.watch:
			return &statusError{exitUnfinished, fmt.Errorf("%s is not complete", redacted(url))}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// statusDocument is what --json prints. All ranges are half-open.
type statusDocument struct {
	URL       string     `json:"url"`
	Complete  bool       `json:"complete"`
	Length    *int64     `json:"length,omitempty"`
	Offset    int64      `json:"offset"`
	Committed int64      `json:"committed"`
	Ranges    [][2]int64 `json:"ranges"`
	Rate      float64    `json:"bytes-per-second,omitempty"`
	ETag      string     `json:"etag,omitempty"`
	Type      string     `json:"type,omitempty"`
	Modified  time.Time  `json:"modified,omitzero"`
	MaxAge    *int64     `json:"max-age,omitempty"` // seconds
}

// show writes the state. again leaves out what does not change.
func (o *statusOptions) show(w io.Writer, st *client.State, rate float64, again bool) error {
	if o.json {
		doc := statusDocument{URL: redacted(st.URL), Complete: st.Complete, Offset: st.Offset, Committed: st.Received.Size(), Ranges: [][2]int64{},
			Rate: rate, ETag: st.ETag, Type: st.Type, Modified: st.Modified}
		if st.Length >= 0 {
			doc.Length = &st.Length
		}
		if st.MaxAge >= 0 {
			doc.MaxAge = &st.MaxAge
		}
		for r := range st.Received.All() {
			doc.Ranges = append(doc.Ranges, [2]int64{r.Start, r.End})
		}
		return printJSON(w, doc)
	}
	var b strings.Builder
	if !again {
		fmt.Fprintf(&b, "%s\n", st.URL)
	}
	fmt.Fprintf(&b, "[%s] %s", drawRanges(st.Received, st.Length, barCells), describe(st))
	if again {
		fmt.Fprintf(&b, ", %s/s", humanize.IBytes(uint64(max(0, rate))))
	}
	b.WriteByte('\n')
	if !again {
		field := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "%-10s %s\n", name+":", printable(value))
			}
		}
		field("type", st.Type)
		field("etag", st.ETag)
		if !st.Modified.IsZero() {
			field("modified", st.Modified.Local().Format(time.DateTime))
		}
		if st.MaxAge >= 0 {
			field("expires", "in "+(time.Duration(st.MaxAge)*time.Second).String()+" without a write")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// describe says in words how much is there.
func describe(st *client.State) string {
	have := humanize.IBytes(uint64(st.Received.Size()))
	switch {
	case st.Complete && st.Length >= 0 && st.Received.Size() < st.Length:
		return fmt.Sprintf("complete, %s, of which %s are damaged", humanize.IBytes(uint64(st.Length)), humanize.IBytes(uint64(st.Length-st.Received.Size())))
	case st.Complete:
		return "complete, " + have
	case st.Length < 0:
		return have + " of an unknown length"
	}
	percent := 100.0
	if st.Length > 0 {
		percent = float64(st.Received.Size()) / float64(st.Length) * 100
	}
	return fmt.Sprintf("%.1f%%, %s of %s, ranges: %d", min(percent, 99.9), have, humanize.IBytes(uint64(st.Length)), st.Received.Len())
}

// drawRanges draws the bytes of set in a resource of n bytes, -1 if that is not known, with the given number of cells.
func drawRanges(set ranges.Set, n int64, cells int) string {
	if n < 0 {
		n = max(1, set.Bounds().End)
	}
	if n == 0 {
		return strings.Repeat("#", cells)
	}
	var b strings.Builder
	for i := range int64(cells) {
		cell := ranges.Range{Start: share(n, i, int64(cells)), End: max(share(n, i, int64(cells))+1, share(n, i+1, int64(cells)))}
		switch {
		case set.Covers(cell):
			b.WriteByte('#')
		case set.Overlaps(cell):
			b.WriteByte('+')
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

// share returns n*i/of without an overflow.
func share(n, i, of int64) int64 { return n/of*i + n%of*i/of }
