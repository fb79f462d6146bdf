package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/net/http/httpguts"

	"github.com/infill-http/infill/resource/client"
)

// Exit statuses of the commands that are clients, beside exitFailure and exitUsage.
const (
	exitUnfinished  = 3   // not done, and the same command goes on where it was; a resource that is not complete
	exitNotFound    = 4   // there is no such resource
	exitConflict    = 5   // the resource is another one than the command is about
	exitInterrupted = 130 // a signal ended it, and the same command goes on where it was
)

const exitHelp = `
The exit status is 0 if all was done, 1 if not, 2 if the command line is wrong,
3 if the same command, given again, goes on where it was, 4 if there is no such
resource, 5 if the resource has other content than expected or was changed
meanwhile, and 130 if a signal ended it: then, too, the same command goes on.

Each flag can be given as an environment variable: --max-segment is
INFILL_MAX_SEGMENT. Sizes are such as 512, 64KiB or 1GB.`

// clientOptions are the flags of all commands that are clients.
type clientOptions struct {
	client.Client
	transfers   bool // the command moves content
	headers     []string
	quiet, json bool
}

// shortAttempts is the default of --attempts for commands that move no content: nothing is lost if they are given again,
// so nobody wants to wait long to learn that there is no server.
const shortAttempts = 5

// register makes o the values of flags. Commands that move content have more of them.
func (o *clientOptions) register(flags *pflag.FlagSet, transfers bool) {
	flags.SortFlags = false
	attempts := shortAttempts
	if o.transfers = transfers; transfers {
		attempts = client.DefaultAttempts
		flags.IntVar(&o.Connections, "connections", client.DefaultConnections, "requests in flight at the same time")
		flags.Var(newSize(&o.Segment, client.DefaultSegment), "segment", "bytes of the first segments; later ones are larger or smaller")
		flags.Var(newSize(&o.MinSegment, client.DefaultMinSegment), "min-segment", "bytes of a segment at least")
		flags.Var(newSize(&o.MaxSegment, client.DefaultMaxSegment), "max-segment", "bytes of a segment at most")
		flags.DurationVar(&o.StallTimeout, "stall-timeout", client.DefaultStallTimeout, "time in which a request has to move a byte; a response may take twice that")
		flags.DurationVar(&o.ResponseTimeout, "response-timeout", client.DefaultResponseTimeout, "time for a response before which the server may have to read all of\na resource, to verify or tell a digest")
	}
	flags.IntVar(&o.Retry.Attempts, "attempts", attempts, "failures in a row, without progress, until it is given up")
	flags.DurationVar(&o.Retry.MaxBackoff, "max-backoff", client.DefaultMaxBackoff, "longest pause between two attempts")
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "`field` to add to all requests, such as 'Authorization: Bearer x'")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print errors only")
	flags.BoolVar(&o.json, "json", false, "print one JSON object for each result")
}

// validate reports all values that cannot be used, and makes Header of the headers.
func (o *clientOptions) validate() error {
	var errs []error
	if o.transfers && o.Connections < 1 {
		errs = append(errs, fmt.Errorf("--connections is %d, want at least 1", o.Connections))
	}
	if o.transfers && o.MinSegment < 1 {
		errs = append(errs, fmt.Errorf("--min-segment is %d, want at least 1", o.MinSegment))
	}
	if o.transfers && (o.StallTimeout <= 0 || o.ResponseTimeout <= 0) {
		errs = append(errs, fmt.Errorf("--stall-timeout is %v and --response-timeout %v, want more than 0", o.StallTimeout, o.ResponseTimeout))
	}
	if o.Retry.MaxBackoff <= 0 {
		errs = append(errs, fmt.Errorf("--max-backoff is %v, want more than 0", o.Retry.MaxBackoff))
	}
	if o.Retry.Attempts < 1 {
		errs = append(errs, fmt.Errorf("--attempts is %d, want at least 1", o.Retry.Attempts))
	}
	if o.MinSegment > o.MaxSegment {
		errs = append(errs, errors.New("--min-segment is more than --max-segment"))
	}
	o.Header = http.Header{}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			errs = append(errs, fmt.Errorf("--header %q is not 'Name: value'", h))
			continue
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			errs = append(errs, fmt.Errorf("--header %q has characters that cannot be sent", h))
			continue
		}
		o.Header.Add(name, value)
	}
	return errors.Join(errs...)
}

