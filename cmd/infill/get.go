package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const getHelp = `Download a resource to a file, to a directory under its name, or to standard
output (-). Without FILE, it goes to the name that the URL ends in.

The bytes come over several connections into FILE.part; FILE.part.json says what
of it is there. When all is there and has the digest that the server tells, the
file gets its name. After an interruption of any kind, the same command goes on.
If the resource has changed since, it begins anew: two versions are never mixed.
` + exitHelp

const getExamples = `  infill get http://host:8080/images/big.iso
  infill get http://host:8080/images/big.iso /tmp/other-name.iso
  infill get http://host:8080/backup/home.tar - | tar -x`

// getOptions are the flags of the get command.
type getOptions struct {
	clientOptions
	download client.DownloadOptions
}

func getCommand() *cobra.Command {
	var o getOptions
	cmd := clientCommand(&cobra.Command{
		Use:     "get URL [FILE]",
		Short:   "Download a resource",
		Long:    getHelp,
		Example: getExamples,
		Args:    cobra.RangeArgs(1, 2),
	}, &o.clientOptions, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		return o.run(ctx, cmd, args)
	})
	flags := cmd.Flags()
	flags.BoolVar(&o.download.Restart, "restart", false, "throw away what an earlier download has left, and begin anew")
	flags.BoolVar(&o.download.NoVerify, "no-verify", false, "do not compare the digest")
	flags.BoolVar(&o.download.Sync, "sync", false, "make the file durable before the end")
	flags.DurationVar(&o.download.Checkpoint, "checkpoint", client.DefaultCheckpoint, "time between two notes of what is there: what a kill can cost")
	o.register(flags, true)
	return cmd
}

// run downloads args[0] to args[1].
func (o *getOptions) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	from, err := parseURL(args[0])
	if err == nil && isCollection(from) {
		err = fmt.Errorf("%s is a collection; infill ls shows what is in it", from)
	}
	if err == nil && o.download.Checkpoint <= 0 {
		err = fmt.Errorf("--checkpoint is %v, want more than 0", o.download.Checkpoint)
	}
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	file := "."
	if len(args) > 1 {
		file = args[1]
	}
	info, err := os.Stat(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info != nil && info.IsDir() {
		name, err := base(from)
		if err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		file = filepath.Join(file, name)
		info = nil
	}
	stdout := cmd.OutOrStdout()
	if file == "-" {
		stdout = cmd.ErrOrStderr() // for --json: standard output has the content
	}
	d := newDisplay(&o.clientOptions, stdout, cmd.ErrOrStderr(), false)
	o.Retry.Notify = d.retrying
	j := d.start("get", from.String(), file, filepath.Base(file), askedSize)
	o.download.Progress = j.update
	o.download.Stale = func() {
		if !o.quiet {
			d.message("%s is another version now; what an earlier download has left is thrown away", from)
		}
	}
	var st *client.State
	switch {
	case file == "-":
		st, err = o.Client.Read(ctx, from.String(), cmd.OutOrStdout(), &o.download)
	case info != nil && !info.Mode().IsRegular():
		st, err = o.toDevice(ctx, from.String(), file)
	default:
		st, err = o.Client.Download(ctx, from.String(), file, &o.download)
	}
	status := 0
	if err != nil {
		status = exitStatus(ctx, err)
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
	}
	j.end(st, err, status)
	d.close()
	return err
}

// toDevice downloads to what is there and is not a regular file, such as /dev/null or a pipe.
func (o *getOptions) toDevice(ctx context.Context, url, name string) (*client.State, error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	st, err := o.Client.Read(ctx, url, f, &o.download)
	return st, errors.Join(err, f.Close())
}
