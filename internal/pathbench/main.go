// Command pathbench measures the whole path of an event on this machine, from an agent's
// message to the alert: it runs the real `mcpwatch up` and `mcpwatch tap` as a user would,
// on loopback, and looks at them from outside only.
//
// It prints a line for each figure with its aim, then one line that sums up, and exits
// non-zero where a bound is missed or a count is not exact. All data lies in one temporary
// directory, which is removed at the end, after Ctrl-C too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	sections string
	bin, dir string

	starts int
	idle   time.Duration

	rate     int
	duration time.Duration

	events  int
	senders int
	batch   int
	plain   bool
	paired  bool

	trips int
	flood time.Duration
}

// sections are what is measured, in the order in which it is.
func sections() []string { return []string{"start", "latency", "load", "tap", "http"} }

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("pathbench", flag.ContinueOnError)
	f.StringVar(&o.sections, "sections", strings.Join(sections(), ","), "what to measure")
	f.StringVar(&o.bin, "bin", "", "the mcpwatch to measure; built from the current directory where not given")
	f.StringVar(&o.dir, "dir", "", "where the temporary data goes; the system's place where not given")
	f.IntVar(&o.starts, "starts", 5, "start: how often `up` is started on an empty directory, and again on a used one")
	f.DurationVar(&o.idle, "idle", 15*time.Second, "start: rest before memory is read")
	f.IntVar(&o.rate, "rate", 100, "latency: events a second, of which one in ten fires a rule")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "latency: how long events are sent")
	f.IntVar(&o.events, "events", 200_000, "load: events sent")
	f.IntVar(&o.senders, "senders", 4, "load: requests under way at once")
	f.IntVar(&o.batch, "batch", 500, "load: events in a request")
	f.BoolVar(&o.plain, "plain", false, "load: send batches uncompressed in place of zstd")
	f.BoolVar(&o.paired, "paired", false, "load: answers come with their request, as taps ship them; else the detector pairs them")
	f.IntVar(&o.trips, "trips", 4000, "tap, http: messages sent with the tap, and as many without")
	f.DurationVar(&o.flood, "flood", 3*time.Second, "tap: how long each run at full speed takes")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	for _, name := range o.chosen() {
		if !slices.Contains(sections(), name) {
			return o, fmt.Errorf("no section %q: there are %s", name, strings.Join(sections(), ", "))
		}
	}
	if min(o.starts, o.rate, o.events, o.senders, o.batch, o.trips) < 1 {
		return o, errors.New("every number must be above 0")
	}
	return o, nil
}

func (o options) chosen() []string { return strings.Split(o.sections, ",") }

func main() {
	if len(os.Args) == 2 && os.Args[1] == echoStamped {
		os.Exit(echoStamps(os.Stdin, os.Stdout))
	}
	if len(os.Args) == 2 && os.Args[1] == echoPlain {
		os.Exit(echoBytes(os.Stdin, os.Stdout))
	}
	o, err := parseFlags(os.Args[1:])
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintf(os.Stderr, "bench-path: %v\n", err)
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := newReport(os.Stdout)
	switch err := run(ctx, o, r); {
	case ctx.Err() != nil:
		r.fail("interrupted")
	case err != nil:
		r.fail("%v", err)
	}
	if !r.sum() {
		stop()
		os.Exit(1)
	}
}

// run measures each chosen section with an `up` of its own.
func run(ctx context.Context, o options, r *report) error {
	dir, err := os.MkdirTemp(o.dir, "mcpwatch-pathbench-")
	if err != nil {
		return fmt.Errorf("making a directory for the data: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.bin == "" {
		if o.bin, err = build(ctx, dir); err != nil {
			return err
		}
	}
	b := &bench{o: o, r: r, dir: dir}
	r.machine()
	measures := map[string]func(context.Context) error{"start": b.start, "latency": b.latency, "load": b.load, "tap": b.tap, "http": b.http}
	for _, name := range sections() {
		if !slices.Contains(o.chosen(), name) {
			continue
		}
		if err := measures[name](ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// bench is one run of the program.
type bench struct {
	o    options
	r    *report
	dir  string
	made int // data directories so far
}

// newData names a data directory that does not exist yet.
func (b *bench) newData() string {
	b.made++
	return filepath.Join(b.dir, fmt.Sprintf("data-%d", b.made))
}

// build makes the product as `make build` does, but apart, so that a binary in use stays.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "mcpwatch")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bin, "./cmd/mcpwatch")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building mcpwatch: %w\n%s", err, out)
	}
	return bin, nil
}
