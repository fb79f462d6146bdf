// Command infill serves segmented resources: files that are allocated once and
// then filled, in any order and by any number of clients, with byte-range writes.
//
//	infill serve --data ./data
//
// Run infill help for the commands. Each flag of a command can also be given as an
// environment variable: --max-length is INFILL_MAX_LENGTH.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailure = 1 // the command did not do what it was asked
	exitUsage   = 2 // the command line or the environment is wrong

	exitUncheckable = 2 // infill check could not do or not end the check
)

func main() {
	err := rootCommand().ExecuteContext(untilSignal())
	if err == nil {
		return
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i == 0 {
			line = "infill: " + line
		}
		fmt.Fprintln(os.Stderr, printable(line))
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(os.Stderr, "Run '%s --help' for usage.\n", usage.command)
		os.Exit(exitUsage)
	}
	var status *statusError
	if errors.As(err, &status) {
		os.Exit(status.status)
	}
	os.Exit(exitFailure)
}

// untilSignal returns a context that ends with the first SIGTERM or SIGINT. The
// second one finds the default action: the process ends at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// usageError is an error of the person who gave the command.
type usageError struct {
	command string // path of the command, such as "infill serve"
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "infill",
		Short:         "Resources that are filled by byte-range writes, over HTTP",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := flagsFromEnv(cmd.Flags()); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{cmd.CommandPath(), err}
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(putCommand(), getCommand(), statusCommand(), listCommand(), moveCommand(), copyCommand(), removeCommand(),
		serveCommand(), checkCommand(), benchCommand(), versionCommand())
	return root
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	return nil
}
