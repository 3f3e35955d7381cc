package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

type rulesExplainCommand struct {
	ruleFlags
	Format   format.Format `help:"Format of the records, see docs/sources.md; found by itself where not given." default:""`
	Output   string        `short:"o" help:"table or jsonl; a table on a terminal, else jsonl." enum:",table,jsonl" default:""`
	OnlyHits bool          `help:"Leave out the events that meet no condition and cause nothing."`
	Events   string        `help:"File to read, - for standard input." required:"" placeholder:"FILE"`
	Rule     string        `arg:"" help:"Rule to explain, by id."`
}

// Run implements the command.
func (c *rulesExplainCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	p, err := programNamed(set, c.Rule)
	if err != nil {
		return err
	}
	if words := overrideInWords(p); words != "" {
		_, _ = fmt.Fprintln(s.err, words)
	}
	out := bufio.NewWriterSize(s.out, 64<<10)
	x := newExplainer(set, p)
	x.onlyHits, x.out, x.write = c.OnlyHits, out, (*explained).text
	if outputFor(c.Output, s.out) == "jsonl" {
		x.write = (*explained).json
	}
	rows := rowReader{format: c.Format, err: s.err, each: x.row}
	err = rows.readFile(c.Events, s.in)
	rows.end()
	return errors.Join(err, x.asking, x.end(s.err), out.Flush())
}

// explainer runs a rule alone over events, and says of each what the rule made of it.
type explainer struct {
	set      *rule.Set
	program  *rule.Program
	detector *detector.Detector
	// whole has all rules of the set: what one event may cost, they share. It is nil where there is one.
	whole    *detector.Engine
	onlyHits bool
	out      io.Writer
	write    func(*explained, io.Writer) error

	parser                event.Parser
	counts, wholeCounts   detector.Counts
	events, met, findings int64
	asked                 []askedStep // of the current event
	asking                error
}

func newExplainer(set *rule.Set, p *rule.Program) *explainer {
	x := &explainer{set: set, program: p, detector: detector.New(set.Only(p))}
	if len(set.Programs) > 1 {
		x.whole = detector.NewEngine(set)
	}
	x.detector.OnAsked(x.ask)
	return x
}

// askedStep is what a step's condition on earlier steps came to.
type askedStep struct {
	Step   int         `json:"step"`   // from 0
	After  []string    `json:"after"`  // the events of the steps before it
	True   bool        `json:"true"`   // the condition's part on them, its own part being true
	Leaves []rule.Leaf `json:"leaves"` // of that part
}

func (x *explainer) ask(p *rule.Program, step int, v *rule.View, now *rule.Sighting, earlier []*rule.Sighting) {
	asked := askedStep{Step: step}
	var err error
	if asked.True, asked.Leaves, err = p.ExplainAdmits(step, v, now, earlier); err != nil {
		x.asking = err
	}
	for _, s := range earlier {
		if s != nil { // the condition does not speak of it
			asked.After = append(asked.After, s.Event)
		}
	}
	x.asked = append(x.asked, asked)
}

// explained is what a rule made of one event.
type explained struct {
	set     *rule.Set
	program *rule.Program
	row     int
	event   *event.Event
	message string // what the event is, in a few words
	views   []explainedView
	asked   []askedStep
	notes   []string
	found   []finding.Finding
	held    []detector.Held
}

// explainedView is what the rule sees in the event, or in one definition in it, and where its key
// stands after it.
type explainedView struct {
	rule.Explanation
	detector.Stand
}

func (x *explainer) row(row int, events []event.Event, parsed *event.Message) error {
	for i := range events {
		one, err := x.event(row, &events[i], parsed)
		if err != nil {
			return err
		}
		met := false
		for n := range one.views {
			met = met || one.views[n].Met()
		}
		for n := range one.asked {
			met = met || one.asked[n].True
		}
		x.events++
		x.findings += int64(len(one.found))
		if met {
			x.met++
		}
		if x.onlyHits && !met && len(one.found)+len(one.held) == 0 {
			continue
		}
		if err := x.write(one, x.out); err != nil {
			return err
		}
	}
	return nil
}

