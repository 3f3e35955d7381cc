package detector

import (
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// Fleet keeps the rules whose key is not the actor's. It is given observations in their order (see
// Observation.At), and belongs to one goroutine.
type Fleet struct {
	keeper *keeper
}

// NewFleet returns the second stage of a set.
func NewFleet(set *rule.Set) *Fleet { return &Fleet{keeper: newKeeper(set, true)} }

// Swap makes the fleet apply another rule set. What it remembers for rules that are the same in
// both stays.
func (f *Fleet) Swap(set *rule.Set) { f.keeper = f.keeper.swap(set) }

// Observe decides on one observation. One of a rule that the set does not have in this version
// changes nothing, and is counted as superseded.
func (f *Fleet) Observe(o *Observation) Outcome {
	var out Outcome
	if !f.knows(versionOf(o)) {
		f.keeper.counts.Superseded++
		return out
	}
	t := f.keeper.trackers[o.Rule]
	h := hitOf(o.Sighting)
	h.key, h.quiet, h.steps, h.value, h.number = o.Key, o.Quiet, o.Steps, o.Value, o.Number
	f.keeper.offer(t.program, h, &out)
	return out
}

func (f *Fleet) knows(of ruleVersion) bool {
	t := f.keeper.trackers[of.rule]
	return t != nil && t.program.Version == of.version
}

// Tick is Engine.Tick.
func (f *Fleet) Tick(clock time.Time) Outcome {
	var out Outcome
	f.keeper.tick(clock.UnixMicro(), &out)
	return out
}

// Kept counts what became of what the rules remember.
func (f *Fleet) Kept() Kept { return f.keeper.kept() }
