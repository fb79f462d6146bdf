package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
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

// events puts what pebble does in the background into the log: what holds up
// requests as a warning, work that was done for those who look for details.
func (l pebbleLogger) events() *pebble.EventListener {
	done := func(what string, took time.Duration, attrs ...slog.Attr) {
		l.log.LogAttrs(context.Background(), slog.LevelDebug, what, append(attrs, slog.Duration("took", took))...)
	}
	return &pebble.EventListener{
		BackgroundError: func(err error) { l.log.Error("work on the map failed", "err", err) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			l.log.Error("a table of the map is damaged", "path", info.Path, "err", info.Details)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			l.log.Warn("commits wait for the map", "reason", info.Reason)
		},
		WriteStallEnd: func() { l.log.Warn("commits wait no more") },
		FlushEnd: func(info pebble.FlushInfo) {
			done("map flushed", info.TotalDuration, slog.Uint64("bytes", info.InputBytes), slog.Any("err", info.Err))
		},
		CompactionEnd: func(info pebble.CompactionInfo) {
			done("map compacted", info.TotalDuration, slog.Int("level", info.Output.Level), slog.String("reason", info.Reason), slog.Any("err", info.Err))
		},
	}
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
