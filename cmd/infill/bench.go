package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/infill-http/infill/cmd/infill/internal/bench"
)

const benchHelp = `Put load on a server, and report throughput, latencies and errors. With two
targets, each round has both, one after the other and the first one by turns, and
the ratio of the first to the second is printed: that of the medians of the
rates, and the least and the largest that one round had.

%s
A protocol says how to ask for it. What it has no way to ask for is reported as
not possible.

    infill  byte-range writes; the target is a collection, such as
            http://127.0.0.1:8080/
    put     PUT, GET, HEAD and DELETE of whole resources, as WebDAV has it; the
            target is a collection that exists
    tus     tus 1.0; the target is the endpoint of creation. A fill has one
            partial upload for each connection, and concatenates them. GET is not
            part of tus, and the workloads with reads fail where it is not served
    s3      signature version 4, content not signed; the target is a bucket that
            exists, such as http://127.0.0.1:9000/bucket. A fill is a multipart
            upload

A fill gives each connection an equal piece, which it sends in order, in
segments. What a protocol needs to make one resource of the pieces is part of the
time, and told as assembly. put, patch and read have one connection, each of the
others --connections.

Everything that is made is deleted after the round or at the end, also after the
first SIGINT or SIGTERM. Names begin with infill-bench- and random letters, where
the protocol lets the client choose them.

The exit status is 1 if there were errors. Each flag can be given as an
environment variable: --s3-secret-key is INFILL_S3_SECRET_KEY. Sizes are as in
infill serve.`

const benchExamples = `  infill bench --target http://127.0.0.1:8080/ put fill read
  infill bench --target http://127.0.0.1:8080/ --connections 64 create overwrite
  infill bench --target http://127.0.0.1:8080/ --target http://127.0.0.1:1080/files/ \
      --proto infill,tus put fill create
  infill bench --target http://127.0.0.1:9000/bucket --proto s3 \
      --s3-access-key KEY --s3-secret-key SECRET --json fill`

func benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:     "bench WORKLOAD...",
		Short:   "Put load on a server and measure how it bears it",
		Example: benchExamples,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.config(args)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			if stderr := cmd.ErrOrStderr(); isTerminal(stderr) {
				c.Progress = func(p bench.Progress) {
					fmt.Fprintf(stderr, "%s %d/%d %c: %.0f %s\n", p.Workload, p.Round, p.Rounds, 'A'+p.Target, p.Rate, p.Unit)
				}
			}
			return runBench(cmd.Context(), c, o.json, cmd.OutOrStdout())
		},
	}
	o.register(cmd.Flags())
	cmd.Long = fmt.Sprintf(benchHelp, workloadHelp(&o.Config))
	return cmd
}

// workloadHelp lists the workloads as they are by default.
func workloadHelp(c *bench.Config) string {
	var b strings.Builder
	b.WriteString("Workloads, with the default values of the flags:\n\n")
	for _, name := range bench.WorkloadNames() {
		fmt.Fprintf(&b, "    %-9s  %s\n", name, bench.About(name, c))
	}
	return b.String()
}

// benchOptions are the flags of the bench command.
type benchOptions struct {
	bench.Config
	targets, protocols []string
	json               bool
}

// register makes o the values of flags.
func (o *benchOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringSliceVar(&o.targets, "target", nil, "`URL` of a server; two are compared")
	flags.StringSliceVar(&o.protocols, "proto", []string{"infill"}, "`protocol` of each target, or of all: "+strings.Join(bench.Protocols, ", "))
	flags.Var(newSize(&o.Size, 1<<30), "size", "bytes of a large resource")
	flags.Var(newSize(&o.Segment, 8<<20), "segment", "bytes of one write of a fill")
	flags.Var(newSize(&o.Small, 4<<10), "small", "bytes of a small resource, and of a small write")
	flags.Var(newSize(&o.Range, 64<<10), "range", "bytes of a ranged read")
	flags.IntVar(&o.Islands, "islands", 1000, "separate ranges of the resource of head and islands;\n0: head asks for a complete resource")
	flags.IntVar(&o.Connections, "connections", 8, "clients at the same time, each with a connection")
	flags.DurationVar(&o.Duration, "duration", 5*time.Second, "time of one round of a workload that has no end of its own")
	flags.IntVar(&o.Rounds, "rounds", 5, "rounds of each workload")
	flags.BoolVar(&o.HTTP2, "http2", false, "speak HTTP/2, to http URLs with prior knowledge")
	flags.StringVar(&o.S3.AccessKey, "s3-access-key", "", "access `key` of S3")
	flags.StringVar(&o.S3.SecretKey, "s3-secret-key", "", "secret `key` of S3")
	flags.StringVar(&o.S3.Region, "s3-region", "us-east-1", "`region` of S3")
	flags.BoolVar(&o.json, "json", false, "print one JSON document")
}

// config returns what to do, given the workloads.
func (o *benchOptions) config(workloads []string) (*bench.Config, error) {
	c := o.Config
	c.Workloads = workloads
	if len(o.protocols) != 1 && len(o.protocols) != len(o.targets) {
		return nil, fmt.Errorf("%d values of --proto for %d of --target", len(o.protocols), len(o.targets))
	}
	for i, url := range o.targets {
		c.Targets = append(c.Targets, bench.Target{URL: url, Protocol: o.protocols[i%len(o.protocols)]})
	}
	return &c, c.Validate()
}

// runBench writes the report to stdout, or as much of it as there is.
func runBench(ctx context.Context, c *bench.Config, asJSON bool, stdout io.Writer) error {
	report, err := bench.Run(ctx, c)
	write := report.WriteText
	if asJSON {
		write = report.WriteJSON
	}
	if len(report.Workloads) > 0 {
		if werr := write(stdout); err == nil {
			err = werr
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("bench: interrupted")
	case err != nil:
		return fmt.Errorf("bench: %w", err)
	case report.Errors > 0:
		return fmt.Errorf("bench: errors: %d", report.Errors)
	}
	return nil
}
