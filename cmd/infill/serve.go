package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/store"
)

const serveHelp = `Serve the resources of a data directory over HTTP/1.1 and HTTP/2 (with prior
knowledge), until SIGTERM or SIGINT. Requests in flight then have the grace time
to end; a second signal ends the process at once, which loses nothing that was
acknowledged.

When connections are accepted, one line is printed to standard output:

    infill: serving DIR on http://ADDR/

with the port that was chosen, if port 0 was asked for. Logs go to standard error.

Each flag can be given as an environment variable: --max-length is
INFILL_MAX_LENGTH. The command line has precedence. Sizes are bytes, or have a
unit: KiB, MiB, GiB, TiB (powers of 1024), kB, MB, GB, TB (powers of 1000).`

const serveExamples = `  infill serve --data /var/lib/infill --listen :8080
  INFILL_DATA=/var/lib/infill INFILL_LOG_FORMAT=json infill serve
  infill serve --data /tmp/scratch --durability none --min-free 0`

func serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Serve the resources of a data directory over HTTP",
		Long:    serveHelp,
		Example: serveExamples,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			return serve(cmd.Context(), &o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// serve runs a server until ctx is done. It writes the line that says so to stdout
// when it accepts connections.
func serve(ctx context.Context, o *serveOptions, stdout, stderr io.Writer) (err error) {
	logger := o.logger(stderr)
	options := o.storeOptions()
	options.Logger = logger
	s, err := store.Open(o.data, options)
	if err != nil {
		return openError(o.data, err)
	}
	defer func() {
		if cerr := s.Close(); cerr != nil {
			err = errors.Join(err, fmt.Errorf("close %s: %w", o.data, cerr))
		}
	}()
	if options.Durability == store.DurabilityNone {
		logger.Warn("durability is none: a crash can lose or tear what was acknowledged", "data", o.data)
	}

	listener, err := o.listenConfig().Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	handler := o.handler()
	handler.Store, handler.Logger = resource.FromStore(s), logger
	srv := o.server()
	srv.Listener, srv.Handler, srv.Logger = listener, handler, logger

	addr := listener.Addr().String()
	if _, err := fmt.Fprintf(stdout, "infill: serving %s on http://%s/\n", o.data, addr); err != nil {
		return errors.Join(err, listener.Close())
	}
	logger.Info("serving", "data", o.data, "addr", addr, "durability", o.durability, "version", version())
	context.AfterFunc(ctx, func() {
		logger.Info("shutting down", "grace", o.shutdownGrace)
	})
	if err := srv.Serve(ctx); err != nil {
		return err
	}
	logger.Info("stopped")
	return nil
}

// openError says what a person can do about a store that does not open.
func openError(dir string, err error) error {
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("data directory %s is in use by another process: %w", dir, err)
	case errors.Is(err, store.ErrUnclean):
		return fmt.Errorf("data directory %s was last served with --durability none and not closed; serve it with --durability none, or begin with another directory: %w", dir, err)
	}
	return fmt.Errorf("open data directory %s: %w", dir, err)
}
