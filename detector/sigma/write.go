package sigma

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

// body is what makes a rule the kind it is.
type body struct {
	kind     string // match, count, distinct, sum or sequence; "" is no rule yet
	of, when string // of match, when is the expression
	by       []string
	within   string
	atLeast  int
	steps    []step
}

// step is one event of a sequence.
type step struct{ as, when string }

// yaml is the rule's file.
func (s *source) yaml(id string) []byte {
	var y yamlWriter
	h := s.header
	y.comment("From a Sigma rule, %s line %d, by mcpwatch rules import-sigma.", path.Base(s.file), s.doc.line)
	for _, c := range []struct{ what, text string }{
		{"Author", h.author}, {"Date", h.date}, {"Modified", h.modified}, {"Status", h.status}, {"License", h.license},
	} {
		if c.text != "" {
			y.comment("%s: %s", c.what, c.text)
		}
	}
	y.line(0, "id: "+id)
	y.line(0, "title: "+quoted(h.title))
	if h.description != "" {
		y.line(0, "description: "+quoted(h.description))
	}
	severity := h.severity
	if severity == "" {
		severity = "medium"
	}
	mode := "alert"
	if h.status == "experimental" {
		mode = "shadow"
	}
	y.line(0, "severity: "+severity)
	y.line(0, "mode: "+mode)
	y.list("tags", h.tags)
	y.list("false_positives", h.falsePositives)
	y.list("references", h.references)
	y.body(s.body)
	return []byte(y.out.String())
}

// yamlWriter writes a rule file.
type yamlWriter struct{ out strings.Builder }

func (y *yamlWriter) line(indent int, text string) {
	y.out.WriteString(strings.Repeat(" ", indent) + text + "\n")
}

func (y *yamlWriter) comment(format string, args ...any) {
	y.line(0, "# "+strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, fmt.Sprintf(format, args...)))
}

func (y *yamlWriter) list(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	y.line(0, name+":")
	for _, t := range texts {
		y.line(2, "- "+quoted(t))
	}
}

// expression writes a member whose text may have several lines.
func (y *yamlWriter) expression(indent int, name, text string) {
	if !strings.Contains(text, "\n") {
		y.line(indent, name+": "+quoted(text))
		return
	}
	y.line(indent, name+": |-")
	for l := range strings.SplitSeq(text, "\n") {
		y.line(indent+2, l)
	}
}

func (y *yamlWriter) body(b body) {
	if b.kind == "match" {
		y.expression(0, "match", b.when)
		return
	}
	y.line(0, b.kind+":")
	if b.of != "" {
		y.expression(2, "of", b.of)
	}
	if b.when != "" {
		y.expression(2, "when", b.when)
	}
	y.line(2, "by:")
	for _, by := range b.by {
		y.line(4, "- "+quoted(by))
	}
	y.line(2, "within: "+b.within)
	if b.kind != "sequence" {
		y.line(2, fmt.Sprintf("at_least: %d", b.atLeast))
		return
	}
	y.line(2, "steps:")
	for _, s := range b.steps {
		y.line(4, "- as: "+s.as)
		y.expression(6, "when", s.when)
	}
}

// quoted is a YAML scalar of a text: in single quotes where that keeps it readable.
func quoted(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }) {
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return celText(text) // whose escapes are among YAML's
}
