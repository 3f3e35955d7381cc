// Package detector reads events, keeps state, decides, and writes findings.
//
// An Engine is the decision alone: events in, findings out, with no clock, randomness or
// I/O, so the same events give the same findings, byte for byte. A Stage runs one engine
// for each Kafka partition that it is assigned.
package detector

import (
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
	// find what one finds that never stopped: a request counts for a Window, and whether it
	// was a repeat hangs on the Window before it.
	Rewind = 2 * Window
)

// unjudged marks an event that defines more than an engine judges.
const unjudged = "definitions_not_judged"

// Engine applies a rule set to a stream of events. It belongs to one goroutine.
type Engine struct {
	set    *rule.Set
	view   *rule.View
	parser event.Parser
	pairer *event.Pairer
	events *event.Seen
	counts Counts
}

// Counts is what an engine has done so far.
type Counts struct {
	Events    uint64 // events decided on
	Repeats   uint64 // events dropped, their id being known
	Malformed uint64 // events whose message is no JSON; rules still read the rest
	Findings  uint64
	Evicted   uint64 // requests forgotten before their answer came
	Unjudged  uint64 // definitions left out, being too many in one message
	Absent    uint64 // reads of values that an event does not have
}

// NewEngine returns an engine for one stream of events.
func NewEngine(set *rule.Set) *Engine { return newEngine(set, Window) }

func newEngine(set *rule.Set, window int64) *Engine {
	return &Engine{
		set:    set,
		view:   set.NewView(),
		pairer: event.NewPairer(window),
		events: event.NewSeen(window),
	}
}

// Counts returns what the engine has done so far.
func (g *Engine) Counts() Counts {
	c := g.counts
	c.Evicted = g.pairer.Evicted()
	c.Absent = g.view.Absent()
	return c
}

// Process decides on one event and returns what it finds: on the event in the order of the
// rules' ids, then on each definition in it.
// An event whose id it knows of the same tenant and source changes nothing: an id is the
// source's word, and one source cannot pass for another. A response is paired with its request on
// the way, unless its source has done so. The position is the event's place in the stream, such
// as its Kafka offset, higher than the one before; what is found hangs on the event and those at
// most Rewind positions before it, and on nothing else.
func (g *Engine) Process(position int64, e *event.Event) []finding.Finding {
	if !g.events.Add(position, e.Tenant+"\x00"+e.Source.Name+"\x00"+e.ID) {
		g.counts.Repeats++
		return nil
	}
	g.counts.Events++
	message, err := g.parser.Parse(e.Message)
	if err != nil {
		g.counts.Malformed++
	}
	g.pairer.Pair(position, e, &message)
	g.view.Reset(e, message)
	if n := g.view.Unjudged(); n > 0 {
		e.Mark(unjudged)
		g.counts.Unjudged += uint64(n)
	}

	var found []finding.Finding
	g.set.Match(g.view, func(p *rule.Program, d *rule.Definition) {
		g.counts.Findings++
		found = append(found, g.finding(p, e, d))
	})
	return found
}

// finding makes the finding of a match. One on an event is that event's alone. One on a
// definition is the definition's: the same text from the same server to the same actor
// has one id, however often it is listed.
func (g *Engine) finding(p *rule.Program, e *event.Event, d *rule.Definition) finding.Finding {
	f := finding.Finding{
		Time: e.Time, Received: e.Received, Tenant: e.Tenant,
		Rule: p.Rule.ID, RuleVersion: p.Version, Control: g.set.Hash,
		Title: p.Rule.Title, Severity: p.Rule.Severity, Mode: p.Rule.Mode, Risk: p.Rule.Risk,
		Tags: p.Rule.Tags, Playbook: p.Rule.Playbook,
		Actor: e.Actor, Agent: e.Agent, Server: e.Server, Session: e.Session, Trace: e.Trace,
		Method: g.view.Method(), Name: g.view.Name(),
	}
	if d == nil {
		f.Events = []string{e.ID}
		f.DeriveID()
		return f
	}
	f.Name = d.Name()
	f.Key = []string{e.Actor, e.Server.ID, d.Kind(), d.Name(), d.Digest()}
	f.DeriveID()
	f.Events = []string{e.ID}
	return f
}
