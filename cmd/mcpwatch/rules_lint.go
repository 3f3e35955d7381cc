package main

import (
	"fmt"
	"slices"

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
	warnings := rule.Unread(c.folders()...)
	for _, p := range set.Programs {
		warnings = append(warnings, warningsOf(p)...)
	}
	for _, w := range warnings {
		_, _ = fmt.Fprintln(s.out, printableLines((&rule.Error{File: w.File, Line: w.Line, Column: w.Column, Reason: "warning: " + w.Reason}).Error()))
	}
	verdict := "nothing wrong"
	if len(warnings) > 0 {
		verdict = "nothing wrong, " + counted(len(warnings), "warning")
	}
	if _, err := fmt.Fprintf(s.out, "%s, %s\n", counted(len(set.Programs), "rule"), verdict); err != nil {
		return err
	}
	if c.Strict && len(warnings) > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// warningsOf are what is allowed in a rule and not advised.
func warningsOf(p *rule.Program) []*rule.Error {
	all := slices.Clone(p.Warnings)
	if len(p.Rule.Tests) == 0 {
		untested := &rule.Error{File: p.Rule.File(), Reason: "the rule has no tests: give it one that finds and one that nearly does"}
		untested.Line, untested.Column = p.Rule.Place("$.id")
		all = append(all, untested)
	}
	return all
}
