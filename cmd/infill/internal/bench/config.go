package bench

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Target is a server to put load on.
type Target struct {
	// URL is where resources are made: for infill and put the collection that is
	// to have them, for tus the endpoint of creation, for s3 the bucket, as a path.
	URL string `json:"url"`

	// Protocol is one of Protocols.
	Protocol string `json:"protocol"`
}

// Credentials are those of S3.
type Credentials struct {
	AccessKey, SecretKey, Region string
}

// A Config says what Run does. All numbers have to be given.
type Config struct {
	Targets   []Target // one, or two that are compared
	Workloads []string // names from Workloads, in the order in which they are done

	Size    int64 // bytes of a large resource
	Segment int64 // bytes of one write of a parallel fill
	Small   int64 // bytes of a small resource, and of a small write
	Range   int64 // bytes of a ranged read
	Islands int   // separate ranges of an incomplete resource; 0: head asks for a complete one

	Connections int           // concurrent clients of all workloads but those of one transfer
	Duration    time.Duration // of one round of the workloads that have no end of their own
	Rounds      int

	// HTTP2 has the clients speak HTTP/2, in clear text with prior knowledge.
	// Each client still has a connection of its own.
	HTTP2 bool

	S3 Credentials // of all targets whose protocol is s3

	// Progress, if not nil, is called after each round of a target.
	Progress func(Progress)
}

// Progress tells of one round that ended.
type Progress struct {
	Workload      string
	Target        int // index
	Round, Rounds int // Round counts from 1
	Rate          float64
	Unit          string
}

// Validate reports all that is wrong in c.
func (c *Config) Validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if n := len(c.Targets); n < 1 || n > 2 {
		fault("number of targets is %d, want 1 or 2", n)
	}
	for _, t := range c.Targets {
		u, err := url.Parse(t.URL)
		if err != nil {
			fault("target: %w", err)
		} else if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			fault("target %q is not an http or https URL", t.URL)
		} else if u.RawQuery != "" || u.Fragment != "" {
			fault("target %q has a query or a fragment", t.URL)
		}
		if !slices.Contains(Protocols, t.Protocol) {
			fault("protocol %q is not one of %s", t.Protocol, strings.Join(Protocols, ", "))
		} else if t.Protocol == "s3" && (c.S3.AccessKey == "" || c.S3.SecretKey == "" || c.S3.Region == "") {
			fault("protocol s3 needs an access key, a secret key and a region")
		}
	}
	if len(c.Workloads) == 0 {
		fault("no workload, want any of %s", strings.Join(WorkloadNames(), ", "))
	}
	for _, name := range c.Workloads {
		if _, ok := workloads[name]; !ok {
			fault("workload %q is not one of %s", name, strings.Join(WorkloadNames(), ", "))
		}
	}
	for _, v := range []struct {
		name         string
		value, least int64
	}{
		{"size", c.Size, 1},
		{"segment", c.Segment, 1},
		{"small", c.Small, 1},
		{"range", c.Range, 1},
		{"islands", int64(c.Islands), 0},
		{"connections", int64(c.Connections), 1},
		{"rounds", int64(c.Rounds), 1},
	} {
		if v.value < v.least {
			fault("%s is %d, want at least %d", v.name, v.value, v.least)
		}
	}
	if c.Duration <= 0 {
		fault("duration is %v, want more", c.Duration)
	}
	if c.Small > c.Size || c.Range > c.Size {
		fault("small is %d and range is %d, want at most size, %d", c.Small, c.Range, c.Size)
	}
	return errors.Join(errs...)
}
