package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
)

// pebbleLogger puts pebble's messages into ours.
type pebbleLogger struct{ log *slog.Logger }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.LogAttrs(context.Background(), slog.LevelDebug, "map", slog.String("event", fmt.Sprintf(format, args...)))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.LogAttrs(context.Background(), slog.LevelError, "map", slog.String("event", fmt.Sprintf(format, args...)))
}

// Fatalf ends the process: pebble calls it when the log cannot be synced, and
// would take a return for success.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	os.Exit(1)
}
