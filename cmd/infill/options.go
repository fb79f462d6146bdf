package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/resource"
	"github.com/infill-http/infill/resource/server"
	"github.com/infill-http/infill/store"
)

// serveOptions are the flags of the serve command.
type serveOptions struct {
	listen     string
	data       string
	durability string

	maxLength, maxContent, minFree   int64
	maxRanges, maxParts              int
	incompleteGet, ifNoneMatchStar   string
	requireConditions, createOnPatch bool
	allowedOrigins                   []string
	persistBytes                     int64
	inlineSize                       int64
	maxOpenFiles                     int
	persistInterval                  time.Duration
	incompleteMaxAge                 time.Duration
	verifyReads                      bool
	scrubRate                        int64
	scrubInterval                    time.Duration

	maxHeaderBytes                 int64
	readHeaderTimeout, idleTimeout time.Duration
	bodyIdleTimeout                time.Duration
	minBodyRate                    int64
	responseIdleTimeout            time.Duration
	minResponseRate                int64
	pingInterval, keepAlive        time.Duration
	maxConnections, maxStreams     int
	streamWindow, connWindow       int64
	shutdownGrace                  time.Duration

	logLevel, logFormat string
}

// register makes o the values of flags.
func (o *serveOptions) register(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` to accept connections on; port 0 chooses one")
	flags.StringVar(&o.data, "data", "infill-data", "data `directory`; made if it does not exist")
	flags.Var(newChoice(&o.durability, "sync", "none"), "durability", "sync: what is acknowledged survives power loss;\nnone: scratch data, which a crash can lose or tear")

	flags.Var(newSize(&o.maxLength, 8<<40), "max-length", "largest complete-length of a resource")
	flags.Var(newSize(&o.maxContent, 0), "max-content", "largest content of one request; 0: no limit but --max-length")
	flags.IntVar(&o.maxRanges, "max-ranges", 100_000, "most separate ranges of an incomplete resource")
	flags.IntVar(&o.maxParts, "max-parts", byteranges.DefaultMaxParts, "most parts of one patch document")
	flags.Var(newSize(&o.minFree, 256<<20), "min-free", "free space below which writes are refused; 0: none")
	flags.Var(newSize(&o.inlineSize, 16<<10), "inline-size", "largest write that is kept in the map instead of a file; 0: none")
	flags.IntVar(&o.maxOpenFiles, "max-open-files", store.DefaultMaxOpenFiles, "data files that are kept open to be read again; 0: none")
	flags.Var(newSize(&o.persistBytes, 32<<20), "persist-bytes", "bytes between two commits of a persisting write")
	flags.DurationVar(&o.persistInterval, "persist-interval", time.Second, "time between two commits of a persisting write")
	flags.DurationVar(&o.incompleteMaxAge, "incomplete-max-age", 7*24*time.Hour, "time after the last write to an incomplete resource when it is removed;\n0: it stays")

	flags.BoolVar(&o.verifyReads, "verify-reads", false, "compare bytes with their checksums before they are sent; without it\nonly resources of which bytes were found damaged are read so")
	flags.Var(newSize(&o.scrubRate, 0), "scrub-rate", "bytes per second read in the background to find damage; 0: none")
	flags.DurationVar(&o.scrubInterval, "scrub-interval", 7*24*time.Hour, "time between the begins of two passes of the scrub")

	flags.Var(newChoice(&o.incompleteGet, "prefix", "404", "409"), "incomplete-get", "what GET of an incomplete resource answers")
	flags.Var(newChoice(&o.ifNoneMatchStar, "draft", "strict"), "if-none-match-star", "draft: If-None-Match: * of a PATCH lets an incomplete resource\nbe filled; strict: it does not")
	flags.BoolVar(&o.createOnPatch, "create-on-patch", true, "let a PATCH or a segment create a resource")
	flags.BoolVar(&o.requireConditions, "require-conditions", false, "refuse to overwrite a complete resource without a condition")
	flags.StringSliceVar(&o.allowedOrigins, "allowed-origins", []string{"*"}, "`origins` whose scripts may use this server, or *; empty: none")

	flags.Var(newSize(&o.maxHeaderBytes, server.DefaultMaxHeaderBytes), "max-header-bytes", "largest header section of a request")
	flags.DurationVar(&o.readHeaderTimeout, "read-header-timeout", server.DefaultReadHeaderTimeout, "time for a header section; 0: no limit")
	flags.DurationVar(&o.bodyIdleTimeout, "body-idle-timeout", time.Minute, "time in which some of the body has to arrive; 0: no limit")
	flags.Var(newSize(&o.minBodyRate, 256), "min-body-rate", "least bytes per second of a body, on average over --body-idle-timeout,\nwhile the server waits for it; 0: any")
	flags.DurationVar(&o.responseIdleTimeout, "response-idle-timeout", server.DefaultWriteIdleTimeout, "time in which a client has to take some of a response; 0: no limit")
	flags.Var(newSize(&o.minResponseRate, server.DefaultMinWriteRate), "min-response-rate", "least bytes per second that a client takes of a response, on average over\n--response-idle-timeout, while the server waits for it; 0: any")
	flags.DurationVar(&o.idleTimeout, "idle-timeout", server.DefaultIdleTimeout, "time between two requests of a connection; 0: no limit")
	flags.DurationVar(&o.pingInterval, "ping-interval", server.DefaultPingInterval, "silence after which an HTTP/2 client is asked if it is there,\nwith as much time to answer; 0: it is not asked")
	flags.DurationVar(&o.keepAlive, "tcp-keep-alive", 30*time.Second, "silence after which the host of a client is asked if it is there;\nthe connection ends after 3 questions without an answer; 0: it is not asked")
	flags.IntVar(&o.maxConnections, "max-connections", 0, "most connections at a time, beyond which clients wait to be accepted;\n0: a quarter of the file descriptors that the process may have")
	flags.IntVar(&o.maxStreams, "max-streams", server.DefaultMaxConcurrentStreams, "most concurrent requests of one HTTP/2 connection")
	flags.Var(newSize(&o.streamWindow, server.DefaultStreamWindow), "stream-window", "bytes that one HTTP/2 request may send ahead of what was stored, and so in\none round trip at most")
	flags.Var(newSize(&o.connWindow, server.DefaultConnWindow), "connection-window", "the same for all requests of one HTTP/2 connection: the memory that each\nconnection takes while the disk stalls")
	flags.DurationVar(&o.shutdownGrace, "shutdown-grace", server.DefaultShutdownGrace, "time for requests in flight to end at shutdown")

	flags.Var(newChoice(&o.logLevel, "info", "debug", "warn", "error"), "log-level", "least level that is logged; debug logs refused requests")
	flags.Var(newChoice(&o.logFormat, "text", "json"), "log-format", "form of the log")
}

// validate reports all values that cannot be used.
func (o *serveOptions) validate() error {
	var errs []error
	atLeast := func(least int64, flag string, value int64) {
		if value < least {
			errs = append(errs, fmt.Errorf("--%s is %d, want at least %d", flag, value, least))
		}
	}
	atLeast(1, "max-length", o.maxLength)
	atLeast(1, "max-ranges", int64(o.maxRanges))
	atLeast(1, "max-parts", int64(o.maxParts))
	atLeast(1, "persist-bytes", o.persistBytes)
	atLeast(0, "max-open-files", int64(o.maxOpenFiles))
	atLeast(0, "max-connections", int64(o.maxConnections))
	if o.inlineSize > 256<<10 {
		errs = append(errs, fmt.Errorf("--inline-size is %d, want at most 256KiB", o.inlineSize))
	}
	atLeast(1, "max-streams", int64(o.maxStreams))
	for _, w := range []struct {
		flag  string
		value int64
		least int64
	}{{"stream-window", o.streamWindow, server.MinStreamWindow}, {"connection-window", o.connWindow, server.MinConnWindow}} {
		atLeast(w.least, w.flag, w.value)
		if w.value > server.MaxWindow {
			errs = append(errs, fmt.Errorf("--%s is %d, want at most %d", w.flag, w.value, server.MaxWindow))
		}
	}
	atLeast(1<<10, "max-header-bytes", o.maxHeaderBytes)
	if o.maxHeaderBytes > 1<<30 {
		errs = append(errs, fmt.Errorf("--max-header-bytes is more than 1GiB"))
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
		least time.Duration
	}{
		{"persist-interval", o.persistInterval, time.Millisecond},
		{"scrub-interval", o.scrubInterval, time.Second},
		{"read-header-timeout", o.readHeaderTimeout, 0},
		{"body-idle-timeout", o.bodyIdleTimeout, 0},
		{"response-idle-timeout", o.responseIdleTimeout, 0},
		{"idle-timeout", o.idleTimeout, 0},
		{"ping-interval", o.pingInterval, 0},
		{"tcp-keep-alive", o.keepAlive, 0},
		{"shutdown-grace", o.shutdownGrace, 0},
	} {
		if d.value < d.least {
			errs = append(errs, fmt.Errorf("--%s is %v, want at least %v", d.flag, d.value, d.least))
		}
	}
	if o.incompleteMaxAge != 0 && o.incompleteMaxAge < time.Second {
		errs = append(errs, fmt.Errorf("--incomplete-max-age is %v, want 0 or at least 1s", o.incompleteMaxAge))
	}
	return errors.Join(errs...)
}

// storeOptions returns the options of the store. For it zero means the default,
// for the flags it means none.
func (o *serveOptions) storeOptions() *store.Options {
	options := &store.Options{
		MaxLength:       o.maxLength,
		MaxRanges:       o.maxRanges,
		MinFree:         orNone(o.minFree),
		PersistBytes:    o.persistBytes,
		InlineSize:      int(orNone(o.inlineSize)),
		MaxOpenFiles:    orNone(o.maxOpenFiles),
		PersistInterval: o.persistInterval,

		IncompleteMaxAge: o.incompleteMaxAge,
		VerifyReads:      o.verifyReads,
		ScrubRate:        o.scrubRate,
		ScrubInterval:    o.scrubInterval,
	}
	if o.durability == "none" {
		options.Durability = store.DurabilityNone
	}
	return options
}

// handler returns a handler that still needs a store and a logger.
func (o *serveOptions) handler() *resource.Handler {
	h := &resource.Handler{
		IncompleteGet:     resource.IncompleteGet(o.incompleteGet),
		StrictNoneMatch:   o.ifNoneMatchStar == "strict",
		RequireConditions: o.requireConditions,
		NoCreateOnPatch:   !o.createOnPatch,
		Limits:            byteranges.Limits{MaxParts: o.maxParts},
		MaxContent:        o.maxContent,
		BodyIdleTimeout:   o.bodyIdleTimeout,
		MinBodyRate:       o.minBodyRate,
		AllowedOrigins:    o.allowedOrigins,
	}
	if slices.Equal(o.allowedOrigins, []string{"*"}) {
		h.AllowedOrigins = nil
	}
	return h
}

// listenConfig returns how to listen.
func (o *serveOptions) listenConfig() *net.ListenConfig {
	if o.keepAlive == 0 {
		return &net.ListenConfig{KeepAlive: -1}
	}
	// Asked three times within the same time again.
	return &net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: o.keepAlive, Interval: max(time.Second, o.keepAlive/keepAliveProbes), Count: keepAliveProbes,
	}}
}

// keepAliveProbes is how many TCP keep-alive probes may stay without an answer.
const keepAliveProbes = 3

// server returns a server that still needs a listener, a handler and a logger.
func (o *serveOptions) server() *server.Server {
	return &server.Server{
		ReadHeaderTimeout:    orNone(o.readHeaderTimeout),
		IdleTimeout:          orNone(o.idleTimeout),
		MaxHeaderBytes:       int(o.maxHeaderBytes),
		ShutdownGrace:        orNone(o.shutdownGrace),
		MaxConcurrentStreams: o.maxStreams,
		StreamWindow:         int(o.streamWindow),
		ConnWindow:           int(o.connWindow),
		WriteIdleTimeout:     orNone(o.responseIdleTimeout),
		MinWriteRate:         orNone(o.minResponseRate),
		PingInterval:         orNone(o.pingInterval),
		MaxConnections:       cmp.Or(o.maxConnections, connectionsFor(maxDescriptors(), o.maxOpenFiles)),
	}
}

// What descriptors are for, beside connections: pebble has 1000 tables open at most, and then there are its other files,
// and the directories.
const (
	ownDescriptors        = 1200
	descriptorsPerRequest = 4 // a connection, and two data files, one of them twice
)

// connectionsFor returns how many connections leave enough of n descriptors for data files: a request over HTTP/1.1 has
// two of them open at most, as a rule, and the one it writes to twice, and kept are open for the next requests. No
// descriptors, or as many as one likes, are no limit.
func connectionsFor(n, kept int) int {
	if n <= 0 {
		return 0
	}
	return max(minConnections, (n-ownDescriptors-kept)/descriptorsPerRequest)
}

// minConnections is the least limit that is chosen for connections.
const minConnections = 64

// orNone returns v, or if that is zero, the negative value that stands for none
// where zero stands for the default.
func orNone[T ~int | ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// logger returns a logger that writes to w.
func (o *serveOptions) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		panic(err) // the flag takes nothing else
	}
	options := &slog.HandlerOptions{Level: level}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
