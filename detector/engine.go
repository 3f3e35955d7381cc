// Package detector reads events, keeps state, decides, and writes findings.
//
// An Engine is the decision alone: events and ticks in, findings and observations out, with no
// clock, randomness or I/O, so the same input gives the same output, byte for byte. A Stage runs
// one engine for each Kafka partition that it is assigned.
//
// A rule whose key holds the actor is kept by the engine that reads the actor's events. Of a rule
// with any other key the engine makes observations, and a Fleet, which reads those of all
// partitions, keeps it.
package detector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

const (
	// Window is how many positions back the engine knows events and open requests. An engine
	// sees one partition, so it bounds the state of each: at most as many ids and requests,
	// and 64 MiB of requests' arguments (see event.Pairer).
	Window = 8192
	// Rewind is how many positions before the first event that counts an engine must begin to
	// know which events are repeats and what answers belong to: a request counts for a Window, and
	// whether it was a repeat hangs on the Window before it.
	Rewind = 2 * Window
)

// Engine applies a rule set to the events of one partition. It belongs to one goroutine.
type Engine struct {
	set    *rule.Set
	view   *rule.View
	parser event.Parser
	pairer *event.Pairer
	events *event.Seen
	keeper *keeper
	counts Counts
	id     []byte // of the last event, with whose it is

	// What is being decided on, and what it has caused so far; tell is told what the set finds.
	event *event.Event
	out   Outcome
	room  []finding.Finding // those of the last event
	tell  rule.Found
}

// Counts is what an engine has done so far.
type Counts struct {
	Events        uint64 // events decided on
	Repeats       uint64 // events dropped, their id being known
	Malformed     uint64 // events whose message is no JSON; rules still read the rest
	Findings      uint64
	Evicted       uint64 // requests forgotten before their answer came
	Unjudged      uint64 // definitions left out, being too many or too long in one message
	UnjudgedRules uint64 // conditions left out, an event having met the needs of too many
	Uninspected   uint64 // bytes that no text shows: of long texts the middle, and long names of members
	Absent        uint64 // reads of values that an event does not have
	Kept
}

