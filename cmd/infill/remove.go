package main

import (
	"context"
	"errors"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const removeHelp = `Delete resources, complete or not. There is no way back. One that cannot be
deleted does not keep the others from being deleted.
` + exitHelp

const removeExamples = `  infill rm http://host:8080/images/old.iso
  infill rm --force http://host:8080/a http://host:8080/b`

func removeCommand() *cobra.Command {
	var o clientOptions
	var force bool
	var match string
	cmd := clientCommand(&cobra.Command{
		Use:     "rm URL...",
		Short:   "Delete resources",
		Long:    removeHelp,
		Example: removeExamples,
		Args:    cobra.MinimumNArgs(1),
	}, &o, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		var resources []*url.URL
		for _, arg := range args {
			at, err := parseResource(arg)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			resources = append(resources, at)
		}
		var errs []error
		for _, at := range resources {
			err := o.Client.Remove(ctx, at.String(), &client.ChangeOptions{Match: match})
			if force && errors.Is(err, client.ErrNotFound) {
				err = nil
			}
			errs = append(errs, err, o.printChange(ctx, cmd, change{Command: "rm", URL: at.Redacted()}, err))
			if ctx.Err() != nil {
				break
			}
		}
		return errors.Join(errs...)
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "a resource that is not there is no error")
	cmd.Flags().StringVar(&match, "match", "", "entity `tag` that the resource must have")
	o.register(cmd.Flags(), false)
	return cmd
}
