package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/collector/client"
	"github.com/mcpwatch/mcpwatch/event"
)

type inventoryCommand struct {
	Project string `help:"Look at this project's settings too." default:"." type:"existingdir" placeholder:"DIR"`
	JSON    bool   `help:"Print JSON, one server a line."`
	Ship    bool   `help:"Send it to the collector."`
	AgentID string `help:"The agent's id in what is sent; HOST/USER where not given." placeholder:"ID"`
	shipFlags
}

// Run implements the command. A file that cannot be read hides no other one.
func (c *inventoryCommand) Run(s streams) error {
	host, err := client.ThisHost(c.Project)
	if err != nil {
		return fmt.Errorf("finding settings: %w", err)
	}
	servers, problem := client.Servers(host)
	if c.JSON {
		err = printServersJSON(s, servers)
	} else {
		err = printServers(s, servers)
	}
	if err == nil && c.Ship {
		err = c.send(servers)
	}
	return errors.Join(err, problem)
}

func printServersJSON(s streams, servers []client.Server) error {
	for i := range servers {
		line, err := json.Marshal(&servers[i], jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return fmt.Errorf("writing a server: %w", err)
		}
		if _, err := fmt.Fprintf(s.out, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

func printServers(s streams, servers []client.Server) error {
	rows := make([][]string, len(servers))
	for i := range servers {
		v := &servers[i]
		tapped := "no"
		switch {
		case v.Tapped:
			tapped = "yes"
		case len(v.Command) == 0:
			tapped = "-"
		}
		rows[i] = []string{
			v.Client, v.Scope, v.Name, cmp.Or(strings.Join(v.Command, " "), v.URL), tapped,
			strings.Join(v.Risks, ","), strings.Join(append(v.Env, v.Headers...), ","),
		}
		for n := range rows[i] {
			rows[i][n] = event.Printable(rows[i][n])
		}
	}
	return table(s.out, []string{"CLIENT", "SCOPE", "SERVER", "STARTS OR IS AT", "TAPPED", "RISKS", "ENVIRONMENT"}, rows)
}

func (c *inventoryCommand) send(servers []client.Server) error {
	if len(servers) == 0 {
		return nil
	}
	events := make([]event.Event, len(servers))
	for i := range servers {
		e, err := servers[i].Event()
		if err != nil {
			return fmt.Errorf("writing a server: %w", err)
		}
		if err := e.Bound(); err != nil {
			return fmt.Errorf("writing a server: %w", err)
		}
		events[i] = e
	}
	if err := leave(&c.shipFlags, c.AgentID, events); err != nil {
		return err
	}
	return c.ship(0)
}
