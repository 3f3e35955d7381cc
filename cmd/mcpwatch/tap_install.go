package main

import (
	"fmt"
	"os"

	"github.com/mcpwatch/mcpwatch/collector/client"
)

type tapGroup struct {
	Run       tapCommand          `cmd:"" default:"withargs" help:"Run an MCP server and watch what passes. The default: mcpwatch tap --server NAME -- COMMAND."`
	Install   tapInstallCommand   `cmd:"" help:"Rewrite clients' settings so that their MCP servers run under the tap."`
	Uninstall tapUninstallCommand `cmd:"" help:"Bring clients' settings back."`
}

type tapInstallFlags struct {
	Client  []string `help:"Only these clients." placeholder:"NAME"`
	All     bool     `help:"All clients and servers."`
	Server  []string `help:"Only the servers of these names." placeholder:"NAME"`
	Project string   `help:"Change this project's settings too." type:"existingdir" placeholder:"DIR"`
	DryRun  bool     `help:"Show what would be changed."`
	shipFlags
}

type tapInstallCommand struct{ tapInstallFlags }

// Run implements the command.
func (c *tapInstallCommand) Run(s streams) error {
	return c.edit(s, (*client.Tapping).Install)
}

type tapUninstallCommand struct{ tapInstallFlags }

// Run implements the command.
func (c *tapUninstallCommand) Run(s streams) error {
	return c.edit(s, (*client.Tapping).Uninstall)
}

func (c *tapInstallFlags) edit(s streams, do func(*client.Tapping, client.Host, bool) ([]client.Change, error)) error {
	if !c.All && len(c.Client) == 0 && len(c.Server) == 0 {
		return errNoSelection
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding mcpwatch: %w", err)
	}
	host, err := client.ThisHost(c.Project)
	if err != nil {
		return fmt.Errorf("finding settings: %w", err)
	}
	changes, problem := do(&client.Tapping{Clients: c.Client, Servers: c.Server, Program: self, Flags: c.flags()}, host, c.DryRun)
	if err := printChanges(s.out, changes, c.DryRun); err != nil {
		return err
	}
	return problem
}
