package detector

import (
	"errors"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/internal/kafka"
)

// agents is the first stage's work on a partition of mcp.events. Which events are repeats and
// what requests are open is not in its checkpoint: it is known from the Rewind offsets before the
// commit.
type agents struct {
	engine   *Engine
	decoder  *event.Decoder
	reported Counts
}

func newAgents(set *rule.Set) *agents {
	return &agents{engine: NewEngine(set), decoder: event.NewDecoder(event.StoredLimits())}
}

func (a *agents) keeper() *keeper      { return a.engine.keeper }
func (a *agents) swap(set *rule.Set)   { a.engine.Swap(set) }
func (a *agents) changes(func([]byte)) {}
func (a *agents) apply([]byte) error   { return nil }

// maxKeyBytes bounds an event's id with whose it is: three fields of an event.
const maxKeyBytes = 3 << 10

func (a *agents) holdings() []holding {
	g := a.engine
	verdicts, mostVerdicts := g.view.VerdictBytes(g.set)
	return append(g.keeper.holdings(),
		holding{"requests", g.pairer.Bytes(), event.PairerBytes(Window)},
		holding{"events", g.events.Bytes(), event.SeenBytes(Window, maxKeyBytes)},
		holding{"definitions", verdicts, mostVerdicts})
}

func (a *agents) restored(clock, committed int64) int64 {
	a.engine.keeper.restored(clock)
	return committed - Rewind
}

// decide implements work. The event is the decoder's: what it causes is encoded before the next one
// is read.
func (a *agents) decide(r kafka.Record, before bool, out *outbox) error {
	if tick, is := kafka.ReadTick(r); is {
		if before {
			return nil
		}
		closed := a.engine.Watermark()
		if err := out.found(a.engine.Tick(tick.Time).Findings); err != nil {
			return err
		}
		if now := a.engine.Watermark(); now > closed {
			return out.closed(r.Offset, now)
		}
		return nil
	}
	e, m, err := a.decoder.Decode(r.Value)
	if err != nil {
		return err
	}
	if before {
		a.engine.Prime(r.Offset, e)
		return nil
	}
	paired, marks := e.Request != nil, len(e.Marks)
	caused := a.engine.Decide(r.Offset, e, m)
	var annotated error
	if !paired && e.Request != nil || restates(e.Marks[marks:]) {
		annotated = out.annotate(r, e)
	}
	return errors.Join(annotated, out.found(caused.Findings), out.observed(r.Offset, caused.Observations))
}

// restates reports whether new marks say what an analyst has to see beside the event.
func restates(marks []string) bool {
	return slices.ContainsFunc(marks, func(m string) bool {
		return m == rule.DefinitionsNotJudged || m == rule.RulesNotJudged || m == uninspected
	})
}

// report implements work.
func (a *agents) report(m *metrics) {
	now, last := a.engine.tally(), a.reported
	m.events.Add(float64(now.Events - last.Events))
	m.repeats.Add(float64(now.Repeats - last.Repeats))
	m.malformed.Add(float64(now.Malformed - last.Malformed))
	m.evictedRequests.Add(float64(now.Evicted - last.Evicted))
	m.unjudged.Add(float64(now.Unjudged - last.Unjudged))
	m.unjudgedRules.Add(float64(now.UnjudgedRules - last.UnjudgedRules))
	m.uninspected.Add(float64(now.Uninspected - last.Uninspected))
	m.absent.Add(float64(now.Absent - last.Absent))
	a.reported = now
}
