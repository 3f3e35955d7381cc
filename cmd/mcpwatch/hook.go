package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/collector/client"
	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/tap"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

type hookGroup struct {
	Call      hookCallCommand      `cmd:"" default:"withargs" help:"Take what an agent hands its hook on standard input. It always exits 0."`
	Install   hookInstallCommand   `cmd:"" help:"Make an agent call the hook."`
	Uninstall hookUninstallCommand `cmd:"" help:"Take the hook out of an agent's settings."`
}

type hookCallCommand struct {
	Agent string `help:"Whose hook it is: ${enum}." enum:"${agents}" required:""`
	shipFlags
	AgentID string `help:"The agent's id; HOST/USER where not given." placeholder:"ID"`
	Ship    bool   `help:"Ship what hooks have left, and end." hidden:""`
}

const (
	// hookRecord bounds what a hook is handed, in bytes.
	hookRecord = 8 << 20
	// hookPatience is how long a hook waits for what it is handed: the agent waits for the hook.
	hookPatience = 5 * time.Second
	// hookRetry is how long a shipper waits for a collector that is away. No hook starts another one
	// meanwhile.
	hookRetry = 15 * time.Second
)

// isHookCall reports whether an agent calls its hook, rather than somebody who asks or installs.
func isHookCall(args []string) bool {
	return len(args) > 0 && args[0] == "hook" &&
		!slices.ContainsFunc(args[1:], func(a string) bool {
			return a == "install" || a == "uninstall" || a == "--help" || a == "-h"
		})
}

// runHook is run for a hook: whatever happens, the agent goes on. Agents read standard output as
// the hook's decision, so nothing is written there.
func runHook(args []string, s streams) (code int) {
	defer func() {
		if fault := recover(); fault != nil {
			_, _ = fmt.Fprintf(s.err, "mcpwatch: hook: %s\n", event.Printable(fmt.Sprint(fault)))
			code = exitDone
		}
	}()
	if err := command(context.Background(), args, streams{s.in, io.Discard, s.err}); err != nil {
		_, _ = fmt.Fprintf(s.err, "mcpwatch: %s\n", printableLines(err.Error()))
	}
	return exitDone
}

// formatOfAgent is how each agent writes what it hands its hooks.
var formatOfAgent = map[string]format.Format{
	"claude-code": format.HookClaude, "codex": format.HookCodex, "cursor": format.HookCursor, "gemini-cli": format.HookGemini,
}

// Run implements the command.
func (c *hookCallCommand) Run(s streams) error {
	if c.Ship {
		return c.ship(hookRetry)
	}
	timer := time.AfterFunc(hookPatience, func() { os.Exit(exitDone) }) //nolint:forbidigo // the agent waits for nothing, and there is nothing to unwind
	defer timer.Stop()
	record, err := io.ReadAll(io.LimitReader(s.in, hookRecord+1))
	if err != nil {
		return fmt.Errorf("reading what the agent hands the hook: %w", err)
	}
	limits := event.DefaultLimits()
	limits.Bytes = hookRecord
	events, err := format.NewReader(formatOfAgent[c.Agent], limits).Read(record)
	if err != nil {
		return fmt.Errorf("reading what the agent hands the hook: %w", err)
	}
	if len(events) == 0 {
		return nil
	}
	if err := leave(&c.shipFlags, c.AgentID, events); err != nil {
		return err
	}
	return c.startShipping()
}

// leave puts events into the spool, as of this host and user and of now where they do not say.
func leave(c *shipFlags, agentID string, events []event.Event) error {
	o := tap.DefaultOptions()
	if agentID != "" {
		o.Agent.ID = agentID
	}
	instance, now := o.NewInstance(), o.Now().UTC().Truncate(time.Microsecond)
	var records []byte
	for i := range events {
		e := &events[i]
		e.ID = instance + "." + strconv.Itoa(i+1)
		e.Agent.ID, e.Agent.Host, e.Agent.User = o.Agent.ID, o.Agent.Host, o.Agent.User
		if e.Time.IsZero() {
			e.Time = now
		}
		encoded, err := event.Encode(records, e)
		if err != nil {
			return fmt.Errorf("writing an event: %w", err)
		}
		records = append(encoded, '\n')
	}
	return tap.Leave(c.spool(), instance, records)
}

