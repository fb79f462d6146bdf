package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const moveHelp = `Give a complete resource another URL on the same server, in one step: readers of
the new one see the old content until they see the new one. TO may be relative to
FROM, and may end in a slash: then the resource keeps its name.
` + exitHelp

const copyHelp = `Give a complete resource a second URL on the same server. The bytes are not
copied, and later changes of the one are not seen at the other. TO may be relative
to FROM, and may end in a slash: then the copy has the same name.
` + exitHelp

func moveCommand() *cobra.Command {
	return relocation("mv", "Move a resource to another URL of the server", moveHelp, (*client.Client).Move,
		"  infill mv http://host:8080/inbox/a.iso /images/\n  infill mv --no-clobber http://host:8080/a http://host:8080/b")
}

func copyCommand() *cobra.Command {
	return relocation("cp", "Copy a resource to another URL of the server", copyHelp, (*client.Client).Copy,
		"  infill cp http://host:8080/images/a.iso /images/b.iso\n  infill cp http://host:8080/images/a.iso /archive/")
}

// relocation returns the command for do, which is Move or Copy.
func relocation(name, short, long string, do func(c *client.Client, ctx context.Context, from, to string, o *client.ChangeOptions) error, examples string) *cobra.Command {
	var o clientOptions
	var options client.ChangeOptions
	cmd := clientCommand(&cobra.Command{
		Use:     name + " FROM TO",
		Short:   short,
		Long:    long,
		Example: examples,
		Args:    cobra.ExactArgs(2),
	}, &o, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		from, err := parseResource(args[0])
		if err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		to, err := from.Parse(args[1])
		if err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		if isCollection(to) {
			last, err := base(from)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			to = child(to, last)
		}
		if to.Scheme != from.Scheme || to.Host != from.Host {
			return &usageError{cmd.CommandPath(), fmt.Errorf("%s is on another server than %s", to.Redacted(), from.Redacted())}
		}
		err = do(&o.Client, ctx, from.String(), to.String(), &options)
		return errors.Join(err, o.printChange(ctx, cmd, change{Command: name, URL: from.Redacted(), To: to.Redacted()}, err))
	})
	cmd.Flags().BoolVarP(&options.Keep, "no-clobber", "n", false, "do not replace a resource that exists")
	cmd.Flags().StringVar(&options.Match, "match", "", "entity `tag` that the resource must have")
	o.register(cmd.Flags(), false)
	return cmd
}

// change is what --json prints for a change that moves no content.
type change struct {
	Command string `json:"command"`
	URL     string `json:"url"`
	To      string `json:"to,omitempty"`
	Error   string `json:"error,omitempty"`
	Status  int    `json:"exit-status,omitempty"`
}

// printChange prints c, which ended with err, if --json is set.
func (o *clientOptions) printChange(ctx context.Context, cmd *cobra.Command, c change, err error) error {
	if !o.json {
		return nil
	}
	if err != nil {
		c.Error, c.Status = err.Error(), exitStatus(ctx, err)
	}
	return printJSON(cmd.OutOrStdout(), c)
}