// parseURL checks a URL of the command line.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err == nil && u.Scheme != "http" && u.Scheme != "https" || err != nil && !strings.Contains(s, "://") {
		return nil, fmt.Errorf("%q is no URL; want one such as http://%s", s, strings.TrimPrefix(s, "//"))
	}
	if err != nil {
		var parse *url.Error
		if errors.As(err, &parse) {
			parse.URL = s[strings.LastIndexByte(s, '@')+1:] // without a password
		}
		return nil, err
	}
	if u.Host == "" {
		return nil, fmt.Errorf("%q has no host", u.Redacted())
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment = ""
	return u, nil
}

// isCollection reports whether u is the URL of a collection.
func isCollection(u *url.URL) bool { return strings.HasSuffix(u.Path, "/") }

// parseResource checks a URL of the command line that must not be that of a collection.
func parseResource(s string) (*url.URL, error) {
	u, err := parseURL(s)
	if err == nil && isCollection(u) {
		return nil, fmt.Errorf("%s is a collection; infill ls shows what is in it", u.Redacted())
	}
	return u, err
}

// child returns the URL of name in the collection u.
func child(u *url.URL, name string) *url.URL { return u.JoinPath(url.PathEscape(name)) }

// base returns the last segment of the path of u, as a file name.
func base(u *url.URL) (string, error) {
	name := path.Base(u.Path)
	if name == "/" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"+string(os.PathSeparator)) {
		return "", fmt.Errorf("%s does not end in a name for a file; give one", u.Redacted())
	}
	return name, nil
}

// clientCommand returns a command that validates its options before it runs. Faults of the command line are told as such.
func clientCommand(cmd *cobra.Command, o *clientOptions, run func(ctx context.Context, cmd *cobra.Command, args []string) error) *cobra.Command {
	count := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := count(cmd, args); err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.validate(); err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		o.Retry.Notify = (&display{err: cmd.ErrOrStderr(), quiet: o.quiet}).retrying // until a command has its own
		err := run(cmd.Context(), cmd, args)
		var usage *usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		if cmd.Context().Err() != nil {
			err = errInterrupted
		}
		return &statusError{exitStatus(cmd.Context(), err), fmt.Errorf("%w%s", err, advice(cmd.Context(), err))}
	}
	return cmd
}

// exitStatus returns the exit status of a client that ended with err.
func exitStatus(ctx context.Context, err error) int {
	var own *statusError
	var lost *client.Error
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &own):
		return own.status
	case errors.Is(err, client.ErrExists), errors.Is(err, client.ErrConflict), errors.Is(err, client.ErrChanged), errors.Is(err, client.ErrDigest):
		return exitConflict
	case errors.Is(err, client.ErrNotFound):
		return exitNotFound
	case errors.Is(err, client.ErrIncomplete), errors.Is(err, client.ErrNoSpace), errors.Is(err, client.ErrReadOnly), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return exitUnfinished
	case errors.As(err, &lost) && lost.Temporary():
		return exitUnfinished
	}
	return exitFailure
}

// advice says what a person can do about err.
func advice(ctx context.Context, err error) string {
	var lost *client.Error
	switch {
	case ctx.Err() != nil:
		return "; the same command goes on"
	case errors.Is(err, client.ErrExists):
		return "; leave out --no-clobber to replace it"
	case errors.Is(err, client.ErrDigest), errors.Is(err, client.ErrConflict):
		return "; with --restart, what was begun is thrown away"
	case errors.Is(err, client.ErrSource):
		return "; nothing was completed. Once it no longer changes, give the command again with --restart"
	case errors.Is(err, client.ErrChanged) && !errors.As(err, &lost): // not the condition of the command itself
		return "; give the command again to begin anew"
	case errors.Is(err, client.ErrIncomplete):
		return "; infill status --watch shows when it is"
	case errors.Is(err, client.ErrNoSpace):
		return "; what was sent stays. Once there is space, the same command goes on"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "; what was received stays. Once there is space, the same command goes on"
	case errors.Is(err, client.ErrReadOnly):
		return "; what was sent stays. Once the server was repaired, the same command goes on"
	case errors.Is(err, client.ErrForbidden):
		return "; --header can give what the server asks for"
	case errors.Is(err, client.ErrUnsupported), errors.Is(err, client.ErrServer):
		return "; is it the URL of an infill server, or of one with PUT?"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return ""
	case errors.As(err, &lost) && exitStatus(ctx, err) == exitUnfinished:
		return "; the same command goes on"
	}
	return ""
}

// since returns the time from t, in a form for people.
func since(t time.Time) time.Duration {
	d := time.Since(t)
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
