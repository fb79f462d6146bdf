package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const removeHelp = `Delete resources, complete or not. There is no way back.
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
		d := newDisplay(&o, cmd.OutOrStdout(), cmd.ErrOrStderr(), false)
		defer d.close()
		for _, arg := range args {
			at, err := parseURL(arg)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			err = o.Client.Remove(ctx, at.String(), &client.ChangeOptions{Match: match})
			if err != nil && !(force && errors.Is(err, client.ErrNotFound)) {
				return err
			}
			if o.json {
				d.print(change{Command: "rm", URL: at.String()})
			}
		}
		return nil
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "a resource that is not there is no error")
	cmd.Flags().StringVar(&match, "match", "", "entity `tag` that the resource must have")
	o.register(cmd.Flags(), false)
	return cmd
}

// change is what --json prints for a change that moves no content.
type change struct {
	Command string `json:"command"`
	URL     string `json:"url"`
	To      string `json:"to,omitempty"`
}
