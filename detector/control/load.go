package control

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
)

// Problem is one thing that keeps rules from being loaded, and where. Line and Column count from 1;
// they are 0 where the file as a whole is meant.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitzero"`
	Column int    `json:"column,omitzero"`
	Field  string `json:"field,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Test   string `json:"test,omitempty"`
	Reason string `json:"reason"`
}

// RefusedError says all that keeps rules from being loaded.
type RefusedError struct{ Problems []Problem }

// Error names all problems, one a line.
func (r *RefusedError) Error() string {
	lines := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		switch {
		case p.Test != "":
			lines[i] = fmt.Sprintf("%s:%d:%d: rule %s: test %q: %s", p.File, p.Line, p.Column, p.Rule, p.Test, p.Reason)
		case p.Line > 0:
			lines[i] = fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Reason)
		default:
			lines[i] = strings.TrimPrefix(p.File+": "+p.Reason, ": ")
		}
	}
	return strings.Join(lines, "\n")
}

// Load compiles the rules of folders and runs their tests, all or nothing. Its error is a
// *RefusedError.
func Load(folders ...rule.Folder) (*rule.Set, error) {
	set, err := rule.Load(folders...)
	if err != nil {
		return nil, &RefusedError{problemsOf(err)}
	}
	var failed []Problem
	for _, r := range ruletest.Run(set) {
		for _, t := range r.Tests {
			if t.Failure != "" {
				failed = append(failed, Problem{File: r.File, Line: t.Line, Column: t.Column, Rule: r.Rule, Test: t.Name, Reason: t.Failure})
			}
		}
	}
	if len(failed) > 0 {
		return nil, &RefusedError{failed}
	}
	return set, nil
}

// problemsOf takes a joined error apart.
func problemsOf(err error) []Problem {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []Problem
		for _, e := range joined.Unwrap() {
			all = append(all, problemsOf(e)...)
		}
		return all
	}
	if found, ok := errors.AsType[*rule.Error](err); ok {
		return []Problem{{File: found.File, Line: found.Line, Column: found.Column, Field: found.Field, Reason: cmp.Or(found.Reason, err.Error())}}
	}
	return []Problem{{Reason: err.Error()}}
}
