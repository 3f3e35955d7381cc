package detector

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/finding"
)

// offer shows a rule an event that meets conditions of its.
func (k *keeper) offer(p *rule.Program, h hit, out *Outcome) {
	t := k.trackers[p.Rule.ID]
	at, received := h.at(k.fleet), h.received
	key := keyOf(h.tenant, h.key...)
	credential := credentialOf(h.tenant, h.source)
	within := p.Within.Microseconds()
	observed := finding.Observed{Within: p.Within.Seconds()}
	var late, found bool
	switch p.Kind {
	case rule.KindCount:
		t.count.Update(key, credential, received, func(c *window.Count, _ bool) bool {
			observed.Count, late = c.Add(at, window.NewSpan(p.Within))
			if found = !late && float64(observed.Count) >= p.AtLeast; found {
				c.Reset()
			}
			return true
		})
	case rule.KindDistinct:
		t.distinct.Update(key, credential, received, func(c *window.Distinct, _ bool) bool {
			observed.Count, late = c.Add(at, within, hashOf(h.value), h.value, int(p.AtLeast))
			if found = !late && float64(observed.Count) >= p.AtLeast; found {
				values := c.Values()
				observed.Values = values[:min(len(values), maxValues)]
				c.Reset()
			}
			return true
		})
	case rule.KindSum:
		t.sum.Update(key, credential, received, func(c *window.Sum, _ bool) bool {
			observed.Sum, late = c.Add(at, window.NewSpan(p.Within), h.number)
			if found = !late && observed.Sum >= p.AtLeast; found {
				c.Reset()
			}
			return true
		})
	case rule.KindFirstSeen:
		observed = finding.Observed{Values: []string{h.value}}
		t.first.Update(key, credential, received, func(c *window.FirstSeen, _ bool) bool {
			is, forgot := c.Add(at, p.Learn.Microseconds(), p.Memory.Microseconds(), hashOf(h.value), maxKnown)
			if forgot {
				k.counts.Forgotten++
			}
			found = is == window.New
			return true
		})
	case rule.KindSequence:
		k.offerSequence(t, key, credential, h, out)
	case rule.KindAbsence:
		k.offerAbsence(t, key, credential, h, out)
	case rule.KindAnomaly:
		var v baseline.Verdict
		t.profile.Update(key, credential, received, func(c *window.Profile, _ bool) bool {
			v = k.measure(p, c, at, h.number)
			return true
		})
		found = v.Unusual(at, p.FalseAlarms)
		observed = finding.Observed{Measure: h.number, Usual: usual(&v)}
	case rule.KindMatch:
	}
	if late {
		k.counts.Late++
	}
	if found {
		k.concludeOwn(p, h, observed, out)
	}
}

// concludeOwn makes the finding of a hit that stands for no other event's. It has a copy of the
// hit, so that a hit that concludes nothing costs no allocation.
func (k *keeper) concludeOwn(p *rule.Program, h hit, observed finding.Observed, out *Outcome) {
	k.concludeHit(p, &h, nil, &observed, out)
}

// Bounds of what is kept and shown of values.
const (
	maxKnown  = 4096 // values that a first_seen rule knows of one entity
	maxValues = 20   // values that a finding names
)

// hashOf tells values apart. A hash that is easily turned round would let one value hide another.
func hashOf(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.LittleEndian.Uint64(sum[:])
}

func (k *keeper) offerSequence(t *tracker, key window.Key, credential uint64, h hit, out *Outcome) {
	p, last := t.program, t.plan.Steps-1
	if h.steps&1 == 0 && p.Lateness == 0 {
		if _, there := t.sequence.Find(key); !there {
			return // nothing has begun that it could go on with, and what begins late does not count
		}
	}
	// The finding is the last event's: of an earlier one it takes the id and what the rule says of it.
	remembered := &rule.Sighting{Event: h.sighting.Event, Definition: h.sighting.Definition, Facts: h.sighting.Facts, Cut: h.sighting.Cut}
	if h.steps>>last&1 == 1 {
		h.sighting.QuietKey = h.quiet
		remembered = h.sighting
	}
	step, err := stepOf(&h, k.fleet, remembered)
	if err != nil {
		k.counts.Unread++
		return
	}
	m := memories{program: p, plan: &t.plan, now: &h, asked: k.asked}
	m.know(step, h.sighting)
	var r window.Result
	t.sequence.Update(key, credential, h.received, func(s *window.Sequence, _ bool) bool {
		r = s.Offer(&t.plan, h.steps, step, m.admits)
		return !s.Idle()
	})
	k.counts.Late += countOf(r.Late)
	k.counts.CutSearches += countOf(r.Cut)
	k.counts.Forgotten += uint64(r.Evicted)
	for _, steps := range r.Complete {
		events, ok := m.all(steps, 0)
		if !ok {
			continue
		}
		end := h
		if r.Own != last { // h came late: the last event is one that is gone
			end = hitOf(events[last])
			end.key, end.quiet = h.key, events[last].QuietKey
		}
		k.concludeHit(p, &end, events[:last], nil, out)
	}
	k.counts.Unread += m.unread
}

