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
	p := t.program
	if h.steps&1 == 0 {
		if _, there := t.sequence.Find(key); !there {
			return // nothing has begun that it could go on with
		}
	}
	// The finding is the last event's: of an earlier one it takes the id and what the rule says of it.
	step, err := stepOf(&h, k.fleet, &rule.Sighting{Event: h.sighting.Event, Facts: h.sighting.Facts})
	if err != nil {
		k.counts.Unread++
		return
	}
	var r window.Result
	t.sequence.Update(key, credential, h.received, func(s *window.Sequence, _ bool) bool {
		r = s.Offer(t.plan, h.steps, step, func(n int, earlier []window.Step) bool { return k.admits(p, n, &h, earlier) })
		return !s.Idle()
	})
	k.counts.Late += uint64(r.Late)
	k.counts.Forgotten += uint64(r.Evicted)
	for _, steps := range r.Complete {
		if earlier, ok := k.recall(steps[:len(steps)-1]); ok {
			k.concludeHit(p, &h, earlier, nil, out)
		}
	}
}

func (k *keeper) offerAbsence(t *tracker, key window.Key, credential uint64, h hit, out *Outcome) {
	p := t.program
	const after, without = 0, 1
	if _, there := t.absence.Find(key); !there && h.steps&(1<<after) == 0 {
		return
	}
	at, received := h.at(k.fleet), h.received
	var due []window.Step
	var before, next int64
	t.absence.Update(key, credential, received, func(a *window.Absence, _ bool) bool {
		before = a.Next()
		due = a.Due(at, math.MinInt64)
		if h.steps&(1<<without) != 0 {
			a.Close(at, func(s window.Step) bool { return k.admits(p, without, &h, []window.Step{s}) })
		}
		if h.steps&(1<<after) != 0 {
			h.sighting.Key, h.sighting.QuietKey = h.key, h.quiet
			if step, err := stepOf(&h, k.fleet, h.sighting); err != nil {
				k.counts.Unread++
			} else {
				k.counts.Forgotten += uint64(a.Open(step, received, p.Within.Microseconds()))
			}
		}
		next = a.Next()
		return !a.Idle()
	})
	if next != before {
		k.wake(timer{next, p.Rule.ID, key, false})
	}
	k.concludeAbsences(p, due, out)
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
		if s, ok := k.recall(due[i : i+1]); ok {
			h := hitOf(s[0])
			h.key, h.quiet = s[0].Key, s[0].QuietKey
			k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds()}, out)
		}
	}
}

// admits reports whether an event meets the part of a step's condition that is about earlier ones.
func (k *keeper) admits(p *rule.Program, step int, now *hit, earlier []window.Step) bool {
	if !p.LooksBack(step) {
		return true
	}
	then, ok := k.recall(earlier)
	return ok && p.Admits(step, now.sighting, then)
}
