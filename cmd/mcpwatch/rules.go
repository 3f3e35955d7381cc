package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

type rulesCommand struct {
	Lint     rulesLintCommand     `cmd:"" help:"Load the rules, and say what is wrong with them."`
	Test     rulesTestCommand     `cmd:"" help:"Run the tests that rules carry."`
	Explain  rulesExplainCommand  `cmd:"" help:"Say what a rule sees in each event of a file, and why."`
	List     rulesListCommand     `cmd:"" help:"List the rules."`
	Coverage rulesCoverageCommand `cmd:"" help:"Say which rules are blind on which source, and which fields no rule reads."`
	New      rulesNewCommand      `cmd:"" help:"Write a rule to begin with, and its tests."`

	ImportSigma rulesImportSigmaCommand `cmd:"" name:"import-sigma" help:"Turn Sigma rules into ours, and name what cannot be."`
}

// programNamed is the program of a rule's id, be the rule off or not. An error names the ids that
// are near.
func programNamed(set *rule.Set, id string) (*rule.Program, error) {
	var known []string
	for _, p := range slices.Concat(set.Programs, set.Off) {
		if p.Rule.ID == id {
			return p, nil
		}
		known = append(known, p.Rule.ID)
	}
	if near := rule.Nearest(id, known); len(near) > 0 {
		return nil, fmt.Errorf("there is no rule %q; near: %s", id, strings.Join(near, ", "))
	}
	return nil, fmt.Errorf("there is no rule %q: `mcpwatch rules list` names all", id)
}

// overrideInWords says what a site changes of a rule, why and whose that is; "" where it changes
// nothing.
func overrideInWords(p *rule.Program) string {
	o := p.Override
	if o == nil {
		return ""
	}
	var changes []string
	if o.Off() {
		changes = append(changes, "off")
	}
	if o.Mode != "" {
		changes = append(changes, "mode "+string(o.Mode))
	}
	if o.Severity != "" {
		changes = append(changes, "severity "+string(o.Severity))
	}
	if o.Expires != "" {
		changes = append(changes, "until "+o.Expires)
	}
	words := fmt.Sprintf("%s is overridden by %s: %s; %s (%s)", p.Rule.ID, o.File(), strings.Join(changes, ", "), o.Reason, o.Owner)
	return printableLines(strings.Join(strings.Fields(words), " "))
}

// programsNamed are the programs of some ids; all of the set where none is given.
func programsNamed(set *rule.Set, ids []string) ([]*rule.Program, error) {
	if len(ids) == 0 {
		return set.Programs, nil
	}
	programs := make([]*rule.Program, len(ids))
	for i, id := range ids {
		var err error
		if programs[i], err = programNamed(set, id); err != nil {
			return nil, err
		}
	}
	return programs, nil
}
