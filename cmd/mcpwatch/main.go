// Command mcpwatch watches what AI agents do over the Model Context Protocol and tells a
// security team when something is wrong. `mcpwatch up` runs all of it on one machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/mcpwatch/mcpwatch/collector/client"
)

// version is set by the linker.
var version = "dev" //nolint:gochecknoglobals // the linker can set nothing else

// Exit codes, as in sysexits(3) where they are not our own.
const (
	exitDone      = 0
	exitFailed    = 1
	exitCondition = 2 // what the caller asked to be told of is so
	exitUsage     = 64
)

// cli is the command line. A flag is also read from MCPWATCH_FLAG in the environment and
// from the configuration file.
type cli struct {
	Config  string           `help:"Configuration file (YAML). A flag stands under its command, or at the top for all." type:"path" placeholder:"FILE"`
	Version kong.VersionFlag `help:"Print the version and exit." env:"-"`

	Up          upCommand          `cmd:"" help:"Run everything on this machine: Kafka, ClickHouse, NATS, collector, detector, sink, alert."`
	Collector   collectorCommand   `cmd:"" help:"Take events in over HTTP and write them to Kafka."`
	Detector    detectorCommand    `cmd:"" help:"Apply rules to the events in Kafka."`
	Sink        sinkCommand        `cmd:"" help:"Carry events and findings from Kafka to ClickHouse."`
	Alert       alertCommand       `cmd:"" help:"Carry findings from Kafka to NATS and webhooks."`
	Token       tokenCommand       `cmd:"" help:"Make, list and revoke the tokens that shippers present."`
	Tap         tapGroup           `cmd:"" help:"Run an MCP server, or stand before one, and watch what passes."`
	Hook        hookGroup          `cmd:"" help:"Watch an agent's own tools by its hooks."`
	Inventory   inventoryCommand   `cmd:"" help:"List the MCP servers that clients on this machine know."`
	Ingest      ingestCommand      `cmd:"" help:"Send files of records to a collector, once or as they grow."`
	DeadLetters deadLettersCommand `cmd:"" name:"deadletters" help:"Show and redrive what collectors refused."`
	Scan        scanCommand        `cmd:"" help:"Apply rules to a file, with no servers at all."`
	Findings    findingsCommand    `cmd:"" help:"Show findings."`
	SQL         sqlCommand         `cmd:"" name:"sql" help:"Ask ClickHouse."`
	Doctor      doctorCommand      `cmd:"" help:"Say what is wrong with an installation, and how to mend it."`
	Rules       rulesCommand       `cmd:"" help:"Check, test and list rules."`
	Engine      engineCommand      `cmd:"" name:"clickhouse-engine" hidden:"" help:"The child process of up that is ClickHouse."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitError ends the process with a code that is not 1.
type exitError struct {
	code int
	err  error // nil: nothing more to say
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() { os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})) }

func run(args []string, s streams) int {
	if isHookCall(args) {
		return runHook(args, s)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	err := command(ctx, args, s)
	if err == nil {
		return exitDone
	}
	code := exitFailed
	if exit, ok := errors.AsType[*exitError](err); ok {
		code, err = exit.code, exit.err
	}
	if err != nil {
		_, _ = fmt.Fprintf(s.err, "mcpwatch: %s\n", printableLines(err.Error()))
	}
	return code
}

// withDefaults names the default command of tap and hook, which kong would find itself if a
// server's command line could not begin with another command's name.
func withDefaults(args []string) []string {
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "--config") {
		if args[i] == "--config" {
			i++
		}
		i++
	}
	if i >= len(args) || i+1 < len(args) && slices.Contains([]string{"install", "uninstall", "run", "call", "-h", "--help"}, args[i+1]) {
		return args
	}
	switch args[i] {
	case "tap":
		return slices.Insert(slices.Clone(args), i+1, "run")
	case "hook":
		return slices.Insert(slices.Clone(args), i+1, "call")
	}
	return args
}

// ended is what the parser's own exits (--help, --version) become.
type ended struct{ code int }

func command(ctx context.Context, args []string, s streams) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case ended:
			if e.code != exitDone {
				err = &exitError{code: e.code}
			}
		default:
			panic(e)
		}
	}()
	var c cli
	parser, err := kong.New(&c,
		kong.Name("mcpwatch"),
		kong.Description("Watches what AI agents do over the Model Context Protocol."),
		kong.Vars{"version": version, "data": defaultDataDir(), "agents": strings.Join(client.Agents(), ",")},
		kong.DefaultEnvars("MCPWATCH"),
		kong.Resolvers(readConfiguration(configPath(args))),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(ended{code}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return fmt.Errorf("building the command line: %w", err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(withDefaults(args))
	if err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("%w\nTry: mcpwatch --help", err)}
	}
	if parsed.Command() != "detector" { // which loads its rules again at a hangup
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
		parsed.BindTo(ctx, (*context.Context)(nil))
	}
	return parsed.Run()
}
