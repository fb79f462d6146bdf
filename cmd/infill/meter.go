package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/infill-http/infill/store"
)

// A meter shows how far a check is: on a terminal as one line that changes,
// elsewhere as lines. Faults in writing it are not faults of the check.
type meter struct {
	w        io.Writer
	on       bool
	terminal bool
	last     time.Time // of the last line
}

const (
	terminalEvery = 200 * time.Millisecond
	linesEvery    = 10 * time.Second
)

// show shows the counts, unless it did so a moment ago.
func (m *meter) show(c store.CheckCounts) {
	every := linesEvery
	if m.terminal {
		every = terminalEvery
	}
	now := time.Now()
	if m.last.IsZero() {
		m.last = now
	}
	if now.Sub(m.last) < every {
		return
	}
	m.last = now
	if m.terminal {
		fmt.Fprintf(m.w, "\r%s\x1b[K", meterLine(c))
	} else {
		fmt.Fprintln(m.w, meterLine(c))
	}
}

// end shows the last counts.
func (m *meter) end(c store.CheckCounts) {
	switch {
	case !m.on:
	case m.terminal:
		fmt.Fprintf(m.w, "\r%s\x1b[K\n", meterLine(c))
	default:
		fmt.Fprintln(m.w, meterLine(c))
	}
}

func meterLine(c store.CheckCounts) string {
	line := fmt.Sprintf("checked: %d resources, %d files", c.Resources, c.Files)
	if c.TotalBytes > 0 {
		line += fmt.Sprintf(", %s of %s (%d%%)", humanize.IBytes(uint64(c.Bytes)), humanize.IBytes(uint64(c.TotalBytes)),
			int64(float64(c.Bytes)/float64(c.TotalBytes)*100))
	}
	return line + fmt.Sprintf(", faults: %d", c.Faults)
}