// startShipping starts a process that ships what is in the spool and outlives this one, unless one
// waits to do so already.
func (c *hookCallCommand) startShipping() error {
	if tap.Awaited(c.spool()) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("starting to ship: %w", err)
	}
	shipper := exec.Command(self, append([]string{"hook", "--ship", "--agent", c.Agent}, c.flags()...)...) //nolint:noctx // it outlives us; it is ourselves
	shipper.Dir = c.spool()
	shipper.SysProcAttr = detached()
	if c.Token != "" {
		shipper.Env = append(os.Environ(), "MCPWATCH_TOKEN="+c.Token)
	}
	if err := shipper.Start(); err != nil {
		return fmt.Errorf("starting to ship: %w", err)
	}
	return shipper.Process.Release()
}

// ship ships what is in the spool. A patience is as for tap.Ship.
func (c *shipFlags) ship(patience time.Duration) error {
	o := tap.DefaultOptions()
	o.SpoolDir, o.Target = c.spool(), c.target
	var err error
	if o.TLS, err = tlsfiles.Client(c.CA, c.ClientCert, c.ClientKey); err != nil {
		return err
	}
	return tap.Ship(context.Background(), o, patience)
}

// flags are those that say the same to another mcpwatch, but for the token: what stands in a
// command line is seen by all.
func (c *shipFlags) flags() []string {
	var flags []string
	for _, f := range []struct{ name, value string }{
		{"--data", c.Data}, {"--collector", c.Collector}, {"--ca", c.CA}, {"--client-cert", c.ClientCert}, {"--client-key", c.ClientKey},
	} {
		if f.value != "" && (f.name != "--data" || f.value != defaultDataDir()) {
			flags = append(flags, f.name+"="+f.value)
		}
	}
	return flags
}

type hookInstallFlags struct {
	Agent   string `help:"The agent: ${enum}." enum:"${agents}" required:""`
	Project string `help:"Change this project's settings in place of the user's." type:"existingdir" placeholder:"DIR"`
	DryRun  bool   `help:"Show what would be changed."`
	shipFlags
}

type hookInstallCommand struct{ hookInstallFlags }

// Run implements the command.
func (c *hookInstallCommand) Run(s streams) error {
	return c.edit(s, func(k *client.Hooking, h client.Host) (client.Change, error) { return k.Install(h, c.DryRun) })
}

type hookUninstallCommand struct{ hookInstallFlags }

// Run implements the command.
func (c *hookUninstallCommand) Run(s streams) error {
	return c.edit(s, func(k *client.Hooking, h client.Host) (client.Change, error) { return k.Uninstall(h, c.DryRun) })
}

func (c *hookInstallFlags) edit(s streams, do func(*client.Hooking, client.Host) (client.Change, error)) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding mcpwatch: %w", err)
	}
	host, err := client.ThisHost(c.Project)
	if err != nil {
		return fmt.Errorf("finding settings: %w", err)
	}
	change, err := do(&client.Hooking{Agent: c.Agent, Program: self, Flags: c.flags()}, host)
	if err != nil {
		return err
	}
	return printChanges(s.out, []client.Change{change}, c.DryRun)
}

// printChanges says which files were changed, or shows what would be.
func printChanges(w io.Writer, changes []client.Change, dry bool) error {
	var b strings.Builder
	for _, change := range changes {
		switch {
		case change.Diff == "":
			fmt.Fprintf(&b, "%s is as it should be\n", event.Printable(change.File))
		case dry:
			fmt.Fprintf(&b, "%s would change:\n", event.Printable(change.File))
			for line := range strings.Lines(change.Diff) {
				b.WriteString(event.Printable(strings.TrimSuffix(line, "\n")) + "\n")
			}
		default:
			fmt.Fprintf(&b, "%s is changed\n", event.Printable(change.File))
		}
	}
	if len(changes) == 0 {
		b.WriteString("there is nothing to change\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var errNoSelection = &exitError{code: exitUsage, err: errors.New("say which: --client NAME, --server NAME or --all")}
