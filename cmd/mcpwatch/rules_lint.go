package main

import (
	"fmt"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

type rulesLintCommand struct {
	ruleFlags
	Strict bool `help:"Exit with 1 if there is a warning."`
}

// Run implements the command.
func (c *rulesLintCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	warnings := 0
	for _, p := range set.Programs {
		for _, w := range warningsOf(p) {
			warnings++
			w.Reason = "warning: " + w.Reason
			_, _ = fmt.Fprintln(s.out, printableLines(w.Error()))
		}
	}
	verdict := "nothing wrong"
	if warnings > 0 {
		verdict = fmt.Sprintf("nothing wrong, %d warnings", warnings)
	}
	if _, err := fmt.Fprintf(s.out, "%d rules, %s\n", len(set.Programs), verdict); err != nil {
		return err
	}
	if c.Strict && warnings > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// warningsOf are what is allowed in a rule and not advised.
func warningsOf(p *rule.Program) []rule.Error {
	var all []rule.Error
	for _, w := range p.Warnings {
		all = append(all, *w)
	}
	if len(p.Rule.Tests) == 0 {
		untested := rule.Error{File: p.Rule.File(), Reason: "the rule has no tests"}
		untested.Line, untested.Column = p.Rule.Place("$.id")
		all = append(all, untested)
	}
	return all
}
