package main

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/spf13/pflag"
)

func TestConnectionsFor(t *testing.T) {
	for _, tt := range []struct{ descriptors, kept, want int }{
		{0, 0, 0}, {0, 256, 0}, {256, 0, minConnections}, {ownDescriptors + 3*minConnections, 0, minConnections},
		{20000, 0, 4700}, {20000, 300, 4625},
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

// Windows that net/http would not take are refused; others arrive at the server.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // in the error
	}{
		{[]string{"--stream-window=4MiB"}, "--stream-window is 4194304, want at most 4194303"},
		{[]string{"--stream-window=16383"}, "--stream-window is 16383, want at least 16384"},
		{[]string{"--connection-window=65535"}, "--connection-window is 65535, want at least 65536"},
		{[]string{"--connection-window=5MiB"}, "--connection-window is 5242880, want at most 4194303"},
		{[]string{"--stream-window=16KiB", "--connection-window=64KiB"}, ""},
	} {
		var o serveOptions
		flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		o.register(flags)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := o.validate(); fmt.Sprint(err) != cmp.Or(c.want, "<nil>") {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if s := optionsFrom(t, "--stream-window=1MiB", "--connection-window=3MiB").server(); s.StreamWindow != 1<<20 || s.ConnWindow != 3<<20 {
		t.Errorf("windows of %d and %d", s.StreamWindow, s.ConnWindow)
	}
}
