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

// programNamed is the program of a rule's id. An error names the ids that are near.
func programNamed(set *rule.Set, id string) (*rule.Program, error) {
	var near []string
	for _, p := range set.Programs {
		switch known := p.Rule.ID; {
		case known == id:
			return p, nil
		case strings.Contains(known, id) || distance(known, id) <= max(2, len(id)/4):
			near = append(near, known)
		}
	}
	const most = 5
	switch {
	case len(near) == 0:
		return nil, fmt.Errorf("there is no rule %q: `mcpwatch rules list` names all", id)
	case len(near) > most:
		near = append(near[:most], "…")
	}
	return nil, fmt.Errorf("there is no rule %q; near: %s", id, strings.Join(near, ", "))
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

// distance is how many characters have to be put in, left out or changed to make one text of
// another (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // the distances of a's beginning to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			change := before[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, before[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
