// Package ruletest runs the tests that rules carry, through the same engine as production.
package ruletest

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// Result is the outcome of one test of one rule. Failure is "" where it passed.
type Result struct {
	Rule, File, Test string
	Failure          string
}

// Run runs every test of every rule of the set. Only the findings of the rule under test
// count. A rule without a test that wants a finding, or without one that wants none, fails.
func Run(set *rule.Set) []Result {
	var results []Result
	for _, p := range set.Programs {
		positive, negative := false, false
		for _, t := range p.Rule.Tests {
			positive = positive || len(t.Want) > 0
			negative = negative || len(t.Want) == 0
			failure := ""
			if err := run(set, p, t); err != nil {
				failure = err.Error()
			}
			results = append(results, Result{Rule: p.Rule.ID, File: p.Rule.File(), Test: t.Name, Failure: failure})
		}
		if !positive || !negative {
			results = append(results, Result{
				Rule: p.Rule.ID, File: p.Rule.File(), Test: "has a positive and a near miss",
				Failure: "a rule needs at least one test that wants a finding and one that wants none",
			})
		}
	}
	return results
}

func run(set *rule.Set, p *rule.Program, t rule.Test) error {
	events, err := Events(t)
	if err != nil {
		return err
	}
	engine := detector.NewEngine(set)
	var found []finding.Finding
	place := map[string]int{}
	for i := range events {
		place[events[i].ID] = i
		for _, f := range engine.Process(int64(i), &events[i]) {
			if f.Rule == p.Rule.ID {
				found = append(found, f)
			}
		}
	}
	if len(found) != len(t.Want) {
		return fmt.Errorf("%d findings, want %d", len(found), len(t.Want))
	}
	for i, want := range t.Want {
		got := found[i]
		switch {
		case want.Severity != "" && got.Severity != want.Severity:
			return fmt.Errorf("finding %d has severity %s, want %s", i, got.Severity, want.Severity)
		case want.Name != "" && got.Name != want.Name:
			return fmt.Errorf("finding %d is on %q, want %q", i, got.Name, want.Name)
		case want.Event != nil && place[got.Events[0]] != *want.Event:
			return fmt.Errorf("finding %d is on event %d, want %d", i, place[got.Events[0]], *want.Event)
		}
	}
	return nil
}

// epoch is when tests happen; event n of a test happens n seconds later.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Events gives a test's events as the detector would get them: what a test leaves out is
// filled in (ids e0, e1, …, one session, one agent), and children are lifted.
func Events(t rule.Test) ([]event.Event, error) {
	var parser event.Parser
	var events []event.Event
	for i, written := range t.Events {
		data, err := json.Marshal(written, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		e, err := event.Decode(data, event.DefaultLimits())
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		complete(&e, i, &parser)
		events = append(events, parser.Take(event.Shipment{
			Event: e, Origin: event.Origin{Tenant: "test", Source: "test"}, Received: e.Time, Raw: data, Ordinal: i,
		})...)
	}
	return events, nil
}

func complete(e *event.Event, i int, parser *event.Parser) {
	if e.ID == "" {
		e.ID = fmt.Sprintf("e%d", i)
	}
	if e.Time.IsZero() {
		e.Time = epoch.Add(time.Duration(i) * time.Second)
	}
	if e.Session == "" {
		e.Session = "test"
	}
	if e.Agent.ID == "" {
		e.Agent.ID = "test-agent"
	}
	if e.Direction == "" {
		e.Direction = event.ToServer
		if m, err := parser.Parse(e.Message); err == nil && (m.Kind == event.KindResponse || m.Kind == event.KindError) {
			e.Direction = event.ToClient
		}
	}
}
