package detector

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/window"
	"github.com/mcpwatch/mcpwatch/finding"
)

// tracker keeps what one rule remembers. Of the tables of cells it has the one of its kind.
type tracker struct {
	program *rule.Program
	plan    window.Plan // of a sequence, or of the two steps of an absence

	count    *window.Table[window.Count, *window.Count]
	distinct *window.Table[window.Distinct, *window.Distinct]
	sum      *window.Table[window.Sum, *window.Sum]
	sequence *window.Table[window.Sequence, *window.Sequence]
	absence  *window.Table[window.Absence, *window.Absence]
	first    *window.Table[window.FirstSeen, *window.FirstSeen]
	profile  *window.Table[window.Profile, *window.Profile]
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
	limited
	Sweep(before int64) int
}

type limited interface {
	Most() (bytes, cells int)
	SetLimits(limits window.Limits)
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
		t.plan = planOf(p)
		t.sequence = window.NewTable[window.Sequence](limits)
		t.tables = append(t.tables, t.sequence)
	case rule.KindAbsence:
		t.plan = planOf(p)
		t.absence = window.NewTable[window.Absence](limits)
		t.tables = append(t.tables, t.absence)
	case rule.KindFirstSeen:
		t.first = window.NewTable[window.FirstSeen](limits)
		t.tables = append(t.tables, t.first)
	case rule.KindAnomaly:
		t.profile = window.NewTable[window.Profile](limits)
		t.tables = append(t.tables, t.profile)
	case rule.KindMatch:
	}
	if p.Quiet > 0 {
		t.quiet = window.NewTable[window.Quiet](limits)
		t.tables = append(t.tables, t.quiet)
	}
	return t
}

// planOf is the form of a rule's steps.
func planOf(p *rule.Program) window.Plan {
	plan := window.Plan{Steps: p.Steps(), Within: p.Within.Microseconds(), Lateness: p.Lateness.Microseconds()}
	for n := range p.Steps() {
		plan.Since = append(plan.Since, p.LooksBack(n))
	}
	for _, gap := range p.Gaps {
		plan.Gaps = append(plan.Gaps, gap.Microseconds())
	}
	return plan
}

// memory is what the rule remembers.
func (t *tracker) memory() RuleMemory {
	m := RuleMemory{Rule: t.program.Rule.ID}
	for _, x := range t.tables {
		m.Keys += x.Len()
		m.Bytes += x.Bytes()
		m.Evicted += x.Evicted()
	}
	return m
}

func (t *tracker) setLimits(limits window.Limits) {
	for _, x := range t.tables {
		x.SetLimits(limits)
	}
}

// slack is how much longer than its window a key is kept after its last use, for events that a
// source ships late.
const slack = 3600_000_000 // an hour

// sweep forgets the keys of which no window can need anything, and those that keep nothing but
// events for others that arrive late.
func (t *tracker) sweep(clock int64) {
	longest := max(t.program.Within, t.program.Memory, t.program.Quiet).Microseconds() + slack
	for _, x := range t.tables {
		x.Sweep(clock - longest)
	}
	onTime := clock - t.program.Lateness.Microseconds()
	switch {
	case t.sequence != nil:
		t.sequence.Prune(onTime, (*window.Sequence).Begun)
	case t.absence != nil:
		t.absence.Prune(onTime, (*window.Absence).Begun)
	}
}

// stepOf is what is kept of a hit for later steps: what is to be remembered of its event.
func stepOf(h *hit, fleet bool, remembered *rule.Sighting) (window.Step, error) {
	captured, err := remembered.Encode()
	if err != nil {
		return window.Step{}, err
	}
	like := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(remembered.Facts)) {
		_, _ = fmt.Fprintf(like, "%q %q\n", name, fmt.Sprint(remembered.Facts[name]))
	}
	return window.Step{At: h.at(fleet), Like: binary.LittleEndian.Uint64(like.Sum(nil)), Captured: captured}, nil
}

// finding is what a rule's finding says of the event that concludes it.
func (k *keeper) finding(p *rule.Program, s *rule.Sighting) finding.Finding {
	return finding.Finding{
		Time: s.Time, Received: s.Received, Tenant: s.Tenant,
		Rule: p.Rule.ID, RuleVersion: p.Version, Control: k.set.Hash,
		Mode: p.ModeAt(s.Time), Tags: p.Rule.Tags, Playbook: p.Rule.Playbook,
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
	f.Key, f.Observed = slices.Clip(h.key), observed
	for _, e := range append(slices.Clip(earlier), s) {
		f.Events = append(f.Events, e.Event)
		if e.Definition != "" { // of an event's definitions each has findings of its own
			f.Key = append(f.Key, e.Definition)
		}
	}
	f.DeriveID()
	f.Key = h.key
	k.conclude(p, &f, h, earlier, out)
}
