package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/infill-http/infill/resource/client"
)

const putHelp = `Upload files, directories with all files below them, or standard input (-).

A URL that ends in a slash is a collection, and gets the files under their names:
infill put a.iso http://host/images/ makes http://host/images/a.iso. Any other URL
is the name of the one file, or takes the place of the name of the one directory.

Only what is missing is sent, over several connections. After an interruption of
any kind, the same command goes on; several of them, on several machines, share
the work if they are given the same file and URL. A resource that exists with
other content is replaced when all of the new content is there.

Each segment has a digest. The digest of the whole file is compared at the end
with --digest always, or if the upload was shared or interrupted, or if the
network is slow enough for it to cost no time. Otherwise a file that was modified
while it was sent is found by its time of modification.
` + exitHelp

const putExamples = `  infill put big.iso http://host:8080/images/
  infill put big.iso http://host:8080/images/new-name.iso
  infill put photos notes.txt http://host:8080/backup/
  tar -c . | infill put - http://host:8080/backup/home.tar
  infill put --json --digest always *.log http://host:8080/logs/ | jq '."sha-256"'`

// putOptions are the flags of the put command.
type putOptions struct {
	clientOptions
	upload    client.UploadOptions
	mediaType string
	whole     string
	segments  string
	noClobber bool
}

func putCommand() *cobra.Command {
	var o putOptions
	cmd := clientCommand(&cobra.Command{
		Use:     "put FILE... URL",
		Short:   "Upload files, directories or standard input",
		Long:    putHelp,
		Example: putExamples,
		Args:    cobra.MinimumNArgs(2),
	}, &o.clientOptions, func(ctx context.Context, cmd *cobra.Command, args []string) error {
		return o.run(ctx, cmd, args)
	})
	flags := cmd.Flags()
	flags.BoolVarP(&o.noClobber, "no-clobber", "n", false, "do not replace a resource that exists")
	flags.BoolVar(&o.upload.Restart, "restart", false, "throw away what an earlier upload has left, and begin anew")
	flags.StringVar(&o.mediaType, "type", "", "media `type` of the resource; default: by the name of the file")
	flags.Var(newChoice(&o.whole, "auto", "always", "never"), "digest", "when the digest of the whole file is computed and compared")
	flags.Var(newChoice(&o.segments, "crc32c", "sha-256", "none"), "segment-digest", "digest of each segment")
	o.register(flags, true)
	return cmd
}

// A source is one file to upload.
type source struct {
	path string // "-" is standard input
	name string // to show
	url  *url.URL
	size int64 // -1 if it is not known
}

// run uploads the files args, of which the last one is the URL.
func (o *putOptions) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	files, to := args[:len(args)-1], args[len(args)-1]
	at, err := parseURL(to)
	if err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	if len(files) > 1 && !isCollection(at) {
		return &usageError{cmd.CommandPath(), fmt.Errorf("%s is to get %d files, and does not end in a slash", at.Redacted(), len(files))}
	}
	for _, f := range files {
		if f == "-" && isCollection(at) {
			return &usageError{cmd.CommandPath(), fmt.Errorf("standard input has no name; %s needs one", at.Redacted())}
		}
	}
	if err := distinct(files, at); err != nil {
		return &usageError{cmd.CommandPath(), err}
	}
	o.upload.Replace = !o.noClobber
	o.upload.Whole, o.upload.Segments = client.Whole(o.whole), client.Algorithm(o.segments)
	many := len(files) > 1
	if info, err := os.Stat(files[0]); err == nil && info.IsDir() {
		many = true
	}
	d := newDisplay(&o.clientOptions, cmd.OutOrStdout(), cmd.ErrOrStderr(), many)
	o.Retry.Notify = d.retrying
	p := &putting{o: o, stdin: cmd.InOrStdin(), many: many, slots: make(chan struct{}, o.Connections), failures: failures{d: d}}
	err = p.all(ctx, files, at)
	return errors.Join(err, d.close())
}

// distinct returns an error if two of the files would get the same URL in the collection at.
func distinct(files []string, at *url.URL) error {
	if !isCollection(at) {
		return nil
	}
	names := map[string]string{}
	for _, f := range files {
		to, err := fileURL(f, at)
		if err != nil {
			return err
		}
		if other, ok := names[to.Path]; ok {
			return fmt.Errorf("%s and %s would both become %s", other, f, to.Redacted())
		}
		names[to.Path] = f
	}
	return nil
}

// fileURL returns the URL of a file of the command line in the collection at.
func fileURL(name string, at *url.URL) (*url.URL, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	return child(at, filepath.Base(abs)), nil
}

// A putting is the upload of all files of a command. Small files go over one connection each, several at a time; large
// ones go one after the other.
type putting struct {
	o     *putOptions
	stdin io.Reader
	many  bool
	slots chan struct{} // one for each small file in flight
	large sync.Mutex    // held while a large file is sent
	wg    sync.WaitGroup
	failures
}

