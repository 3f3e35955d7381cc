package detector

import (
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
)

// memories reads the events that a rule's cell keeps, each once, while one event is offered to it.
type memories struct {
	program *rule.Program
	plan    *window.Plan
	now     *hit  // the event; nil where none is offered
	asked   Asked // nil but where a rule is explained
	read    []remembered
	// unread counts what could not be read: it was written by another version, and nothing is said
	// of it.
	unread uint64
}

// remembered is an event and where its bytes lie.
type remembered struct {
	bytes    *byte
	sighting *rule.Sighting // nil where it could not be read
}

// know spares reading a step of which the sighting is there.
func (m *memories) know(step window.Step, s *rule.Sighting) {
	m.read = append(m.read, remembered{&step.Captured[0], s})
}

// of is the event of a step, or nil.
func (m *memories) of(step *window.Step) *rule.Sighting {
	if len(step.Captured) == 0 {
		m.unread++
		return nil
	}
	for i := range m.read {
		if m.read[i].bytes == &step.Captured[0] {
			return m.read[i].sighting
		}
	}
	s, err := rule.DecodeSighting(step.Captured)
	if err != nil {
		m.unread++
		s = nil
	}
	m.know(*step, s)
	return s
}

// all are the events of steps from one on; those before it stay nil.
func (m *memories) all(steps []window.Step, since int) (all []*rule.Sighting, ok bool) {
	all = make([]*rule.Sighting, len(steps))
	for i := since; i < len(steps); i++ {
		if all[i] = m.of(&steps[i]); all[i] == nil {
			return nil, false
		}
	}
	return all, true
}

// admits reports whether the last event of a chain meets the part of its step's condition that is
// about those before it.
func (m *memories) admits(n int, chain []window.Step) bool {
	since := m.plan.Since[n]
	if since == n {
		return true
	}
	all, ok := m.all(chain[:n+1], since)
	if !ok {
		return false
	}
	var v *rule.View // of the last event, where that is the one offered and is still there
	if m.now != nil && all[n] == m.now.sighting {
		v = m.now.view
	}
	if m.asked != nil {
		m.asked(m.program, n, v, all[n], all[:n])
	}
	if v != nil {
		return m.program.Admits(n, v, all[:n])
	}
	return m.program.AdmitsRemembered(n, all[n], all[:n])
}
