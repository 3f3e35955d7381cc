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
	// NoPositive says that no test wants a finding, NoNearMiss that none is a near miss: one that has
	// events and wants no finding, though they are near to what the rule looks for (see coverage).
	NoPositive, NoNearMiss bool
	// OneSided are the parts of the rule's conditions that the tests saw true only or false only.
	OneSided []OneSided
}

// TestResult is the outcome of one test, and where it stands in the rule's file. Failure is ""
// where it passed; it may have several lines.
type TestResult struct {
	Name         string
	Line, Column int
	Failure      string
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
// is a near miss, and between them each part of its conditions true and false.
func (r *Result) Gaps() []string {
	var gaps []string
	if r.NoPositive {
		gaps = append(gaps, "no test wants a finding")
	}
	if r.NoNearMiss {
		gaps = append(gaps, "no test is a near miss: it wants no finding, and has an event of which a part of the condition is true")
	}
	for _, o := range r.OneSided {
		gaps = append(gaps, o.String())
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
	seen, err := newCoverage(p)
	alone := set.Only(p)
	for i, t := range p.Rule.Tests {
		one := TestResult{Name: t.Name}
		one.Line, one.Column = p.Rule.Place(fmt.Sprintf("$.tests[%d].name", i))
		failure := err
		if failure == nil {
			seen.near = false
			failure = run(alone, p, t, seen)
		}
		switch {
		case failure != nil:
			one.Failure = failure.Error()
		case len(t.Want) == 0 && seen.near:
			result.NoNearMiss = false
		}
		if len(t.Want) > 0 {
			result.NoPositive = false
		}
		result.Tests = append(result.Tests, one)
	}
	if err == nil {
		result.OneSided = seen.oneSided()
	}
	return result
}

func run(set *rule.Set, p *rule.Program, t rule.Test, seen *coverage) error {
	steps, err := Steps(t)
	if err != nil {
		return err
	}
	d := detector.New(set)
	var failed error
	d.OnAsked(func(p *rule.Program, step int, v *rule.View, now *rule.Sighting, earlier []*rule.Sighting) {
		_, leaves, err := p.ExplainAdmits(step, v, now, earlier)
		if err != nil {
			failed = err
		}
		seen.asked(step, leaves)
	})
	var found []finding.Finding
	place := map[string]int{}
	for i := range steps {
		e := steps[i].Event
		if e == nil {
			found = append(found, d.Tick(steps[i].Tick)...)
			continue
		}
		place[e.ID] = steps[i].Place
		found = append(found, d.Process(int64(i), e)...)
		if reason := cut(p, d.Counts()); reason != "" {
			return fmt.Errorf("event %d is not judged whole: %s", steps[i].Place, reason)
		}
		explanations, err := d.Engine.Explain(p)
		if err != nil {
			return err
		}
		seen.explained(explanations)
	}
	if failed != nil {
		return failed
	}
	return compare(found, t.Want, place)
}

// cut says what the detector left out so far, "" for nothing: a test says nothing of what was not judged.
// A rule that reads what is left out is about just that.
func cut(p *rule.Program, c detector.Counts) string {
	if slices.Contains(p.Reads, "event.marks") || slices.Contains(p.Reads, "event.uninspected") {
		return ""
	}
	return c.Cut()
}
