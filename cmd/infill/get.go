package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const getHelp = `Download a resource to a file, to a directory under its name, or to standard
output (-). Without FILE, it goes to the name that the URL ends in.

A URL that ends in a slash is a collection: all that is in it, and in the
collections in it, goes into the directory DIR, or into one with the name of the
collection. Given again, the command gets what is missing, and what is not the
same any more: of a file that is there, the size and then the digest are compared.
Files that the collection does not have stay. A name that would lead out of the
directory, or cannot be that of a file, is an error, and so is a resource that is
not complete; the others are downloaded nevertheless.

The bytes come over several connections into FILE.part; FILE.part.json says what
of it is there. When all is there and has the digest that the server tells, the
file gets its name. After an interruption of any kind, the same command goes on.
If the resource has changed since, it begins anew: two versions are never mixed.

The digest is by default a CRC-32C (crc32c) if the server tells that, and else
SHA-256. CRC-32C finds damage, on the way and on the disk of the server, and costs
next to nothing. It finds no forgery: where others may change what is sent, use
https, or --verify sha-256 if you know that the digest itself can be trusted. That
is slower than a fast network.
` + exitHelp

const getExamples = `  infill get http://host:8080/images/big.iso
  infill get http://host:8080/images/big.iso /tmp/other-name.iso
  infill get http://host:8080/backup/home.tar - | tar -x
  infill get http://host:8080/backup/photos/
  infill get http://host:8080/backup/photos/ /tmp/other-name
  infill get --verify sha-256 https://host/images/big.iso`

// getOptions are the flags of the get command.
type getOptions struct {
	clientOptions
	download client.DownloadOptions
	maxDepth int
	verify   string
	noVerify bool
}

func getCommand() *cobra.Command {
	var o getOptions
	cmd := clientCommand(&cobra.Command{
		Use:     "get URL [FILE|DIR]",
		Short:   "Download a resource or a collection",
		Long:    getHelp,
		Example: getExamples,
		Args:    cobra.RangeArgs(1, 2),
	}, &o.clientOptions, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		return o.run(ctx, cmd, args)
	})
	flags := cmd.Flags()
	flags.BoolVar(&o.download.Restart, "restart", false, "throw away what an earlier download has left, and begin anew")
	flags.Var(newChoice(&o.verify, "auto", "crc32c", "sha-256", "none"), "verify", "digest of the whole to compare")
	flags.BoolVar(&o.noVerify, "no-verify", false, "do not compare a digest: --verify none")
	flags.BoolVar(&o.download.Sync, "sync", false, "make the file durable before the end")
	flags.DurationVar(&o.download.Checkpoint, "checkpoint", client.DefaultCheckpoint, "time between two notes of what is there: what a kill can cost")
	flags.DurationVar(&o.download.SyncEvery, "sync-every", client.DefaultSyncEvery, "time between two of them that are made durable, at least: what a loss\nof power can cost")
	flags.IntVar(&o.maxDepth, "max-depth", client.DefaultMaxDepth, "collections that may be in each other")
	o.register(flags, true)
	return cmd
}

// run downloads args[0] to args[1].
func (o *getOptions) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	from, err := parseURL(args[0])
	if err == nil && min(o.download.Checkpoint, o.download.SyncEvery) <= 0 {
		err = fmt.Errorf("--checkpoint is %v, and --sync-every %v, want more than 0", o.download.Checkpoint, o.download.SyncEvery)
	}
	if err == nil && o.maxDepth < 1 {
		err = fmt.Errorf("--max-depth is %d, want at least 1", o.maxDepth)
	}
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	o.download.Digest = o.algorithm()
	if isCollection(from) {
		return o.all(ctx, cmd, from, strings.Join(args[1:], ""))
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
	o.download.Stale = func() { o.stale(d, from.Redacted()) }
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
			err = errInterrupted
		}
	}
	j.end(st, err, status)
	return errors.Join(err, d.close())
}

// stale tells that an earlier download was of no use.
func (o *getOptions) stale(d *display, url string) {
	if !o.quiet {
		d.message("%s is another version now; what an earlier download has left is thrown away", url)
	}
}

// algorithm returns the one of the digest that is compared.
func (o *getOptions) algorithm() client.Algorithm {
	switch {
	case o.noVerify:
		return client.NoDigest
	case o.verify == "auto":
		return ""
	}
	return client.Algorithm(o.verify)
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
