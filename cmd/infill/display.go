package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/infill-http/infill/resource/client"
)

// A display shows how transfers go: on a terminal with a bar for each, and one for all of them if there are more; elsewhere
// with a line now and then, and one at the end of each. Faults in writing it are not faults of the transfers; those in
// writing results, to standard output, are.
type display struct {
	out, err    io.Writer
	quiet, json bool

	bars  *mpb.Progress // nil: lines
	total *mpb.Bar      // of all files; nil if there is only one

	mu    sync.Mutex
	sum   int64 // bytes of all files that were begun
	done  int64 // bytes that are there of all files
	fault error // of standard output
}

// newDisplay returns a display for transfers, of one file or of many.
func newDisplay(o *clientOptions, stdout, stderr io.Writer, many bool) *display {
	d := &display{out: stdout, err: stderr, quiet: o.quiet, json: o.json}
	if !o.quiet && isTerminal(stderr) {
		d.bars = mpb.New(mpb.WithOutput(stderr), mpb.WithAutoRefresh())
		if many {
			d.total = d.bar("total", 0, 1)
		}
	}
	return d
}

// bar adds a bar for size bytes, -1 if that is not known.
func (d *display) bar(name string, size int64, priority int) *mpb.Bar {
	left := []decor.Decorator{decor.Name(printable(name), decor.WCSyncSpaceR)}
	right := []decor.Decorator{
		decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace),
		decor.AverageSpeed(decor.SizeB1024(0), "% .1f", decor.WCSyncSpace),
		decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace),
	}
	if size < 0 {
		right = []decor.Decorator{decor.CurrentKibiByte("% .1f", decor.WCSyncSpace), right[1]}
	}
	return d.bars.AddBar(max(0, size), mpb.BarPriority(priority), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(left...), mpb.AppendDecorators(right...))
}

// A job is one transfer on a display.
type job struct {
	d       *display
	verb    string // such as "put"
	from    string
	to      string
	name    string // to show
	bar     *mpb.Bar
	began   time.Time
	last    time.Time // of the last line
	first   int64     // bytes that were there before; -1 until that is known
	current int64     // bytes that are counted in the total
	moved   int64
}

// askedSize is the size of a transfer that gets known when it begins.
const askedSize = -2

// start shows a transfer of size bytes, -1 if that is not known.
func (d *display) start(verb, from, to, name string, size int64) *job {
	j := &job{d: d, verb: verb, from: redacted(from), to: redacted(to), name: name, began: time.Now(), last: time.Now(), first: -1}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bars != nil && size != askedSize {
		j.bar = d.bar(name, size, 0)
		d.sum += max(0, size)
		if d.total != nil {
			d.total.SetTotal(d.sum, false)
		}
	}
	return j
}

// update shows progress. It is called by one goroutine at a time.
func (j *job) update(p client.Progress) {
	if j.bar == nil && j.d.bars != nil {
		j.bar = j.d.bar(j.name, p.Size, 0)
	}
	if j.first < 0 {
		j.first = max(0, p.Done-p.Moved)
		if j.bar != nil {
			j.bar.DecoratorAverageAdjust(j.began)
		}
	}
	j.moved = p.Moved
	now := max(p.Done, j.first+p.Moved) // with what is on its way
	if p.Size >= 0 {
		now = min(now, p.Size)
	}
	switch {
	case j.bar != nil:
		if p.Size < 0 {
			j.bar.SetTotal(now+1, false)
		}
		j.bar.SetCurrent(now)
		j.count(now)
	case !j.d.quiet && !j.d.json && time.Since(j.last) >= linesEvery:
		j.last = time.Now()
		of := ""
		if p.Size >= 0 {
			of = " of " + humanize.IBytes(uint64(p.Size))
		}
		j.d.message("%s: %s%s, %s/s", j.from, humanize.IBytes(uint64(now)), of, humanize.IBytes(j.rate()))
	}
}

// count adds to the total.
func (j *job) count(now int64) {
	j.d.mu.Lock()
	defer j.d.mu.Unlock()
	j.d.done += now - j.current
	j.current = now
	if j.d.total != nil {
		j.d.total.SetCurrent(j.d.done)
	}
}

// rate returns the bytes per second that were moved.
func (j *job) rate() uint64 {
	return uint64(float64(j.moved) / max(time.Since(j.began).Seconds(), 1e-3))
}

// result is what --json prints for a transfer.
type result struct {
	Command string  `json:"command"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Size    int64   `json:"size"`  // bytes of the resource
	Moved   int64   `json:"moved"` // bytes that were sent or received
	Seconds float64 `json:"seconds"`
	ETag    string  `json:"etag,omitempty"`
	SHA256  string  `json:"sha-256,omitempty"`
	Error   string  `json:"error,omitempty"`
	Status  int     `json:"exit-status,omitempty"`
}

// end shows how the transfer ended: with st, or with err and an exit status.
func (j *job) end(st *client.State, err error, status int) {
	r := result{Command: j.verb, From: j.from, To: j.to, Moved: j.moved, Seconds: time.Since(j.began).Seconds(), Status: status}
	if st != nil {
		r.Size, r.ETag, r.SHA256 = st.Length, st.ETag, st.Digest.String()
	}
	if err != nil {
		r.Error = err.Error()
	}
	if j.bar != nil {
		if err == nil {
			j.count(r.Size)
		}
		j.bar.Abort(true)
	}
	switch {
	case j.d.json:
		j.d.print(r)
	case err == nil && !j.d.quiet:
		moved := fmt.Sprintf("in %v, %s/s", since(j.began), humanize.IBytes(j.rate()))
		switch {
		case j.moved == 0 && r.Size > 0:
			moved = "all of it was there"
		case j.moved < r.Size:
			moved = fmt.Sprintf("%s of it now, %s", humanize.IBytes(uint64(j.moved)), moved)
		}
		j.d.message("%s -> %s: %s, %s", j.from, j.to, humanize.IBytes(uint64(r.Size)), moved)
	}
}

// message shows a line, above the bars if there are some.
func (d *display) message(format string, args ...any) {
	line := printable(fmt.Sprintf(format, args...)) + "\n"
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bars != nil {
		if _, err := d.bars.Write([]byte(line)); err == nil {
			return
		}
	}
	io.WriteString(d.err, line)
}

// retrying shows why a transfer pauses.
func (d *display) retrying(err error, wait time.Duration) {
	if !d.quiet {
		d.message("%v; trying again in %v", err, wait.Round(time.Millisecond))
	}
}

// print writes one line of JSON to standard output.
func (d *display) print(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = cmp.Or(d.fault, printJSON(d.out, v))
}

// printJSON writes v on one line. Its error is none of a transfer, whatever kept it from being written.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("the result could not be written: %v", err)
	}
	return nil
}

// close removes the bars. It returns the first error of print.
func (d *display) close() error {
	if d.bars != nil {
		if d.total != nil {
			d.total.Abort(true)
		}
		d.bars.Wait()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}
