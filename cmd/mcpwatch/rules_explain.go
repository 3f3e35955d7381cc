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
	out := bufio.NewWriterSize(s.out, 64<<10)
	x := explainer{program: p, detector: detector.New(set.Only(p)), onlyHits: c.OnlyHits, out: out, write: (*explained).text}
	if outputFor(c.Output, s.out) == "jsonl" {
		x.write = (*explained).json
	}
	rows := rowReader{format: c.Format, err: s.err, each: x.row}
	err = rows.readFile(c.Events, s.in)
	rows.end()
	return errors.Join(err, x.end(s.err), out.Flush())
}

// explainer runs a rule alone over events, and says of each what the rule made of it.
type explainer struct {
	program  *rule.Program
	detector *detector.Detector
	onlyHits bool
	out      io.Writer
	write    func(*explained, io.Writer) error

	parser                event.Parser
	counts                detector.Counts
	events, met, findings int64
}

// explained is what a rule made of one event.
type explained struct {
	program *rule.Program
	row     int
	event   *event.Event
	message string // what the event is, in a few words
	views   []explainedView
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
	out := x.detector.Decide(x.events+1, e, parsed)
	one := &explained{program: x.program, row: row, event: e, message: x.inWords(e), found: out.Findings, held: out.Held}
	before, after := x.counts, x.detector.Counts()
	x.counts = after
	if after.Repeats > before.Repeats {
		one.notes = []string{"an event with this id came before: it is not judged again"}
		return one, nil
	}
	for _, note := range []struct {
		is   bool
		text string
	}{
		{after.Malformed > before.Malformed, "the message is no JSON: rules read the rest"},
		{after.Uninspected > before.Uninspected, "the text is long: its middle is not inspected"},
		{after.Unjudged > before.Unjudged, "it defines more than is judged"},
		{after.UnjudgedRules > before.UnjudgedRules, "it costs more than the budget of an event: not all is judged"},
		{after.Unkeyed > before.Unkeyed, "it meets a condition and has no value for the key, or for what is counted"},
		{after.Late > before.Late, "it is older than the window or the step that it would have counted for"},
		{after.Forgotten > before.Forgotten, "something older was forgotten for want of room"},
	} {
		if note.is {
			one.notes = append(one.notes, note.text)
		}
	}
	explanations, err := x.detector.Engine.Explain(x.program)
	if err != nil {
		return nil, err
	}
	for i := range explanations {
		if x.onlyHits && explanations[i].Definition != "" && !explanations[i].Met() {
			continue
		}
		stand, err := x.detector.Stand(x.program, e, &explanations[i])
		if err != nil {
			return nil, err
		}
		one.views = append(one.views, explainedView{explanations[i], stand})
	}
	return one, nil
}

// end sums up.
func (x *explainer) end(err io.Writer) error {
	_, failed := fmt.Fprintf(err, "%d events, %d meet a condition of %s, %d findings\n", x.events, x.met, x.program.Rule.ID, x.findings)
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
