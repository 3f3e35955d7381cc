package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/mcpwatch/mcpwatch/collector/tap"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/tlsfiles"
)

// shipFlags say where events go.
type shipFlags struct {
	Data       string `help:"Data directory of the up to ship to; the spool lies there too." default:"${data}" type:"path" placeholder:"DIR"`
	Collector  string `help:"Ship to this collector in place of a local up." placeholder:"URL"`
	Token      string `help:"The collector's bearer token; better given as MCPWATCH_TOKEN." placeholder:"TOKEN"`
	CA         string `name:"ca" help:"Trust a collector of these CAs (PEM) in place of the system's." type:"existingfile" placeholder:"FILE"`
	ClientCert string `help:"Client certificate (PEM) to show the collector." type:"existingfile" placeholder:"FILE"`
	ClientKey  string `help:"The client certificate's key (PEM)." type:"existingfile" placeholder:"FILE"`
}

type tapCommand struct {
	Server string `help:"The server's name in events." required:"" placeholder:"NAME"`
	shipFlags
	Agent  string `help:"The agent's id; HOST/USER where not given, and with --listen nothing: the agents are many." placeholder:"ID"`
	DryRun bool   `help:"Print on standard error the events that would be shipped, and ship none."`
	Redact bool   `help:"Take secrets out of events before they are spooled: they never leave this machine. Needs --redaction-key-file."`
	redactionFlags
	Verbose bool `help:"Say on standard error what the tap does."`
	proxyFlags
	Command []string `arg:"" optional:"" passthrough:"" help:"-- and the server's command line."`
}

// spoolDir is where taps keep what is not shipped yet, in the data directory.
const spoolDir = "spool"

// Run implements the command. Before a server of its own it does not use the command's context:
// signals are the server's, and the tap ends when the server does.
func (c *tapCommand) Run(ctx context.Context, s streams) error {
	o, err := c.options(s)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if c.isProxy() {
		return c.serve(ctx, s, o)
	}
	if len(c.Command) < 2 || c.Command[0] != "--" {
		return &exitError{code: exitUsage, err: errors.New("tap: the server's command stands after --: mcpwatch tap --server NAME -- COMMAND; " +
			"or --listen ADDR --upstream URL stands before an HTTP server")}
	}
	o.Command = c.Command[1:]
	o.Env = withoutToken(os.Environ())
	code, err := tap.Run(context.WithoutCancel(ctx), o)
	if code != exitDone || err != nil {
		return &exitError{code: code, err: err}
	}
	return nil
}

// isProxy says which form it is. A command decides: --listen may be there for a collector's sake, from
// the environment or the configuration file.
func (c *tapCommand) isProxy() bool { return c.Listen != "" && len(c.Command) == 0 }

// options are those that both forms of the tap have.
func (c *tapCommand) options(s streams) (o tap.Options, err error) {
	o = tap.DefaultOptions()
	o.Server = c.Server
	o.SpoolDir = c.spool()
	o.Target = c.target
	if o.TLS, err = tlsfiles.Client(c.CA, c.ClientCert, c.ClientKey); err != nil {
		return o, err
	}
	if c.Redact {
		if o.Redaction, err = c.policy(); err != nil {
			return o, err
		}
	}
	if c.isProxy() {
		o.Agent = event.Agent{} // whoever runs the proxy is none of its agents
	}
	if c.Agent != "" {
		o.Agent.ID = c.Agent
	}
	if c.DryRun {
		o.DryRun = s.err
	}
	if c.Verbose {
		o.Logger = zerolog.New(s.err).With().Timestamp().Str("part", "tap").Logger()
	}
	return o, nil
}

// spool is a folder for each collector: what is kept for one goes to no other.
func (c *shipFlags) spool() string {
	if c.Collector == "" {
		return filepath.Join(c.Data, spoolDir, "local")
	}
	digest := sha256.Sum256([]byte(c.Collector))
	return filepath.Join(c.Data, spoolDir, hex.EncodeToString(digest[:8]))
}

// target finds the collector anew each time: an `up` may come back with other addresses.
func (c *shipFlags) target(context.Context) (endpoint, token string, err error) {
	if c.Collector != "" {
		if c.Token == "" && c.ClientCert == "" {
			return "", "", errors.New("--collector is given without a token or client certificate: set MCPWATCH_TOKEN")
		}
		return c.Collector, c.Token, nil
	}
	r, err := findRunning(c.Data)
	if err != nil {
		return "", "", fmt.Errorf("finding the collector: %w", err)
	}
	return r.Collector, r.Token, nil
}

// withoutToken keeps our credential from the server, which may be hostile.
func withoutToken(environment []string) []string {
	kept := make([]string, 0, len(environment))
	for _, variable := range environment {
		if len(variable) < len("MCPWATCH_") || variable[:len("MCPWATCH_")] != "MCPWATCH_" {
			kept = append(kept, variable)
		}
	}
	return kept
}
