package detector

import (
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// Detector is both stages in one, for one stream of events in the order of their arrival: what
// a file is scanned with, and what rules are tested with.
type Detector struct {
	Engine *Engine
	Fleet  *Fleet
	clock  time.Time
}

// New returns a detector of a set.
func New(set *rule.Set) *Detector { return &Detector{Engine: NewEngine(set), Fleet: NewFleet(set)} }

// Asked is told of each time that an event is asked for the part of a step's condition that is about
// earlier steps (see rule.Program.Admits).
type Asked func(p *rule.Program, step int, v *rule.View, now *rule.Sighting, earlier []*rule.Sighting)

// OnAsked makes both stages tell what they ask, so that it can be explained.
func (d *Detector) OnAsked(tell Asked) { d.Engine.keeper.asked, d.Fleet.keeper.asked = tell, tell }

// tickEvery is how far the collectors' clock goes on before what waits is looked at.
const tickEvery = 5 * time.Second

// Process decides on one event, and on what waited until the collector took it in.
func (d *Detector) Process(position int64, e *event.Event) []finding.Finding {
	return d.Decide(position, e, nil).Findings
}

// Decide is Process that gives all that the event causes in both stages. The message is the event's,
// or nil where it has not been taken apart yet.
func (d *Detector) Decide(position int64, e *event.Event, m *event.Message) Outcome {
	if m == nil {
		parsed := d.Engine.parse(e)
		m = &parsed
	}
	var all Outcome
	if e.Received.Sub(d.clock) >= tickEvery {
		all = d.tick(e.Received)
	}
	out := d.Engine.Decide(position, e, m)
	all.add(out)
	for i := range out.Observations {
		all.add(d.Fleet.Observe(&out.Observations[i]))
	}
	return all
}

// Tick says that the collectors' clock has come to a time.
func (d *Detector) Tick(clock time.Time) []finding.Finding { return d.tick(clock).Findings }

func (d *Detector) tick(clock time.Time) Outcome {
	d.clock = clock
	out := d.Engine.Tick(clock)
	out.add(d.Fleet.Tick(clock))
	return out
}

func (o *Outcome) add(more Outcome) {
	o.Findings = append(o.Findings, more.Findings...)
	o.Observations = append(o.Observations, more.Observations...)
	o.Held = append(o.Held, more.Held...)
}

// Counts returns what both stages have done so far.
func (d *Detector) Counts() Counts {
	c, fleet := d.Engine.Counts(), d.Fleet.Kept()
	c.Unkeyed += fleet.Unkeyed
	c.Late += fleet.Late
	c.CutSearches += fleet.CutSearches
	c.Forgotten += fleet.Forgotten
	c.Suppressed += fleet.Suppressed
	c.Excepted += fleet.Excepted
	c.Keys += fleet.Keys
	c.Bytes += fleet.Bytes
	return c
}
