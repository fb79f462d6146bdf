package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const listHelp = `List what is in a collection, in the order of names: size, time of the last
commit, and name. Collections end in a slash. Of a resource that is not complete,
the size is how much is there from its start on, and how much there will be.
` + exitHelp

const listExamples = `  infill ls http://host:8080/
  infill ls --json http://host:8080/images/ | jq -r 'select(.complete).url'`

func listCommand() *cobra.Command {
	var o clientOptions
	cmd := clientCommand(&cobra.Command{
		Use:     "ls URL",
		Short:   "List what is in a collection",
		Long:    listHelp,
		Example: listExamples,
		Args:    cobra.ExactArgs(1),
	}, &o, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		at, err := parseURL(args[0])
		if err != nil {
			return &usageError{cmd.CommandPath(), err}
		}
		return list(ctx, &o, at, cmd.OutOrStdout())
	})
	o.register(cmd.Flags(), false)
	return cmd
}

// entryDocument is what --json prints for an entry.
type entryDocument struct {
	URL        string    `json:"url"`
	Name       string    `json:"name"`
	Collection bool      `json:"collection,omitempty"`
	Complete   bool      `json:"complete"`
	Offset     int64     `json:"offset"`
	Length     *int64    `json:"length,omitempty"`
	Type       string    `json:"type,omitempty"`
	ETag       string    `json:"etag,omitempty"`
	Modified   time.Time `json:"modified,omitzero"`
}

// list writes the entries of the collection at, which may be written without its slash.
func list(ctx context.Context, o *clientOptions, at *url.URL, stdout io.Writer) error {
	if !isCollection(at) {
		at = at.JoinPath("/")
	}
	w := bufio.NewWriter(stdout)
	for e, err := range o.Client.List(ctx, at.String()) {
		if err == nil && o.json {
			doc := entryDocument{URL: redacted(e.URL), Name: e.Name, Collection: e.Collection, Complete: e.Complete, Offset: e.Offset, Type: e.Type,
				ETag: e.ETag, Modified: e.Modified}
			if e.Length >= 0 {
				doc.Length = &e.Length
			}
			err = printJSON(w, doc)
		} else if err == nil {
			err = writeEntry(w, e)
		}
		if err != nil {
			w.Flush()
			return err
		}
	}
	return w.Flush()
}

// writeEntry writes one line. Names are quoted if a terminal would not show them as they are.
func writeEntry(w io.Writer, e client.Entry) error {
	name := fmt.Sprintf("%q", e.Name)
	if name == `"`+e.Name+`"` {
		name = e.Name
	}
	if e.Collection {
		_, err := fmt.Fprintf(w, "%21s  %16s  %s/\n", "", "", name)
		return err
	}
	size := humanize.IBytes(uint64(e.Offset))
	switch {
	case !e.Complete && e.Length >= 0:
		size += " of " + humanize.IBytes(uint64(e.Length))
	case !e.Complete:
		size += " of ?"
	}
	_, err := fmt.Fprintf(w, "%21s  %16s  %s\n", size, e.Modified.Local().Format("2006-01-02 15:04"), name)
	return err
}