// smallFile is the size up to which files are sent several at a time.
const smallFile = 8 << 20

// all uploads all files. A file that fails does not keep the others from being sent.
func (p *putting) all(ctx context.Context, files []string, at *url.URL) error {
	for _, f := range files {
		p.walk(ctx, f, at)
	}
	p.wg.Wait()
	return p.err(ctx)
}

// walk uploads a file, or all files of a directory.
func (p *putting) walk(ctx context.Context, name string, at *url.URL) {
	if name == "-" {
		p.begin(ctx, source{path: name, name: "standard input", url: at, size: -1})
		return
	}
	if isCollection(at) {
		to, err := fileURL(name, at)
		if err != nil {
			p.fail(ctx, source{path: name, url: at}, err)
			return
		}
		at = to
	}
	root, empty := resolve(name), true
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		src := source{path: path, name: filepath.Base(path), url: at}
		if rel, rerr := filepath.Rel(root, path); rerr == nil && rel != "." {
			for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
				src.url = child(src.url, part)
			}
		}
		empty = empty && err == nil && e.IsDir()
		if err != nil {
			p.fail(ctx, src, err)
			return nil
		}
		if e.IsDir() {
			return nil
		}
		info, err := os.Stat(path) // what a link leads to
		switch {
		case err != nil:
			p.fail(ctx, src, err)
		case info.IsDir():
			p.d.message("%s: left out, a link to a directory", path)
		case info.Mode().IsRegular():
			src.size = info.Size()
			p.begin(ctx, src)
		case path == root && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) != 0:
			src.size = -1
			p.begin(ctx, src)
		case path == root:
			p.fail(ctx, src, errors.New("neither a regular file, nor a directory, a pipe or a device"))
		default:
			p.d.message("%s: left out, not a regular file", path)
		}
		return nil
	})
	switch {
	case err != nil && ctx.Err() == nil:
		p.fail(ctx, source{path: name, url: at}, err)
	case err == nil && empty:
		p.d.message("%s: no files in it", name)
	}
}

// resolve returns what the link name leads to: what is named on the command line is meant.
func resolve(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// begin uploads src, or waits until it can and goes on in the background.
func (p *putting) begin(ctx context.Context, src source) {
	if !p.many || src.size < 0 {
		p.put(ctx, src, p.o.Connections)
		return
	}
	if src.size > smallFile {
		p.large.Lock()
		p.wg.Go(func() {
			defer p.large.Unlock()
			p.put(ctx, src, p.o.Connections)
		})
		return
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	p.wg.Go(func() {
		defer func() { <-p.slots }()
		p.put(ctx, src, 1)
	})
}

// put uploads src and shows the result.
func (p *putting) put(ctx context.Context, src source, connections int) {
	j := p.d.start("put", src.path, src.url.String(), src.name, src.size)
	c := p.o.Client
	c.Connections = connections
	st, err := p.send(ctx, &c, j, src)
	status := 0
	if err != nil {
		status = exitStatus(ctx, err)
		if ctx.Err() != nil {
			err = errInterrupted
		}
		p.note(ctx, src.located(err), status)
	}
	j.end(st, err, status)
}

// send uploads src.
func (p *putting) send(ctx context.Context, c *client.Client, j *job, src source) (*client.State, error) {
	o := p.o.upload
	o.Progress = j.update
	if o.Type = p.o.mediaType; o.Type == "" {
		o.Type = mime.TypeByExtension(filepath.Ext(src.url.Path))
	}
	stream := func(r io.Reader) (*client.State, error) {
		return c.UploadStream(ctx, src.url.String(), r, &client.StreamOptions{Type: o.Type, Whole: o.Whole, Segments: o.Segments,
			Replace: o.Replace, Restart: o.Restart, Progress: o.Progress})
	}
	if src.path == "-" {
		return stream(p.stdin)
	}
	f, err := os.Open(src.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if src.size < 0 {
		return stream(f)
	}
	info, err := f.Stat() // it may have waited for others to be sent, and have changed
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		// Some files tell their length only to those who read them, such as those of /proc.
		if first := make([]byte, 1); readByte(f, first) {
			return stream(io.MultiReader(bytes.NewReader(first), f))
		}
	}
	return c.Upload(ctx, src.url.String(), f, info.Size(), &o)
}

// readByte reads one byte into p, and reports whether there is one.
func readByte(r io.Reader, p []byte) bool {
	n, _ := io.ReadFull(r, p)
	return n == 1
}

// fail notes that src could not be begun.
func (p *putting) fail(ctx context.Context, src source, err error) {
	status := exitStatus(ctx, err)
	p.note(ctx, src.located(err), status)
	if p.d.json {
		p.d.print(result{Command: "put", From: src.path, To: src.url.Redacted(), Error: err.Error(), Status: status})
	}
}

// located returns err with the path of src, unless it has one.
func (src source) located(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%s: %w", src.path, err)
}
