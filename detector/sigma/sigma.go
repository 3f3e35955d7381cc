// Package sigma turns Sigma rules into ours.
//
// It reads detection and correlation rules of Sigma's specification 2.x
// (github.com/SigmaHQ/sigma-specification) whose logsource has the product mcp, and writes
// each as a YAML rule of detector/rule. A rule is translated whole or not at all: what has no
// counterpart is a Refusal that names file, line, field and reason. Sigma's fields are found
// by a Mapping.
package sigma

import (
	"cmp"
	"fmt"
	"slices"
)

// File is a file of Sigma rules: one or more YAML documents.
type File struct {
	Name string
	Data []byte
}

// Rule is a Sigma rule translated.
type Rule struct {
	// ID is the rule's id with us, unique among the rules of one import.
	ID    string
	Title string
	// Kind is match, count, distinct, sum or sequence.
	Kind string
	// File and Line are where the Sigma rule begins.
	File string
	Line int
	// YAML is the rule file.
	YAML []byte
	// Notes say what whoever reviews the rule should know.
	Notes []string
}

// Refusal is one reason why a rule is not translated.
type Refusal struct {
	File string
	// Line counts from 1; it is 0 where the whole file is meant.
	Line int
	// Begins is the line that the rule begins on: refusals with the same are of one rule.
	Begins int
	// Title is the Sigma rule's, or "" where it could not be read.
	Title string
	// Field is what the reason is about: a field of the event, with its modifiers, or of the rule.
	Field  string
	Reason string
}

// String is the refusal in one line.
func (r *Refusal) String() string {
	at := r.File
	if r.Line > 0 {
		at = fmt.Sprintf("%s:%d", r.File, r.Line)
	}
	if r.Field != "" {
		at += ": " + r.Field
	}
	return at + ": " + r.Reason
}

// Import is what became of some files.
type Import struct {
	// Rules are what was translated, in the order of files and lines.
	Rules []Rule
	// Inlined lists, as FILE:LINE, the detection rules that live on only within correlations,
	// since the correlation does not ask to generate them.
	Inlined []string
	// Refused is what was not translated, in the order of files and lines; a rule can have
	// several refusals.
	Refused []Refusal
}

// Translate turns the rules of some files into ours. Correlations may refer to rules in any of
// the files. The same files in the same order give the same result.
func Translate(files []File, m *Mapping) Import {
	i := &importer{mapping: m, named: map[string][]*source{}, slugs: map[string]int{}}
	for _, f := range files {
		i.read(f)
	}
	for _, s := range i.sources {
		if s.doc.get("correlation") == nil {
			i.detection(s)
		}
	}
	for _, s := range i.sources {
		if s.doc.get("correlation") != nil {
			i.correlation(s)
		}
	}
	return i.result()
}

// importer is one import under way.
type importer struct {
	mapping *Mapping
	sources []*source
	// named finds the rules that a correlation may name, by name and by id.
	named   map[string][]*source
	slugs   map[string]int
	refused []Refusal
}

// source is a Sigma rule.
type source struct {
	file   string
	doc    *node
	header header
	// condition is what a detection rule asks of an event.
	condition expr
	// body is the rule's kind in our form, empty until it is translated.
	body body
	// correlated says that a correlation uses the rule, generated that one wants it beside.
	correlated, generated bool
	notes                 []string
	refused               []Refusal
}

// refuse notes why the rule cannot be translated. The node may be nil.
func (s *source) refuse(n *node, field, format string, args ...any) {
	line := s.doc.line
	if n != nil {
		line = n.line
	}
	s.refused = append(s.refused, Refusal{
		File: s.file, Line: line, Begins: s.doc.line, Title: s.header.title, Field: field, Reason: fmt.Sprintf(format, args...),
	})
}

func (s *source) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

func (s *source) at() string { return fmt.Sprintf("%s:%d", s.file, s.doc.line) }

// read takes the rules of a file in. What is no rule is refused.
func (i *importer) read(f File) {
	docs, refused := parse(f)
	i.refused = append(i.refused, refused...)
	for _, doc := range docs {
		s := &source{file: f.Name, doc: doc}
		i.sources = append(i.sources, s)
		s.readHeader()
		for _, key := range slices.Compact([]string{s.header.name, s.header.id}) {
			if key != "" {
				i.named[key] = append(i.named[key], s)
			}
		}
	}
}

// detection translates a rule that judges single events.
func (i *importer) detection(s *source) {
	if doc := s.doc.get("filter"); doc != nil {
		s.refuse(doc, "filter", "a Sigma filter is not a rule: make it an exception")
		return
	}
	if doc := s.doc.get("action"); doc != nil {
		s.refuse(doc, "action", "documents that share parts are not of Sigma 2: repeat them in each rule")
		return
	}
	detection := s.doc.get("detection")
	if detection == nil {
		s.refuse(nil, "", "neither a detection nor a correlation")
		return
	}
	where := i.logsource(s)
	s.condition = i.detect(s, detection)
	if len(s.refused) > 0 {
		return
	}
	if where != nil {
		s.condition = all(*where, s.condition)
	}
	s.body = body{kind: "match", when: s.expression(s.condition)}
}

// result writes the rules that were translated.
func (i *importer) result() Import {
	var done Import
	for _, s := range i.sources {
		switch {
		case len(s.refused) > 0:
			i.refused = append(i.refused, s.refused...)
		case s.correlated && !s.generated:
			done.Inlined = append(done.Inlined, s.at())
		default:
			id := i.unique(slug(s.header.title))
			done.Rules = append(done.Rules, Rule{
				ID: id, Title: s.header.title, Kind: s.body.kind, File: s.file, Line: s.doc.line,
				YAML: s.yaml(id), Notes: s.notes,
			})
		}
	}
	order := map[string]int{}
	for n, s := range i.sources {
		if _, known := order[s.file]; !known {
			order[s.file] = n
		}
	}
	done.Refused = i.refused
	slices.SortStableFunc(done.Refused, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return done
}
