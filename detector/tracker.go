package detector

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/finding"
)

// tracker keeps what one rule remembers. Of the tables of cells it has the one of its kind.
type tracker struct {
	program *rule.Program

	count    *window.Table[window.Count, *window.Count]
	distinct *window.Table[window.Distinct, *window.Distinct]
	sum      *window.Table[window.Sum, *window.Sum]
	sequence *window.Table[window.Sequence, *window.Sequence]
	absence  *window.Table[window.Absence, *window.Absence]
	first    *window.Table[window.FirstSeen, *window.FirstSeen]
	quiet    *window.Table[window.Quiet, *window.Quiet]

	// tables are those there are, the kind's first and that of quiet times last.
	tables []table
}

// table is what all tables have in common.
type table interface {
	measured
	stored
}

type measured interface {
	Len() int
	Bytes() int
	Evicted() uint64
	Sweep(before int64) int
}

type stored interface {
	Changes(give func(entry []byte))
	All(give func(entry []byte))
	Apply(entry []byte) error
	Restored()
}

func newTracker(p *rule.Program, limits window.Limits) *tracker {
	t := &tracker{program: p}
	switch p.Kind {
	case rule.KindCount:
		t.count = window.NewTable[window.Count](limits)
		t.tables = append(t.tables, t.count)
	case rule.KindDistinct:
		t.distinct = window.NewTable[window.Distinct](limits)
		t.tables = append(t.tables, t.distinct)
	case rule.KindSum:
		t.sum = window.NewTable[window.Sum](limits)
		t.tables = append(t.tables, t.sum)
	case rule.KindSequence:
		t.sequence = window.NewTable[window.Sequence](limits)
		t.tables = append(t.tables, t.sequence)
	case rule.KindAbsence:
		t.absence = window.NewTable[window.Absence](limits)
		t.tables = append(t.tables, t.absence)
	case rule.KindFirstSeen:
		t.first = window.NewTable[window.FirstSeen](limits)
		t.tables = append(t.tables, t.first)
	case rule.KindMatch, rule.KindAnomaly:
	}
	if p.Quiet > 0 {
		t.quiet = window.NewTable[window.Quiet](limits)
		t.tables = append(t.tables, t.quiet)
	}
	return t
}

func (t *tracker) keys() (n int) {
	for _, x := range t.tables {
		n += x.Len()
	}
	return n
}

func (t *tracker) bytes() (n int) {
	for _, x := range t.tables {
		n += x.Bytes()
	}
	return n
}

func (t *tracker) forgotten() (n uint64) {
	for _, x := range t.tables {
		n += x.Evicted()
	}
	return n
}

// slack is how much longer than its window a key is kept after its last use, for events that a
// source ships late.
const slack = 3600_000_000 // an hour

// sweep forgets the keys of which no window can need anything.
func (t *tracker) sweep(clock int64) {
	longest := max(t.program.Within, t.program.Memory, t.program.Quiet).Microseconds() + slack
	for _, x := range t.tables {
		x.Sweep(clock - longest)
	}
}

// offer shows a rule an event that meets conditions of its.
func (k *keeper) offer(p *rule.Program, h hit, out *Outcome) {
	t := k.trackers[p.Rule.ID]
	at, received := h.at(k.fleet), h.received
	key := keyOf(h.tenant, h.key...)
	credential := credentialOf(h.tenant, h.source)
	within := p.Within.Microseconds()
	switch p.Kind {
	case rule.KindCount:
		t.count.Update(key, credential, received, func(c *window.Count, _ bool) bool {
			if n, late := c.Add(at, window.NewSpan(p.Within)); late {
				k.counts.Late++
			} else if float64(n) >= p.AtLeast {
				c.Reset()
				k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds(), Count: n}, out)
			}
			return true
		})
	case rule.KindDistinct:
		t.distinct.Update(key, credential, received, func(c *window.Distinct, _ bool) bool {
			if n, late := c.Add(at, within, hashOf(h.value), h.value, int(p.AtLeast)); late {
				k.counts.Late++
			} else if float64(n) >= p.AtLeast {
				values := c.Values()
				c.Reset()
				k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds(), Count: n, Values: values[:min(len(values), maxValues)]}, out)
			}
			return true
		})
	case rule.KindSum:
		t.sum.Update(key, credential, received, func(c *window.Sum, _ bool) bool {
			if sum, late := c.Add(at, window.NewSpan(p.Within), h.number); late {
				k.counts.Late++
			} else if sum >= p.AtLeast {
				c.Reset()
				k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds(), Sum: sum}, out)
			}
			return true
		})
	case rule.KindFirstSeen:
		t.first.Update(key, credential, received, func(c *window.FirstSeen, _ bool) bool {
			is, forgot := c.Add(at, p.Learn.Microseconds(), p.Memory.Microseconds(), hashOf(h.value), maxKnown)
			if forgot {
				k.counts.Forgotten++
			}
			if is == window.New {
				k.concludeHit(p, &h, nil, &finding.Observed{Values: []string{h.value}}, out)
			}
			return true
		})
	case rule.KindSequence:
		k.offerSequence(t, key, credential, &h, out)
	case rule.KindAbsence:
		k.offerAbsence(t, key, credential, &h, out)
	case rule.KindMatch, rule.KindAnomaly:
	}
}

// Bounds of what is kept and shown of values.
const (
	maxKnown  = 4096 // values that a first_seen rule knows of one entity
	maxValues = 20   // values that a finding names
)

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

