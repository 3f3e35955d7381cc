package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
	"github.com/mcpwatch/mcpwatch/finding"
)

// text writes for people what a rule made of an event. All that came from the event is made safe
// for a terminal.
func (x *explained) text(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) }
	line("row %d  %s  %s  %s", x.row, event.Printable(x.event.ID), moment(x.event.Time), event.Printable(x.message))
	if len(x.event.Marks) > 0 {
		line("  marks: %s", printableList(x.event.Marks))
	}
	for i := range x.views {
		x.view(&x.views[i], line)
	}
	for i := range x.asked {
		a := &x.asked[i]
		line("  %s after %s: %v", stepTitle(x.program, a.Step), printableList(a.After), a.True)
		writeLeaves(a.Leaves, line)
	}
	for _, note := range x.notes {
		line("  note: %s", note)
	}
	x.outcome(line)
	line("")
	return t.Flush()
}

// outcome writes what came of the event: findings, and what was held back and why.
func (x *explained) outcome(line func(string, ...any)) {
	for i := range x.found {
		f := &x.found[i]
		more := ""
		if f.Suppressed > 0 {
			more = fmt.Sprintf(", and %d more held back before", f.Suppressed)
		}
		line("  finding %s, %s: %s (of %s%s)", f.ID, f.Severity, event.Printable(f.Title), printableList(f.Events), more)
		for _, id := range f.ExpiredExceptions {
			line("    exception %s would have hidden it, and has expired", id)
		}
	}
	for _, h := range x.held {
		if h.Exception != "" {
			line("  no finding %s: exception %s hides it%s", h.Finding.ID, h.Exception, x.exception(h.Exception))
		} else {
			line("  no finding %s: its like was found shortly before, suppress is for %s", h.Finding.ID, spanText(x.program.Quiet))
		}
	}
}

// exception says until when an exception holds, and whose it is.
func (x *explained) exception(id string) string {
	for _, e := range x.set.Exceptions {
		if e.ID == id {
			return fmt.Sprintf(" until %s: %s (%s)", e.Expires, event.Printable(e.Reason), event.Printable(e.Owner))
		}
	}
	return ""
}

// view writes what the rule sees in the event, or in one definition in it.
func (x *explained) view(v *explainedView, line func(string, ...any)) {
	if v.Definition != "" {
		line("  definition: %s", event.Printable(v.Definition))
	}
	for i := range v.Steps {
		s := &v.Steps[i]
		if len(s.Leaves) == 0 && s.Then != "" {
			line("  %s: as what came before has it", stepTitle(x.program, i))
		} else {
			line("  %s: %v", stepTitle(x.program, i), s.True)
		}
		writeLeaves(s.Leaves, line)
		if s.Then != "" {
			line("    and of what came before: %s", event.Printable(s.Then))
		}
	}
	if x.program.Kind != rule.KindMatch {
		line("  key: %s", keyInWords(v.Key))
		if stands := x.stands(v); stands != "" {
			line("  stands: %s", event.Printable(stands))
		}
	}
	for _, u := range v.UnderWay {
		state, next := "under way", ""
		if x.at().After(u.Until) {
			state = "out of time"
		}
		if n := len(u.Events); n < x.program.Steps() {
			next = ", waits for " + stepTitle(x.program, n)
		}
		line("  %s: %s%s, until %s", state, printableList(u.Events), next, moment(u.Until))
	}
	if !v.QuietUntil.IsZero() {
		line("  suppressed: until %s, %d held back so far", moment(v.QuietUntil), v.Held)
	}
}

// maxLeafColumn bounds what is aligned beside the values of a leaf, in bytes.
const maxLeafColumn = 60

func writeLeaves(leaves []rule.Leaf, line func(string, ...any)) {
	for i := range leaves {
		l := &leaves[i]
		text, values := event.Printable(l.Text), printableValues(l)
		if len(text) <= maxLeafColumn {
			line("    %s\t%s\t%s", leafState(l), text, values)
			continue
		}
		line("    %s\t%s", leafState(l), text)
		line("    \t  %s", values)
	}
}

// printableValues are the values of a leaf, and what went wrong with it.
func printableValues(l *rule.Leaf) string {
	var all []string
	for _, v := range l.Values {
		all = append(all, event.Printable(v))
	}
	if l.Error != "" {
		all = append(all, "error: "+event.Printable(l.Error))
	}
	return strings.Join(all, ", ")
}

func leafState(l *rule.Leaf) string {
	switch {
	case l.Absent:
		return "absent"
	case l.Error != "":
		return "error"
	}
	return fmt.Sprint(l.True)
}

// stepTitle names a step as its rule does.
func stepTitle(p *rule.Program, n int) string {
	name := p.StepName(n)
	if name != "" {
		name = " " + name
	}
	switch {
	case p.Kind == rule.KindSequence:
		return fmt.Sprintf("step %d%s", n+1, name)
	case p.Kind == rule.KindAbsence && n == 0:
		return "after" + name
	case p.Kind == rule.KindAbsence:
		return "without" + name
	case p.Kind == rule.KindMatch:
		return "match"
	default:
		return "when"
	}
}

func keyInWords(key []string) string {
	if key == nil {
		return "none, a part of it has no value"
	}
	return printableList(key)
}

func printableList(texts []string) string { return event.Printable(strings.Join(texts, ", ")) }

// spanText is a length of time as rules write it.
func spanText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// json writes a line for programs.
func (x *explained) json(out io.Writer) error {
	type view struct {
		rule.Explanation
		Stands string         `json:"stands,omitempty"`
		Stand  detector.Stand `json:"stand,omitzero"`
	}
	type found struct {
		ID        string   `json:"id"`
		Severity  string   `json:"severity,omitempty"`
		Title     string   `json:"title,omitempty"`
		Events    []string `json:"events"`
		HeldBack  bool     `json:"held_back,omitzero"`
		Exception string   `json:"exception,omitempty"`
	}
	line := struct {
		Row     int       `json:"row"`
		Event   string    `json:"event"`
		Time    time.Time `json:"time"`
		Message string    `json:"message"`
		Views   []view    `json:"views,omitempty"`
		// Asked is what conditions on earlier steps came to.
		Asked    []askedStep `json:"asked,omitempty"`
		Marks    []string    `json:"marks,omitempty"`
		Notes    []string    `json:"notes,omitempty"`
		Findings []found     `json:"findings,omitempty"`
	}{Row: x.row, Event: x.event.ID, Time: x.event.Time, Message: x.message, Asked: x.asked, Marks: x.event.Marks, Notes: x.notes}
	for i := range x.views {
		v := &x.views[i]
		line.Views = append(line.Views, view{v.Explanation, x.stands(v), v.Stand})
	}
	add := func(f *finding.Finding, heldBack bool, exception string) {
		line.Findings = append(line.Findings, found{f.ID, string(f.Severity), f.Title, f.Events, heldBack, exception})
	}
	for i := range x.found {
		add(&x.found[i], false, "")
	}
	for i := range x.held {
		add(&x.held[i].Finding, true, x.held[i].Exception)
	}
	data, err := json.Marshal(line, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return fmt.Errorf("explaining event %s: %w", event.Printable(x.event.ID), err)
	}
	_, err = fmt.Fprintf(out, "%s\n", data)
	return err
}