func countOf(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// The steps of an absence.
const (
	after   = 0
	without = 1
)

func (k *keeper) offerAbsence(t *tracker, key window.Key, credential uint64, h hit, out *Outcome) {
	p := t.program
	waits, answers := h.steps>>after&1 == 1, h.steps>>without&1 == 1
	if _, there := t.absence.Find(key); !there && !waits && p.Lateness == 0 {
		return
	}
	m := memories{program: p, plan: &t.plan, now: &h, asked: k.asked}
	waiting, answer, err := k.absenceSteps(&m, &h, waits, answers)
	if err != nil {
		k.counts.Unread++
		return
	}
	at := h.at(k.fleet)
	var due []window.Step
	var before, next int64
	t.absence.Update(key, credential, h.received, func(a *window.Absence, _ bool) bool {
		before = a.Next()
		due = a.Due(at, math.MinInt64)
		evicted := 0
		if answers {
			a.Close(at, func(s window.Step) bool { return m.admits(without, []window.Step{s, answer}) })
		}
		if waits {
			var late bool
			evicted, late = a.Open(waiting, h.received, p.Within.Microseconds(), p.Lateness.Microseconds(), func(s window.Step) bool {
				return m.admits(without, []window.Step{waiting, s})
			})
			k.counts.Late += countOf(late)
		}
		if answers && p.Lateness > 0 {
			evicted += a.Answer(answer, p.Lateness.Microseconds())
		}
		k.counts.Forgotten += uint64(evicted)
		next = a.Next()
		return !a.Idle()
	})
	k.counts.Unread += m.unread
	if next != before {
		k.wake(timer{next, p.Rule.ID, key, false})
	}
	k.concludeAbsences(p, due, out)
}

// absenceSteps is what is kept of an event as one that waits, and as one that others wait for: of
// that nothing but its time, where no condition compares the two.
func (k *keeper) absenceSteps(m *memories, h *hit, waits, answers bool) (waiting, answer window.Step, err error) {
	answer.At = h.at(k.fleet)
	if answers && m.plan.Since[without] == after {
		answer, err = stepOf(h, k.fleet, &rule.Sighting{Event: h.sighting.Event, Facts: h.sighting.Facts, Cut: h.sighting.Cut})
		if err != nil {
			return waiting, answer, err
		}
		m.know(answer, h.sighting)
	}
	if waits {
		h.sighting.Key, h.sighting.QuietKey = h.key, h.quiet
		if waiting, err = stepOf(h, k.fleet, h.sighting); err != nil {
			return waiting, answer, err
		}
		m.know(waiting, h.sighting)
	}
	return waiting, answer, nil
}

// endWaits concludes the waits of a key that have ended in vain by the collectors' clock.
func (k *keeper) endWaits(t *tracker, ended timer, out *Outcome) {
	key := ended.key
	if a, there := t.absence.Find(key); !there || a.Next() != ended.at {
		return // what waited has come; what waits now has a timer of its own
	}
	var due []window.Step
	var next int64
	t.absence.Update(key, 0, k.clock, func(a *window.Absence, _ bool) bool {
		due = a.Due(math.MinInt64, k.clock)
		next = a.Next()
		return !a.Idle()
	})
	k.wake(timer{next, t.program.Rule.ID, key, false})
	k.concludeAbsences(t.program, due, out)
}

func (k *keeper) concludeAbsences(p *rule.Program, due []window.Step, out *Outcome) {
	for i := range due {
		s, err := rule.DecodeSighting(due[i].Captured)
		if err != nil { // it was written by another version
			k.counts.Unread++
			continue
		}
		h := hitOf(s)
		h.key, h.quiet = s.Key, s.QuietKey
		k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds()}, out)
	}
}
