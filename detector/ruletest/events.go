package ruletest

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// epoch is when tests happen; event n of a test happens n seconds after it and the ticks before.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Step is an event of a test, or, where that is nil, a tick of the collector's clock.
type Step struct {
	Event *event.Event
	Tick  time.Time
	Place int // in the test's list
}

// Steps gives a test's events as the detector would get them: what a test leaves out is
// filled in (ids e0, e1, …, one session, one agent), and children are lifted. {tick: 10m} moves
// the collector's clock, and the times of the events after it.
func Steps(t rule.Test) ([]Step, error) {
	var parser event.Parser
	var steps []Step
	now := epoch
	for i, written := range t.Events {
		data, err := json.Marshal(written, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		var tick struct {
			Tick string `json:"tick"`
		}
		if json.Unmarshal(data, &tick) == nil && tick.Tick != "" {
			length, err := rule.ParseSpan(tick.Tick)
			if err != nil {
				return nil, fmt.Errorf("event %d: tick: %w", i, err)
			}
			now = now.Add(length)
			steps = append(steps, Step{Tick: now.Add(time.Duration(i) * time.Second), Place: i})
			continue
		}
		e, err := event.Decode(data, event.DefaultLimits())
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		complete(&e, i, now, &parser)
		taken := parser.Take(event.Shipment{
			Event: e, Origin: event.Origin{Tenant: "test", Source: "test", Principals: true}, Received: e.Time, Raw: data, Ordinal: i,
		})
		for n := range taken {
			steps = append(steps, Step{Event: &taken[n], Place: i})
		}
	}
	return steps, nil
}

func complete(e *event.Event, i int, now time.Time, parser *event.Parser) {
	if e.ID == "" {
		e.ID = fmt.Sprintf("e%d", i)
	}
	if e.Time.IsZero() {
		e.Time = now.Add(time.Duration(i) * time.Second)
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
