// Package rule turns rule text into compiled rules and says what an expression can read.
// CEL lives here and nowhere else.
//
// A Rule is what an author wrote; a Program is a Rule compiled, immutable and safe to
// share. A Set is loaded whole or not at all: an unknown field, a type error, an unknown
// list or a rule over its cost limit refuses the load, and the error names file, line and
// column. A View is one event as expressions see it, and belongs to one goroutine.
//
// A rule has conditions, one or more. Set.Match says which conditions an event meets; what
// they add up to over time (a count, a sequence) is the detector's to keep.
package rule

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/mcpwatch/mcpwatch/finding"
)

// Rule is a rule as its author wrote it. It has one kind: one of Match to Anomaly is given.
type Rule struct {
	ID    string `yaml:"id"`
	Title string `yaml:"title"`
	// Summary is a sentence of a finding. In it and in Title, {EXPRESSION} stands for a value.
	Summary     string `yaml:"summary"`
	Description string `yaml:"description"`
	// Severity is one of the five, or a CEL expression that chooses among them.
	Severity       string       `yaml:"severity"`
	Mode           finding.Mode `yaml:"mode"`
	Tags           []string     `yaml:"tags"`
	FalsePositives []string     `yaml:"false_positives"`
	References     []string     `yaml:"references"`
	// Risk is a number from 0 to 100, or a CEL expression that gives one.
	Risk     any    `yaml:"risk"`
	Playbook string `yaml:"playbook"`

	// Match is a CEL expression that is true of a single event.
	Match     string     `yaml:"match"`
	Count     *Count     `yaml:"count"`
	Distinct  *Distinct  `yaml:"distinct"`
	Sum       *Sum       `yaml:"sum"`
	Sequence  *Sequence  `yaml:"sequence"`
	Absence   *Absence   `yaml:"absence"`
	FirstSeen *FirstSeen `yaml:"first_seen"`
	Anomaly   *Anomaly   `yaml:"anomaly"`

	// Suppress keeps a rule quiet for a time after a finding.
	Suppress *Suppress `yaml:"suppress"`
	Tests    []Test    `yaml:"tests"`

	document `json:"-"`
}

// Test is one of a rule's own tests.
type Test struct {
	Name string `yaml:"name"`
	// Events are events in their JSON form; what they leave out is filled in by the harness.
	// {tick: 10m} among them is no event: the clock of the collector goes on by so much.
	Events []any `yaml:"events"`
	// Want lists the findings expected, in order; an empty list means none.
	Want []Want `yaml:"want"`
}

// Want is one expected finding. What is left out is not compared.
type Want struct {
	Severity finding.Severity `yaml:"severity"`
	// Event is the zero-based place of the event in the test that concluded the finding.
	Event *int `yaml:"event"`
	// Name is the finding's tool, prompt, resource or definition.
	Name string `yaml:"name"`
	// Title and Summary are the finding's, their expressions filled in.
	Title   string `yaml:"title"`
	Summary string `yaml:"summary"`
	// Risk is the finding's, from 0 to 100.
	Risk *int `yaml:"risk"`
	// Key is what the rule groups by, or of a rule on definitions what names the definition.
	Key []string `yaml:"key"`
	// Events is how many events the finding names.
	Events *int `yaml:"events"`
	// Suppressed is how many findings this one stands for beside itself.
	Suppressed *int `yaml:"suppressed"`
}

// Parse reads one rule. Unknown fields are errors. A rule that can be read is returned beside
// what is wrong with it, so that its expressions, which Compile looks at, can be compiled too.
func Parse(file string, data []byte) (*Rule, error) {
	r := &Rule{}
	if err := r.decode(file, data, r, "one rule, such as `mcpwatch rules new` writes"); err != nil {
		return nil, err
	}
	if r.Mode == "" {
		r.Mode = finding.Alert
	}
	return r, r.validate()
}

// Kind says how a rule decides.
type Kind string

// The kinds of rules.
const (
	KindMatch     Kind = "match"
	KindCount     Kind = "count"
	KindDistinct  Kind = "distinct"
	KindSum       Kind = "sum"
	KindSequence  Kind = "sequence"
	KindAbsence   Kind = "absence"
	KindFirstSeen Kind = "first_seen"
	KindAnomaly   Kind = "anomaly"
)

// kinds lists the kinds that are given; a valid rule has one.
func (r *Rule) kinds() []Kind {
	var given []Kind
	for _, k := range []struct {
		kind  Kind
		given bool
	}{
		{KindMatch, r.Match != ""},
		{KindCount, r.Count != nil},
		{KindDistinct, r.Distinct != nil},
		{KindSum, r.Sum != nil},
		{KindSequence, r.Sequence != nil},
		{KindAbsence, r.Absence != nil},
		{KindFirstSeen, r.FirstSeen != nil},
		{KindAnomaly, r.Anomaly != nil},
	} {
		if k.given {
			given = append(given, k.kind)
		}
	}
	return given
}

// Kind is how the rule decides.
func (r *Rule) Kind() Kind {
	if given := r.kinds(); len(given) > 0 {
		return given[0]
	}
	return KindMatch
}

var (
	ruleID  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	ruleTag = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[A-Za-z0-9.:-]+$`)
)

// validate reports every problem of the rule, its expressions aside.
func (r *Rule) validate() error {
	var problems []error
	problem := func(path, format string, args ...any) {
		problems = append(problems, r.errorAt(path, fmt.Sprintf(format, args...)))
	}
	if !ruleID.MatchString(r.ID) || len(r.ID) > 64 {
		problem("$.id", "id %q must be lower-case words joined by hyphens, at most 64 characters, such as key-file-read", r.ID)
	}
	if r.Title == "" {
		problem("$.title", "title is missing, such as title: A private key is read")
	}
	if r.Severity == "" {
		problem("$.severity", "severity is missing, such as severity: high: %s", severityWords)
	}
	if r.Mode != finding.Alert && r.Mode != finding.Shadow {
		problem("$.mode", "mode %q must be alert or shadow", r.Mode)
	}
	for i, t := range r.Tags {
		if !ruleTag.MatchString(t) {
			problem(fmt.Sprintf("$.tags[%d]", i), "tag %q must be FRAMEWORK.ID, such as safe-mcp.T1001", t)
		} else if reason := checkTag(t); reason != "" {
			problem(fmt.Sprintf("$.tags[%d]", i), "tag %q %s", t, reason)
		}
	}
	if given := r.kinds(); len(given) > 1 {
		problem("$."+string(given[1]), "%s beside %s: a rule has one kind; write a second rule", given[1], given[0])
	}
	problems = append(problems, r.validateKind()...)
	problems = append(problems, r.validateTests()...)
	return errors.Join(problems...)
}

// severityWords tells an author what a severity can be.
const severityWords = "it is info, low, medium, high or critical, or an expression that chooses among them"
