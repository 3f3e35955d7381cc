package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/rule"
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
	programs := slices.Concat(set.Programs, set.Off)
	slices.SortFunc(programs, func(a, b *rule.Program) int { return strings.Compare(a.Rule.ID, b.Rule.ID) })
	if outputFor(c.Output, s.out) == "table" {
		return listTable(s.out, programs)
	}
	for _, p := range programs {
		severity, mode := inForce(p)
		line, err := json.Marshal(listedRule{
			p.Rule.ID, p.Version, severity, mode, p.Rule.Title, p.Rule.Tags, p.Reads, p.Rule.File(), listedOverrideOf(p.Override),
		})
		if err != nil {
			return fmt.Errorf("encoding rule %s: %w", p.Rule.ID, err)
		}
		if _, err := fmt.Fprintf(s.out, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// listedRule is a rule as it is listed for programs.
type listedRule struct {
	ID       string          `json:"id"`
	Version  string          `json:"version"`
	Severity string          `json:"severity"`
	Mode     string          `json:"mode"`
	Title    string          `json:"title"`
	Tags     []string        `json:"tags"`
	Reads    []string        `json:"reads"`
	File     string          `json:"file"`
	Override *listedOverride `json:"override,omitempty"`
}

type listedOverride struct {
	File    string `json:"file"`
	Reason  string `json:"reason"`
	Owner   string `json:"owner"`
	Expires string `json:"expires,omitempty"`
}

func listedOverrideOf(o *rule.Override) *listedOverride {
	if o == nil {
		return nil
	}
	return &listedOverride{o.File(), o.Reason, o.Owner, o.Expires}
}

// listTable lists rules for people, and below them what a site changes.
func listTable(out io.Writer, programs []*rule.Program) error {
	rows := make([][]string, len(programs))
	var changes []string
	for i, p := range programs {
		severity, mode := inForce(p)
		rows[i] = []string{p.Rule.ID, severity, mode, event.Printable(p.Rule.Title), event.Printable(strings.Join(p.Rule.Tags, " "))}
		if words := overrideInWords(p); words != "" {
			changes = append(changes, words+"\n")
		}
	}
	if err := table(out, []string{"RULE", "SEVERITY", "MODE", "TITLE", "TAGS"}, rows); err != nil {
		return err
	}
	_, err := io.WriteString(out, strings.Join(changes, ""))
	return err
}

// inForce is a rule's severity and mode with what a site changes of it, as long as that holds; a
// rule that is off has the mode off.
func inForce(p *rule.Program) (severity, mode string) {
	severity, mode = string(p.Severity), string(p.Rule.Mode)
	if o := p.Override; o != nil {
		severity, mode = cmp.Or(string(o.Severity), severity), cmp.Or(string(o.Mode), mode)
		if o.Off() {
			mode = "off"
		}
	}
	return severity, mode
}
