package detector

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// Observation is an event that meets conditions of a rule whose key is not the actor's: what the
// second stage needs of it.
type Observation struct {
	Rule     string         `json:"rule"`
	Version  string         `json:"version"`
	Key      []string       `json:"key"`
	Quiet    []string       `json:"quiet,omitempty"`
	Steps    uint32         `json:"steps"`
	Value    string         `json:"value,omitempty"`
	Number   float64        `json:"number,omitzero"`
	Sighting *rule.Sighting `json:"sighting"`
}

func (h *hit) observation(p *rule.Program) Observation {
	return Observation{
		Rule: p.Rule.ID, Version: p.Version, Key: h.key, Quiet: h.quiet, Steps: h.steps,
		Value: h.value, Number: h.number, Sighting: h.sighting,
	}
}

// record is the observation as it goes to the second stage: keyed by whose it is, the rule and the
// key, and saying which record of mcp.events it comes from, and which of that record's it is.
func (o *Observation) record(of kafka.Record, ordinal int) (kafka.Record, error) {
	value, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		return kafka.Record{}, fmt.Errorf("encoding an observation for rule %s: %w", o.Rule, err)
	}
	key := keyOf(o.Sighting.Tenant, append([]string{o.Rule}, o.Key...)...)
	return kafka.Record{Key: key[:], Value: value, Headers: []kafka.Header{
		{Key: headerSource, Value: fmt.Appendf(nil, "%d/%d/%d", of.Partition, of.Offset, ordinal)},
	}}, nil
}

const headerSource = "source"

// Fleet keeps the rules whose key is not the actor's. It reads observations in the order of
// (received, event id), and belongs to one goroutine.
type Fleet struct {
	set    *rule.Set
	keeper *keeper
}

// NewFleet returns the second stage of a set.
func NewFleet(set *rule.Set) *Fleet { return &Fleet{set: set, keeper: newKeeper(set, true)} }

// Swap makes the fleet apply another rule set. What it remembers for rules that are the same in
// both stays.
func (f *Fleet) Swap(set *rule.Set) { f.set, f.keeper = set, f.keeper.swap(set) }

// Observe decides on one observation. One of a rule that the set does not have in this version
// changes nothing, and counts as unkeyed.
func (f *Fleet) Observe(o *Observation) Outcome {
	var out Outcome
	t := f.keeper.trackers[o.Rule]
	if t == nil || t.program.Version != o.Version {
		f.keeper.counts.Unkeyed++
		return out
	}
	h := hitOf(o.Sighting)
	h.key, h.quiet, h.steps, h.value, h.number = o.Key, o.Quiet, o.Steps, o.Value, o.Number
	f.keeper.offer(t.program, h, &out)
	return out
}

// Tick is Engine.Tick.
func (f *Fleet) Tick(clock time.Time) Outcome {
	var out Outcome
	f.keeper.tick(clock.UnixMicro(), &out)
	return out
}

// Kept counts what became of what the rules remember.
func (f *Fleet) Kept() Kept { return f.keeper.kept() }