// Cut says in words what was not looked at for its size or cost, "" for nothing.
func (c *Counts) Cut() string {
	var all []string
	for _, one := range []struct {
		n    uint64
		what string
	}{
		{c.UnjudgedRules, "conditions of rules, for want of budget (rules_not_judged)"},
		{c.Uninspected, "bytes in the middle of long texts (event.uninspected)"},
		{c.Unjudged, "definitions, being too many (definitions_not_judged)"},
	} {
		if one.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "left out were " + strings.Join(all, ", ")
}

// Outcome is what an event or a tick causes.
type Outcome struct {
	Findings     []finding.Finding
	Observations []Observation
	// Held are findings that were not given out.
	Held []Held
}

// Held is a finding that an exception hides, or, where that is "", that a quiet time holds back.
// What an exception hides has no words yet.
type Held struct {
	Finding   finding.Finding
	Exception string
}

// NewEngine returns an engine for one stream of events.
func NewEngine(set *rule.Set) *Engine { return newEngine(set, Window) }

func newEngine(set *rule.Set, window int64) *Engine {
	g := &Engine{
		set:    set,
		view:   set.NewView(),
		pairer: event.NewPairer(window),
		events: event.NewSeen(window),
		keeper: newKeeper(set, false),
	}
	g.tell = g.found
	return g
}

// Counts returns what the engine has done so far.
func (g *Engine) Counts() Counts {
	c := g.tally()
	c.Kept = g.keeper.kept()
	return c
}

// tally is Counts without what rules remember, which is added up rule by rule.
func (g *Engine) tally() Counts {
	c := g.counts
	c.Evicted = g.pairer.Evicted()
	c.Absent += g.view.Absent()
	return c
}

// Swap makes the engine apply another rule set. What it remembers for rules that are the same in
// both stays.
func (g *Engine) Swap(set *rule.Set) {
	g.keeper = g.keeper.swap(set)
	g.counts.Absent += g.view.Absent()
	g.set, g.view = set, set.NewView()
}

// Prime shows the engine an event that was decided on before, so that it knows it when it comes
// again, and the request when its answer does. It finds nothing.
func (g *Engine) Prime(position int64, e *event.Event) {
	m := g.parse(e)
	g.take(position, e, &m)
}

func (g *Engine) parse(e *event.Event) event.Message {
	m, err := g.parser.Parse(e.Message)
	if err != nil {
		g.counts.Malformed++
	}
	return m
}

// take says whether an event is new, and pairs it with its request.
func (g *Engine) take(position int64, e *event.Event, m *event.Message) (isNew bool) {
	g.id = append(append(append(append(append(g.id[:0], e.Tenant...), 0), e.Source.Name...), 0), e.ID...)
	if !g.events.Add(position, g.id) {
		return false
	}
	g.pairer.Pair(position, e, m)
	return true
}

// Process decides on one event and returns what it causes: first what rules find in the event
// itself, the worst rules first, then in each definition in it.
// An event whose id it knows of the same tenant and source changes nothing: an id is the
// source's word, and one source cannot pass for another. A response is paired with its request on
// the way, unless its source has done so. The position is the event's place in the stream, such
// as its Kafka offset, higher than the one before. What the event has then is its own or the
// engine's, and good until the next one, as findings are: who keeps them copies them.
func (g *Engine) Process(position int64, e *event.Event) Outcome {
	m := g.parse(e)
	return g.Decide(position, e, &m)
}

// Decide is Process for an event whose message has been taken apart, as a Decoder does.
func (g *Engine) Decide(position int64, e *event.Event, m *event.Message) Outcome {
	if !g.take(position, e, m) {
		g.counts.Repeats++
		return Outcome{}
	}
	g.counts.Events++
	g.view.Reset(e, m)
	if n := g.view.Uninspected(); n > 0 {
		e.Mark(uninspected)
		g.counts.Uninspected += uint64(n)
	}
	clear(g.room) // what they name may lie in a large event
	g.event, g.out = e, Outcome{Findings: g.room[:0]}
	g.set.Match(g.view, g.tell)
	g.counts.Unjudged += uint64(g.view.Unjudged())
	g.counts.UnjudgedRules += uint64(g.view.UnjudgedRules())
	g.counts.Findings += uint64(len(g.out.Findings))
	return g.taken()
}

// taken is the outcome. Its findings lie where those of the next event will.
func (g *Engine) taken() Outcome {
	out := g.out
	g.room = out.Findings
	out.Findings = slices.Clip(out.Findings)
	g.event, g.out = nil, Outcome{}
	return out
}

// uninspected marks an event of which no text shows all.
const uninspected = "uninspected"

// Tick says that the collectors' clock has come to a time: it ends waits and quiet times where
// no event does.
func (g *Engine) Tick(clock time.Time) Outcome {
	var out Outcome
	g.keeper.tick(clock.UnixMicro(), &out)
	g.counts.Findings += uint64(len(out.Findings))
	return out
}

// Watermark is up to where the engine's stream is closed, in microseconds since 1970: what it
// observes from now on has a later At.
func (g *Engine) Watermark() int64 { return g.keeper.clock - Lateness.Microseconds() }

// Explain says what made a program's conditions true or false on the event that was processed
// last.
func (g *Engine) Explain(p *rule.Program) ([]rule.Explanation, error) { return g.view.Explain(p) }

// found goes on with a program of which the shown event meets conditions.
func (g *Engine) found(p *rule.Program, steps uint32, d *rule.Definition) {
	e, out := g.event, &g.out
	if p.Kind == rule.KindMatch {
		f := g.finding(p, e, d)
		h := hit{tenant: e.Tenant, source: e.Source.Name, view: g.view}
		if p.Quiet > 0 {
			h.quiet = p.QuietKey(g.view)
		}
		g.keeper.conclude(p, &f, &h, nil, out)
		return
	}
	h, ok := g.hit(p, steps, e)
	switch {
	case !ok:
		g.keeper.counts.Unkeyed++
	case p.Fleet:
		out.Observations = append(out.Observations, h.observation(p, max(h.received, g.Watermark()+1)))
	default:
		g.keeper.offer(p, h, out)
	}
}

// finding makes the finding of a match. One on an event is that event's alone. One on a
// definition is the definition's: the same text from the same server to the same actor
// has one id, however often it is listed.
func (g *Engine) finding(p *rule.Program, e *event.Event, d *rule.Definition) finding.Finding {
	s := g.view.Glance()
	f := g.keeper.finding(p, &s)
	if d == nil {
		f.Events = []string{e.ID}
		f.DeriveID()
		return f
	}
	f.Key = []string{e.Actor, e.Server.ID, d.Kind(), d.Name(), d.Digest()}
	f.DeriveID()
	f.Events = []string{e.ID}
	return f
}

// hit takes from the shown event what a program keeps of it.
func (g *Engine) hit(p *rule.Program, steps uint32, e *event.Event) (h hit, ok bool) {
	if h.key, ok = p.Key(g.view); !ok {
		return h, false
	}
	h.steps, h.view = steps, g.view
	h.tenant, h.source = e.Tenant, e.Source.Name
	h.time, h.received = e.Time.UnixMicro(), e.Received.UnixMicro()
	if p.Remembers() {
		h.sighting = p.Sight(g.view)
	}
	switch p.Kind {
	case rule.KindDistinct, rule.KindFirstSeen:
		h.value, ok = p.Value(g.view)
	case rule.KindSum, rule.KindAnomaly:
		h.number, ok = p.Number(g.view)
	case rule.KindMatch, rule.KindCount, rule.KindSequence, rule.KindAbsence:
	}
	if p.Quiet > 0 {
		h.quiet = p.QuietKey(g.view)
	}
	return h, ok
}
