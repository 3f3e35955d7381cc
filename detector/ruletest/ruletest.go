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
	// NoPositive says that no test wants a finding, NoNearMiss that none wants none.
	NoPositive, NoNearMiss bool
	// OneSided are the parts of the rule's conditions that the tests saw true only or false only.
	OneSided []OneSided
}

// TestResult is the outcome of one test, and where it stands in the rule's file. Failure is ""
// where it passed.
type TestResult struct {
	Name         string
	Line, Column int
	Failure      string
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

// Gaps says what the tests do not show: a rule should have one that wants a finding, one that
// wants none, and between them each part of its conditions true and false.
func (r *Result) Gaps() []string {
	var gaps []string
	if r.NoPositive {
		gaps = append(gaps, "no test wants a finding")
	}
	if r.NoNearMiss {
		gaps = append(gaps, "no test wants none: a near miss")
	}
	for _, o := range r.OneSided {
		gaps = append(gaps, fmt.Sprintf("never %v: %s", o.Never, o.Leaf))
	}
	return gaps
}

// Run runs every test of every rule of the set, each rule alone.
func Run(set *rule.Set) []Result {
	results := make([]Result, 0, len(set.Programs))
	for _, p := range set.Programs {
		results = append(results, RunRule(set, p))
	}
	return results
}

// RunRule runs the tests of one rule of the set. Exceptions hide nothing of them.
func RunRule(set *rule.Set, p *rule.Program) Result {
	p = p.Unexcepted()
	result := Result{Rule: p.Rule.ID, File: p.Rule.File(), NoPositive: true, NoNearMiss: true}
	alone, seen := set.Only(p), coverage{}
	for i, t := range p.Rule.Tests {
		if len(t.Want) > 0 {
			result.NoPositive = false
		} else {
			result.NoNearMiss = false
		}
		one := TestResult{Name: t.Name}
		one.Line, one.Column = p.Rule.Place(fmt.Sprintf("$.tests[%d].name", i))
		if err := run(alone, p, t, &seen); err != nil {
			one.Failure = err.Error()
		}
		result.Tests = append(result.Tests, one)
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
		found = append(found, now...)
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
		for _, s := range x.Steps {
			for _, l := range s.Leaves {
				c.note(l)
			}
		}
	}
}

func (c *coverage) note(l rule.Leaf) {
	if c.saw == nil {
		c.saw = map[string]*[2]bool{}
	}
	saw := c.saw[l.Text]
	if saw == nil {
		saw = &[2]bool{}
		c.saw[l.Text] = saw
		c.order = append(c.order, l.Text)
	}
	if l.True {
		saw[1] = true
	} else {
		saw[0] = true
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
