package detector

import (
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// Stand is what a rule remembers of one key. Of its fields those of the rule's kind are set.
type Stand struct {
	Count int     `json:"count,omitzero"` // of a count or distinct rule: what the window holds
	Sum   float64 `json:"sum,omitzero"`   // of a sum rule
	// Until is how long the oldest of what the window holds counts, by the time of later events.
	Until time.Time `json:"until,omitzero"`
	// Values are the beginnings of what a distinct rule has seen, oldest first.
	Values []string `json:"values,omitempty"`
	// UnderWay are the sequences that have begun, or the events that wait for another.
	UnderWay []UnderWay `json:"under_way,omitempty"`
	// Known is how many values a first_seen rule knows, Learns until when it only learns.
	Known  int       `json:"known,omitzero"`
	Learns time.Time `json:"learns,omitzero"`
	// Usual is what an anomaly rule's baseline, which has learnt from the event, says of its measure now;
	// nil while it only learns.
	Usual *finding.Usual `json:"usual,omitempty"`
	// QuietUntil is until when findings are held back, Held how many were so far.
	QuietUntil time.Time `json:"quiet_until,omitzero"`
	Held       uint32    `json:"held,omitzero"`
}

// UnderWay is what has begun and is not over.
type UnderWay struct {
	Events []string `json:"events"` // ids, by step
	// Until is the latest time that the next event can have.
	Until time.Time `json:"until"`
}

// Stand is how far a rule has come with the key that an explanation of an event names. It changes
// nothing.
func (d *Detector) Stand(p *rule.Program, e *event.Event, x *rule.Explanation) Stand {
	k := d.Engine.keeper
	if p.Fleet {
		k = d.Fleet.keeper
	}
	t := k.trackers[p.Rule.ID]
	if t == nil {
		return Stand{} // it remembers nothing
	}
	var s Stand
	if x.Key != nil {
		s = t.stand(keyOf(e.Tenant, x.Key...))
		s.Usual = t.usual(keyOf(e.Tenant, x.Key...), (&hit{time: e.Time.UnixMicro(), received: e.Received.UnixMicro()}).at(k.fleet), d.Engine.view)
	}
	if t.quiet != nil {
		if q, there := t.quiet.Find(quietKeyOf(p, e.Tenant, e.Actor, x.Quiet)); there {
			if until, held, open := q.Holding(); open {
				s.QuietUntil, s.Held = time.UnixMicro(until).UTC(), held
			}
		}
	}
	return s
}

// stand reads the table of the rule's kind.
func (t *tracker) stand(key window.Key) (s Stand) {
	switch t.program.Kind {
	case rule.KindCount:
		if c, there := t.count.Find(key); there {
			s.Count = c.Total()
			s.Until = moment(c.Until(window.NewSpan(t.program.Within)))
		}
	case rule.KindDistinct:
		if c, there := t.distinct.Find(key); there {
			s.Values = c.Values()
			s.Count = len(s.Values)
			s.Until = moment(c.Until(t.program.Within.Microseconds()))
		}
	case rule.KindSum:
		if c, there := t.sum.Find(key); there {
			s.Sum = c.Total()
			s.Until = moment(c.Until(window.NewSpan(t.program.Within)))
		}
	case rule.KindFirstSeen:
		if c, there := t.first.Find(key); there {
			var began int64
			s.Known, began = c.Known()
			s.Learns = time.UnixMicro(began).UTC().Add(t.program.Learn)
		}
	case rule.KindSequence:
		if c, there := t.sequence.Find(key); there {
			m := memories{program: t.program, plan: &t.plan}
			for _, steps := range c.UnderWay(&t.plan, m.admits) {
				s.UnderWay = append(s.UnderWay, t.underWay(steps))
			}
		}
	case rule.KindAbsence:
		if c, there := t.absence.Find(key); there {
			for step := range c.Waiting() {
				s.UnderWay = append(s.UnderWay, t.underWay([]window.Step{step}))
			}
		}
	case rule.KindMatch, rule.KindAnomaly: // a profile is asked with a measure
	}
	return s
}

// moment is a time given in microseconds since 1970, the zero time where there is none.
func moment(at int64, ok bool) time.Time {
	if !ok {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}

// usual is what a profile says of the measure of the event that a view shows.
func (t *tracker) usual(key window.Key, at int64, v *rule.View) *finding.Usual {
	if t.profile == nil || t.program.PerDefinition {
		return nil
	}
	c, there := t.profile.Find(key)
	measure, has := t.program.Number(v)
	if !there || !has {
		return nil
	}
	profile, _ := profileOf(t.program, c)
	if verdict := profile.Observe(at, measure); !verdict.Learning {
		return usual(&verdict)
	}
	return nil
}

// underWay says how long what has begun can go on.
func (t *tracker) underWay(steps []window.Step) (u UnderWay) {
	p, next := t.program, len(steps)
	until := steps[0].At + p.Within.Microseconds()
	if next < len(p.Gaps) && p.Gaps[next] > 0 {
		until = min(until, steps[next-1].At+p.Gaps[next].Microseconds())
	}
	u.Until = time.UnixMicro(until).UTC()
	m := memories{program: p, plan: &t.plan}
	seen, _ := m.all(steps, 0) // of what another version wrote nothing is shown
	for _, s := range seen {
		u.Events = append(u.Events, s.Event)
	}
	return u
}
