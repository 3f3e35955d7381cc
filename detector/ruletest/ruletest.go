// Package ruletest runs the tests that rules carry, through the same engine as production.
package ruletest

import (
	"fmt"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/finding"
)

// Result is what the tests of one rule gave.
type Result struct {
	Rule, File string
	Tests      []TestResult
	// OneSided are the parts of the rule's conditions that the tests saw true only or false only.
	OneSided []OneSided
}

// TestResult is the outcome of one test. Failure is "" where it passed.
type TestResult struct {
	Name    string
	Failure string
}

// OneSided is a part of a condition that the tests never saw otherwise.
type OneSided struct {
	Leaf  string
	Never bool // it was never this
}

// Failed is how many of the rule's tests failed.
func (r *Result) Failed() int {
	n := 0
	for _, t := range r.Tests {
		if t.Failure != "" {
			n++
		}
	}
	return n
}

// Run runs every test of every rule of the set, each rule alone. A rule without a test that wants
// a finding, or without one that wants none, fails.
func Run(set *rule.Set) []Result {
	results := make([]Result, 0, len(set.Programs))
	for _, p := range set.Programs {
		results = append(results, runRule(set.Only(p), p))
	}
	return results
}

func runRule(set *rule.Set, p *rule.Program) Result {
	result := Result{Rule: p.Rule.ID, File: p.Rule.File()}
	positive, negative := false, false
	seen := coverage{}
	for _, t := range p.Rule.Tests {
		positive = positive || len(t.Want) > 0
		negative = negative || len(t.Want) == 0
		one := TestResult{Name: t.Name}
		if err := run(set, p, t, &seen); err != nil {
			one.Failure = err.Error()
		}
		result.Tests = append(result.Tests, one)
	}
	if !positive || !negative {
		result.Tests = append(result.Tests, TestResult{
			Name:    "has a positive and a near miss",
			Failure: "a rule needs at least one test that wants a finding and one that wants none",
		})
	}
	result.OneSided = seen.oneSided()
	return result
}

func run(set *rule.Set, p *rule.Program, t rule.Test, seen *coverage) error {
	steps, err := Steps(t)
	if err != nil {
		return err
	}
	d := detector.New(set)
	var found []finding.Finding
	place := map[string]int{}
	for i := range steps {
		var now []finding.Finding
		if e := steps[i].Event; e != nil {
			place[e.ID] = steps[i].Place
			now = d.Process(int64(i), e)
			explanations, err := d.Engine.Explain(p)
			if err != nil {
				return err
			}
			seen.add(explanations)
		} else {
			now = d.Tick(steps[i].Tick)
		}
		for _, f := range now {
			if f.Rule == p.Rule.ID {
				found = append(found, f)
			}
		}
	}
	if len(found) != len(t.Want) {
		return fmt.Errorf("%d findings, want %d", len(found), len(t.Want))
	}
	for i, want := range t.Want {
		if err := compare(i, &found[i], want, place); err != nil {
			return err
		}
	}
	return nil
}

func compare(i int, got *finding.Finding, want rule.Want, place map[string]int) error {
	last := ""
	if n := len(got.Events); n > 0 {
		last = got.Events[n-1]
	}
	switch {
	case want.Severity != "" && got.Severity != want.Severity:
		return fmt.Errorf("finding %d has severity %s, want %s", i, got.Severity, want.Severity)
	case want.Name != "" && got.Name != want.Name:
		return fmt.Errorf("finding %d is on %q, want %q", i, got.Name, want.Name)
	case want.Title != "" && got.Title != want.Title:
		return fmt.Errorf("finding %d has the title %q, want %q", i, got.Title, want.Title)
	case want.Event != nil && (last == "" || place[last] != *want.Event):
		return fmt.Errorf("finding %d is concluded by event %d, want %d", i, place[last], *want.Event)
	case want.Events != nil && len(got.Events) != *want.Events:
		return fmt.Errorf("finding %d names %d events, want %d", i, len(got.Events), *want.Events)
	case want.Suppressed != nil && int(got.Suppressed) != *want.Suppressed:
		return fmt.Errorf("finding %d stands for %d more, want %d", i, got.Suppressed, *want.Suppressed)
	}
	return nil
}

// coverage is which way each part of a rule's conditions was seen, in the order of the text.
type coverage struct {
	order []string
	saw   map[string]*[2]bool // false, true
}

func (c *coverage) add(explanations []rule.Explanation) {
	for _, x := range explanations {
		for _, l := range x.Leaves {
			if c.saw == nil {
				c.saw = map[string]*[2]bool{}
			}
			s := c.saw[l.Text]
			if s == nil {
				s = &[2]bool{}
				c.saw[l.Text] = s
				c.order = append(c.order, l.Text)
			}
			if l.True {
				s[1] = true
			} else {
				s[0] = true
			}
		}
	}
}

func (c *coverage) oneSided() []OneSided {
	var all []OneSided
	for _, text := range c.order {
		for i, saw := range c.saw[text] {
			if !saw && !slices.Contains([]string{"true", "false"}, text) {
				all = append(all, OneSided{text, i == 1})
			}
		}
	}
	return all
}
