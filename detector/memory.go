package detector

import (
	"fmt"

	"github.com/mcpwatch/mcpwatch/detector/state"
)

// RuleMemory is what one rule remembers of one stream.
type RuleMemory struct {
	Rule        string
	Keys, Bytes int
	Evicted     uint64 // keys forgotten for want of room, since the engine began
}

// Memory is what each rule remembers, of those that remember anything, by rule id.
func (g *Engine) Memory() []RuleMemory { return g.keeper.memory() }

// Memory is Engine.Memory.
func (f *Fleet) Memory() []RuleMemory { return f.keeper.memory() }

// holding is memory of one kind that a partition at work takes, and the most that it can. Both are
// about: Go's own overhead is not in them.
type holding struct {
	what        string
	bytes, most int
}

// holdings is what the keeper takes.
func (k *keeper) holdings() []holding {
	rules := holding{what: "rules"}
	for _, t := range k.order {
		for _, x := range t.tables {
			most, _ := x.Most()
			rules.bytes, rules.most = rules.bytes+x.Bytes(), rules.most+most
		}
	}
	return []holding{rules, k.timersHolding()}
}

func (k *keeper) memory() []RuleMemory {
	all := make([]RuleMemory, len(k.order))
	for i, t := range k.order {
		all[i] = t.memory()
	}
	return all
}

// changes adds to a segment what changed since it was last called, or, for a first segment,
// everything.
func (k *keeper) changes(w *state.Writer, everything bool) {
	for _, t := range k.order {
		for n, x := range t.tables {
			name := state.Table{Rule: t.program.Rule.ID, Version: t.program.Version, Number: n}
			give := func(entry []byte) { w.Add(name, entry) }
			if everything {
				x.All(give)
			} else {
				x.Changes(give)
			}
		}
	}
}

// apply reads an entry back. One of a rule that is gone or has changed is left out.
func (k *keeper) apply(name state.Table, entry []byte) error {
	t := k.trackers[name.Rule]
	if t == nil || t.program.Version != name.Version {
		return nil
	}
	if name.Number >= len(t.tables) {
		return fmt.Errorf("restoring rule %s: it has no table %d", name.Rule, name.Number)
	}
	if err := t.tables[name.Number].Apply(entry); err != nil {
		return fmt.Errorf("restoring rule %s: %w", name.Rule, err)
	}
	return nil
}

// restored ends a series of apply.
func (k *keeper) restored(clock int64) {
	k.clock = clock
	for _, t := range k.order {
		for _, x := range t.tables {
			x.Restored()
		}
	}
	k.setTimers()
}
