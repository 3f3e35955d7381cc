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

// tickEvery is how far the collectors' clock goes on before what waits is looked at.
const tickEvery = 5 * time.Second

// Process decides on one event, and on what waited until the collector took it in.
func (d *Detector) Process(position int64, e *event.Event) []finding.Finding {
	m := d.Engine.parse(e)
	return d.Decide(position, e, &m)
}

// Decide is Process for an event whose message has been taken apart.
func (d *Detector) Decide(position int64, e *event.Event, m *event.Message) []finding.Finding {
	var found []finding.Finding
	if e.Received.Sub(d.clock) >= tickEvery {
		found = d.Tick(e.Received)
	}
	out := d.Engine.Decide(position, e, m)
	found = append(found, out.Findings...)
	for i := range out.Observations {
		found = append(found, d.Fleet.Observe(&out.Observations[i]).Findings...)
	}
	return found
}

// Tick says that the collectors' clock has come to a time.
func (d *Detector) Tick(clock time.Time) []finding.Finding {
	d.clock = clock
	return append(d.Engine.Tick(clock).Findings, d.Fleet.Tick(clock).Findings...)
}