func (k *keeper) offerSequence(t *tracker, key window.Key, credential uint64, h *hit, out *Outcome) {
	p := t.program
	plan := window.Plan{Steps: p.Steps(), Within: p.Within.Microseconds()}
	for _, gap := range p.Gaps {
		plan.Gaps = append(plan.Gaps, gap.Microseconds())
	}
	if h.steps&1 == 0 {
		if _, there := t.sequence.Find(key); !there {
			return // nothing has begun that it could go on with
		}
	}
	step, err := stepOf(h, k.fleet)
	if err != nil {
		k.counts.Unkeyed++
		return
	}
	t.sequence.Update(key, credential, h.received, func(s *window.Sequence, _ bool) bool {
		r := s.Offer(plan, h.steps, step, func(n int, earlier []window.Step) bool {
			return p.Admits(n, h.sighting, sightings(earlier))
		})
		k.counts.Late += uint64(r.Late)
		k.counts.Forgotten += uint64(r.Evicted)
		for _, steps := range r.Complete {
			earlier := sightings(steps)
			k.concludeHit(p, h, earlier[:len(earlier)-1], nil, out)
		}
		return !s.Idle()
	})
}

func (k *keeper) offerAbsence(t *tracker, key window.Key, credential uint64, h *hit, out *Outcome) {
	p := t.program
	const after, without = 0, 1
	if _, there := t.absence.Find(key); !there && h.steps&(1<<after) == 0 {
		return
	}
	at, received := h.at(k.fleet), h.received
	var due []window.Step
	var next int64
	t.absence.Update(key, credential, received, func(a *window.Absence, _ bool) bool {
		due = a.Due(at, math.MinInt64, p.Within.Microseconds())
		if h.steps&(1<<without) != 0 {
			a.Close(at, func(s window.Step) bool { return p.Admits(without, h.sighting, sightings([]window.Step{s})) })
		}
		if h.steps&(1<<after) != 0 {
			if step, err := stepOf(h, k.fleet); err != nil {
				k.counts.Unkeyed++
			} else if a.Open(step, received, p.Within.Microseconds()) {
				k.counts.Forgotten++
			}
		}
		next = a.Next()
		return next != math.MaxInt64
	})
	k.wake(timer{next, p.Rule.ID, key, false})
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
		due = a.Due(math.MinInt64, k.clock, t.program.Within.Microseconds())
		next = a.Next()
		return next != math.MaxInt64
	})
	k.wake(timer{next, t.program.Rule.ID, key, false})
	k.concludeAbsences(t.program, due, out)
}

func (k *keeper) concludeAbsences(p *rule.Program, due []window.Step, out *Outcome) {
	for _, s := range sightings(due) {
		h := hitOf(s)
		h.key, h.quiet = s.Key, s.QuietKey
		k.concludeHit(p, &h, nil, &finding.Observed{Within: p.Within.Seconds()}, out)
	}
}

// stepOf is what is kept of a hit for later steps.
func stepOf(h *hit, fleet bool) (window.Step, error) {
	h.sighting.Key, h.sighting.QuietKey = h.key, h.quiet
	captured, err := h.sighting.Encode()
	if err != nil {
		return window.Step{}, err
	}
	like := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(h.sighting.Facts)) {
		_, _ = fmt.Fprintf(like, "%q %q\n", name, fmt.Sprint(h.sighting.Facts[name]))
	}
	return window.Step{At: h.at(fleet), Like: like.Sum64(), Captured: captured}, nil
}

// sightings are the events that steps keep. What cannot be read was written by an older version,
// and is left out of what conditions see: they are not true of it.
func sightings(steps []window.Step) []*rule.Sighting {
	all := make([]*rule.Sighting, len(steps))
	for i, s := range steps {
		sighting, err := rule.DecodeSighting(s.Captured)
		if err != nil {
			sighting = &rule.Sighting{}
		}
		all[i] = sighting
	}
	return all
}

// finding is what a rule's finding says of the event that concludes it.
func (k *keeper) finding(p *rule.Program, s *rule.Sighting) finding.Finding {
	return finding.Finding{
		Time: s.Time, Received: s.Received, Tenant: s.Tenant,
		Rule: p.Rule.ID, RuleVersion: p.Version, Control: k.set.Hash,
		Mode: p.Rule.Mode, Tags: p.Rule.Tags, Playbook: p.Rule.Playbook,
		Actor: s.Actor, Agent: s.Agent, Server: s.Server, Session: s.Session, Trace: s.Trace,
		Method: s.Method, Name: s.Name,
	}
}

// concludeHit makes the finding of a hit that completes what its rule looks for.
func (k *keeper) concludeHit(p *rule.Program, h *hit, earlier []*rule.Sighting, observed *finding.Observed, out *Outcome) {
	s := h.sighting
	if s == nil {
		s = p.Sight(h.view)
	}
	f := k.finding(p, s)
	f.Key, f.Observed = h.key, observed
	for _, e := range earlier {
		f.Events = append(f.Events, e.Event)
	}
	f.Events = append(f.Events, s.Event)
	f.DeriveID()
	c := conclusion{
		actor: s.Actor, quiet: func() ([]string, bool) { return h.quiet, h.quiet != nil }, credential: credentialOf(s.Tenant, s.Source),
		judge:    func() rule.Judgement { return p.Recall(s, earlier) },
		excepted: func() (string, []string) { return p.ExceptedSighting(s) },
	}
	if h.view != nil {
		c.judge = func() rule.Judgement { return p.Judge(h.view, earlier) }
		c.excepted = func() (string, []string) { return p.Excepted(h.view) }
	}
	k.conclude(p, &f, c, out)
}
