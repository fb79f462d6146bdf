package main

import (
	"testing"

	"github.com/spf13/pflag"
)

func TestConnectionsFor(t *testing.T) {
	for _, tt := range []struct{ descriptors, kept, want int }{
		{0, 0, 0}, {0, 256, 0}, {256, 0, minConnections}, {ownDescriptors + 3*minConnections, 0, minConnections},
		{20000, 0, 6266}, {20000, 300, 6166},
	} {
		if got := connectionsFor(tt.descriptors, tt.kept); got != tt.want {
			t.Errorf("%d connections for %d descriptors, want %d", got, tt.descriptors, tt.want)
		}
	}
}

// optionsFrom returns the options that a command line gives.
func optionsFrom(t testing.TB, args ...string) *serveOptions {
	t.Helper()
	o := new(serveOptions)
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.register(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.validate(); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestNoLimits checks that 0 means no limit also where the server has a default for it.
func TestNoLimits(t *testing.T) {
	s := optionsFrom(t, "--response-idle-timeout=0", "--min-response-rate=0", "--ping-interval=0", "--tcp-keep-alive=0").server()
	if s.WriteIdleTimeout >= 0 || s.MinWriteRate >= 0 || s.PingInterval >= 0 {
		t.Errorf("limits are %v, %d and %v, want negative ones", s.WriteIdleTimeout, s.MinWriteRate, s.PingInterval)
	}
}
