package main

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/ruletest"
	"github.com/mcpwatch/mcpwatch/event"
)

type rulesCommand struct {
	Lint rulesLintCommand `cmd:"" help:"Load the rules, and say what is wrong with them."`
	Test rulesTestCommand `cmd:"" help:"Run the tests that rules carry."`
	List rulesListCommand `cmd:"" help:"List the rules."`
}

type rulesLintCommand struct{ ruleFlags }

// Run implements the command.
func (c *rulesLintCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d rules, nothing wrong\n", len(set.Programs))
	return err
}

type rulesTestCommand struct {
	ruleFlags
	Verbose bool `short:"v" help:"Name the tests that pass, too."`
}

// Run implements the command.
func (c *rulesTestCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	results := ruletest.Run(set)
	tests, failed, oneSided := 0, 0, 0
	for _, r := range results {
		for _, t := range r.Tests {
			tests++
			switch {
			case t.Failure != "":
				failed++
				_, _ = fmt.Fprintf(s.out, "FAIL  %s  %s: %s\n      %s\n", r.Rule, event.Printable(t.Name), event.Printable(t.Failure), printableLines(r.File))
			case c.Verbose:
				_, _ = fmt.Fprintf(s.out, "ok    %s  %s\n", r.Rule, event.Printable(t.Name))
			}
		}
		if len(r.OneSided) > 0 {
			oneSided++
		}
		for _, o := range r.OneSided {
			if c.Verbose {
				_, _ = fmt.Fprintf(s.out, "      %s  never %v: %s\n", r.Rule, o.Never, event.Printable(o.Leaf))
			}
		}
	}
	_, _ = fmt.Fprintf(s.out, "%d rules, %d tests, %d failed\n", len(set.Programs), tests, failed)
	if oneSided > 0 {
		_, _ = fmt.Fprintf(s.out, "%d rules have conditions that their tests saw one way only: -v names them\n", oneSided)
	}
	if failed > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

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
