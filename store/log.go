package store

import (
	"context"
	"fmt"
	"log/slog"
)

// pebbleLogger puts pebble's messages into ours.
type pebbleLogger struct {
	log   *slog.Logger
	fatal func(err error) // never returns
}

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.LogAttrs(context.Background(), slog.LevelDebug, "map", slog.String("event", fmt.Sprintf(format, args...)))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.LogAttrs(context.Background(), slog.LevelError, "map", slog.String("event", fmt.Sprintf(format, args...)))
}

// Fatalf does not return: pebble calls it when the map cannot be written, and
// would take a return for success.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf(format, args...))
}

// fatal logs why the process cannot go on, and ends it.
func (o *Options) fatal(reason string, err error) {
	o.Logger.Error("the process ends", "reason", reason, "err", err)
	o.exit(1)
}
