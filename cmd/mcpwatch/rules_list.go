package main

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/event"
)

type rulesListCommand struct {
	ruleFlags
	Output string `short:"o" help:"table or jsonl; a table on a terminal, else jsonl." enum:",table,jsonl" default:""`
}

// Run implements the command.
func (c *rulesListCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	if outputFor(c.Output, s.out) == "table" {
		rows := make([][]string, len(set.Programs))
		for i, p := range set.Programs {
			rows[i] = []string{p.Rule.ID, string(p.Severity), string(p.Rule.Mode), event.Printable(p.Rule.Title), event.Printable(strings.Join(p.Rule.Tags, " "))}
		}
		return table(s.out, []string{"RULE", "SEVERITY", "MODE", "TITLE", "TAGS"}, rows)
	}
	for _, p := range set.Programs {
		line, err := json.Marshal(struct {
			ID       string   `json:"id"`
			Version  string   `json:"version"`
			Severity string   `json:"severity"`
			Mode     string   `json:"mode"`
			Title    string   `json:"title"`
			Tags     []string `json:"tags"`
			Reads    []string `json:"reads"`
			File     string   `json:"file"`
		}{p.Rule.ID, p.Version, string(p.Severity), string(p.Rule.Mode), p.Rule.Title, p.Rule.Tags, p.Reads, p.Rule.File()})
		if err != nil {
			return fmt.Errorf("encoding rule %s: %w", p.Rule.ID, err)
		}
		if _, err := fmt.Fprintf(s.out, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}