func (x *explainer) event(row int, e *event.Event, parsed *event.Message) (*explained, error) {
	cut := x.cut(e, parsed) // first: the rule can read the marks that it leaves on the event
	x.asked = nil
	out := x.detector.Decide(x.events+1, e, parsed)
	one := &explained{
		set: x.set, program: x.program, row: row, event: e, message: x.inWords(e), asked: x.asked, found: out.Findings, held: out.Held,
	}
	before, after := x.counts, x.detector.Counts()
	x.counts = after
	if after.Repeats > before.Repeats {
		one.notes = []string{"an event with this id came before: it is not judged again"}
		return one, nil
	}
	one.notes = append(notesOf(&before, &after), cut...)
	explanations, err := x.detector.Engine.Explain(x.program)
	if err != nil {
		return nil, err
	}
	for i := range explanations {
		if x.onlyHits && explanations[i].Definition != "" && !explanations[i].Met() {
			continue
		}
		one.views = append(one.views, explainedView{explanations[i], x.detector.Stand(x.program, e, &explanations[i])})
	}
	return one, nil
}

// cut says what is left out of an event where all rules judge it.
func (x *explainer) cut(e *event.Event, parsed *event.Message) []string {
	if x.whole == nil {
		return nil
	}
	if parsed != nil {
		x.whole.Decide(x.events+1, e, parsed)
	} else {
		x.whole.Process(x.events+1, e)
	}
	before := x.wholeCounts.UnjudgedRules
	x.wholeCounts = x.whole.Counts()
	if n := x.wholeCounts.UnjudgedRules - before; n > 0 {
		return []string{fmt.Sprintf("beside the other %d rules it costs more than the budget of an event: %d conditions are left out, the mildest "+
			"rules' first, and this rule's may be among them", len(x.set.Programs)-1, n)}
	}
	return nil
}

// notesOf says what happened to an event besides, from the counts before and after it.
func notesOf(before, after *detector.Counts) (notes []string) {
	for _, note := range []struct {
		before, after uint64
		text          string
	}{
		{before.Malformed, after.Malformed, "the message is no JSON: rules read the rest"},
		{before.Uninspected, after.Uninspected, "no text shows all of it: %d bytes, of the middle of a long text or of long names of members, are not inspected"},
		{before.Unjudged, after.Unjudged, "it defines more than is judged: %d definitions are left out"},
		{before.UnjudgedRules, after.UnjudgedRules, "it costs more than the budget of an event: %d conditions of the rule are left out"},
		{before.Unkeyed, after.Unkeyed, "it meets a condition and has no value for the key, or for what is counted"},
		{before.Late, after.Late, "it is older than the window or the step that it would have counted for"},
		{before.CutSearches, after.CutSearches, "the search for a sequence was ended by its bounds: there may be one that was not seen"},
		{before.Forgotten, after.Forgotten, "%d keys or beginnings, the oldest, were forgotten for want of room"},
	} {
		n := note.after - note.before
		switch {
		case n == 0:
		case strings.Contains(note.text, "%d"):
			notes = append(notes, fmt.Sprintf(note.text, n))
		default:
			notes = append(notes, note.text)
		}
	}
	return notes
}

// end sums up.
func (x *explainer) end(err io.Writer) error {
	_, failed := fmt.Fprintf(err, "%d events, %d meet a condition of %s, %d findings\n", x.events, x.met, x.program.Rule.ID, x.findings)
	c := &x.counts
	if failed == nil && x.program.Kind != rule.KindMatch {
		_, failed = fmt.Fprintf(err, "%d keys are remembered, %d were forgotten for want of room; %d events were late, %d had no key\n", c.Keys, c.Forgotten, c.Late, c.Unkeyed)
	}
	return errors.Join(failed, writeCut(err, c))
}

// writeCut says what was not judged whole, where something was not.
func writeCut(err io.Writer, c *detector.Counts) error {
	text := c.Cut()
	if text == "" {
		return nil
	}
	_, failed := fmt.Fprintf(err, "not all was judged: %s\n", text)
	return failed
}

// inWords says what an event is: its kind, and the method and the name that it is about.
func (x *explainer) inWords(e *event.Event) string {
	m, err := x.parser.Parse(e.Message)
	if err != nil {
		return "no JSON"
	}
	method, name := m.Method, m.Name()
	if r := e.Request; method == "" && r != nil {
		method, name = r.Method, r.Name
	}
	return strings.Join(strings.Fields(string(m.Kind)+" "+method+" "+name), " ")
}
