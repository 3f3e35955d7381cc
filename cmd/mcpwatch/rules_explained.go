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
	for i := range x.views {
		x.view(&x.views[i], line)
	}
	for _, note := range x.notes {
		line("  note: %s", note)
	}
	for i := range x.found {
		f := &x.found[i]
		more := ""
		if f.Suppressed > 0 {
			more = fmt.Sprintf(", and %d more held back before", f.Suppressed)
		}
		line("  finding %s, %s: %s (of %s%s)", f.ID, f.Severity, event.Printable(f.Title), printableList(f.Events), more)
	}
	for _, h := range x.held {
		why := "its like was found shortly before"
		if h.Exception != "" {
			why = "exception " + h.Exception + " hides it"
		}
		line("  no finding %s: %s", h.Finding.ID, why)
	}
	line("")
	return t.Flush()
}

// view writes what the rule sees in the event, or in one definition in it.
func (x *explained) view(v *explainedView, line func(string, ...any)) {
	if v.Definition != "" {
		line("  definition: %s", event.Printable(v.Definition))
	}
	for i := range v.Steps {
		s := &v.Steps[i]
		line("  %s: %v", stepTitle(x.program, i), s.True)
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
		if u.Refused != nil {
			line("    this event does not follow:")
			writeLeaves(u.Refused, line)
		}
	}
	if !v.QuietUntil.IsZero() {
		line("  quiet: until %s, %d held back", moment(v.QuietUntil), v.Held)
	}
}

// maxLeafColumn bounds what is aligned beside the values of a leaf, in bytes.
const maxLeafColumn = 60

func writeLeaves(leaves []rule.Leaf, line func(string, ...any)) {
	for i := range leaves {
		l := &leaves[i]
		text, values := event.Printable(l.Text), event.Printable(strings.Join(l.Values, ", "))
		if len(text) <= maxLeafColumn {
			line("    %s\t%s\t%s", leafState(l), text, values)
			continue
		}
		line("    %s\t%s", leafState(l), text)
		line("    \t  %s", values)
	}
}

// stands says in words how far the rule has come with the key.
func (x *explained) stands(v *explainedView) string {
	p := x.program
	switch p.Kind {
	case rule.KindCount:
		return fmt.Sprintf("%d of %v within %s", v.Count, p.AtLeast, spanText(p.Within))
	case rule.KindSum:
		return fmt.Sprintf("%v of %v within %s, here %s", v.Sum, p.AtLeast, spanText(p.Within), v.Of)
	case rule.KindDistinct:
		return fmt.Sprintf("%d of %v different values within %s, here %q", v.Count, p.AtLeast, spanText(p.Within), v.Of)
	case rule.KindFirstSeen:
		state := x.novelty(v)
		if state == "learning" {
			state += " until " + moment(v.Learns)
		}
		return fmt.Sprintf("%s, here %q, %d values known", state, v.Of, v.Known)
	case rule.KindSequence, rule.KindAbsence:
		if len(v.UnderWay) == 0 {
			return "nothing is under way"
		}
	case rule.KindAnomaly:
		if v.Usual == nil {
			return "learning, here " + v.Of
		}
		return fmt.Sprintf("here %s, usual from %v to %v by %d measures since %s", v.Of, v.Usual.Low, v.Usual.High, v.Usual.N, moment(v.Usual.Since))
	case rule.KindMatch:
	}
	return ""
}

// novelty says what the value of a first_seen rule is to its key.
func (x *explained) novelty(v *explainedView) string {
	switch {
	case !v.Met():
		return "not looked at"
	case x.at().Before(v.Learns):
		return "learning"
	case len(x.found)+len(x.held) > 0:
		return "new"
	default:
		return "known"
	}
}

// at is the time of the event that the rule's windows run on.
func (x *explained) at() time.Time {
	if x.program.Fleet {
		return x.event.Received
	}
	return x.event.Time
}

func leafState(l *rule.Leaf) string {
	if l.Absent {
		return "absent"
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
		Row      int       `json:"row"`
		Event    string    `json:"event"`
		Time     time.Time `json:"time"`
		Message  string    `json:"message"`
		Views    []view    `json:"views,omitempty"`
		Notes    []string  `json:"notes,omitempty"`
		Findings []found   `json:"findings,omitempty"`
	}{Row: x.row, Event: x.event.ID, Time: x.event.Time, Message: x.message, Notes: x.notes}
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
