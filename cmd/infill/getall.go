package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

// A getting is the download of all files of a collection.
type getting struct {
	o     *getOptions
	from  *url.URL
	to    string // directory
	began time.Time
	failures

	files, size, moved atomic.Int64 // of what is there at the end
}

// all downloads the collection from to the directory dir, or to one with its name if dir is "".
func (o *getOptions) all(ctx context.Context, cmd *cobra.Command, from *url.URL, dir string) error {
	if dir == "-" {
		return &usageError{cmd.CommandPath(), fmt.Errorf("%s is a collection, and standard output takes one file", from.Redacted())}
	}
	if dir == "" {
		name, err := base(from)
		if err != nil {
			return &usageError{cmd.CommandPath(), fmt.Errorf("%s does not end in a name for a directory; give one", from.Redacted())}
		}
		dir = name
	}
	d := newDisplay(&o.clientOptions, cmd.OutOrStdout(), cmd.ErrOrStderr(), true)
	o.Retry.Notify = d.retrying
	g := &getting{o: o, from: from, to: dir, began: time.Now(), failures: failures{d: d}}
	err := o.Client.DownloadCollection(ctx, from.String(), dir, &client.CollectionOptions{
		Begin: func(e client.Entry, path string) (*client.DownloadOptions, func(*client.State, error)) {
			return g.begin(ctx, e, path)
		},
		MaxDepth: o.maxDepth,
	})
	if err != nil {
		err = g.err(ctx)
	}
	g.total(ctx, err)
	return errors.Join(err, d.close())
}

// begin shows the download of e to path.
func (g *getting) begin(ctx context.Context, e client.Entry, path string) (*client.DownloadOptions, func(*client.State, error)) {
	size := e.Length
	if path == "" || !e.Complete {
		size = askedSize // there is nothing to show
	}
	j := g.d.start("get", e.URL, path, e.Name, size)
	o := g.o.download
	o.Progress = j.update
	o.Stale = func() { g.o.stale(g.d, redacted(e.URL)) }
	return &o, func(st *client.State, err error) {
		status := 0
		if err == nil {
			g.files.Add(1)
			g.size.Add(st.Length)
		} else {
			status = exitStatus(ctx, err)
			g.note(ctx, err, status)
		}
		g.moved.Add(j.moved)
		j.end(st, err, status)
	}
}

// collectionResult is what --json prints for a collection, after the results of its files.
type collectionResult struct {
	Command string  `json:"command"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Files   int64   `json:"files"`  // that are there
	Failed  int     `json:"failed"` // files and collections that are not, or not all of them
	Size    int64   `json:"size"`   // bytes of the files that are there
	Moved   int64   `json:"moved"`  // bytes that were received
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	Status  int     `json:"exit-status,omitempty"`
}

// total shows how the whole ended.
func (g *getting) total(ctx context.Context, err error) {
	files, size, moved := g.files.Load(), g.size.Load(), g.moved.Load()
	if g.d.json {
		r := collectionResult{Command: "get", From: g.from.Redacted(), To: g.to, Files: files, Failed: g.count(), Size: size, Moved: moved,
			Seconds: time.Since(g.began).Seconds()}
		if err != nil {
			r.Error, r.Status = err.Error(), exitStatus(ctx, err)
		}
		g.d.print(r)
		return
	}
	if g.d.quiet || ctx.Err() != nil {
		return
	}
	rate := uint64(float64(moved) / max(time.Since(g.began).Seconds(), 1e-3))
	g.d.message("%s -> %s: %d files, %s, %s of it now, in %v, %s/s", g.from.Redacted(), filepath.Clean(g.to), files, humanize.IBytes(uint64(size)),
		humanize.IBytes(uint64(moved)), since(g.began), humanize.IBytes(rate))
}
