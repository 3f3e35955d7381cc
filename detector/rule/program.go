package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/detector/baseline"
	"github.com/mcpwatch/mcpwatch/detector/intel"
	"github.com/mcpwatch/mcpwatch/finding"
)

// Program is a rule compiled. It is immutable and safe for concurrent use.
type Program struct {
	Rule *Rule
	Kind Kind
	// Version changes with everything that decides the rule's findings.
	Version string
	// Severity is the rule's, or the worst that its expression can choose.
	Severity finding.Severity
	// Reads lists the fields that the rule's expressions name, sorted.
	Reads []string
	// PerDefinition says that the rule judges each definition of an event apart.
	PerDefinition bool
	// Fleet says that the rule's key does not hold the actor: it is kept in the second stage.
	Fleet bool

	// Within, Lateness, Gaps, Learn, Memory and Quiet are the kind's times; AtLeast is what is found.
	Within   time.Duration
	Lateness time.Duration
	Gaps     []time.Duration // by step; 0: none
	Learn    time.Duration
	Memory   time.Duration
	Quiet    time.Duration // 0: the rule is never suppressed
	AtLeast  float64
	// Baseline judges the measures of an anomaly rule, of which FalseAlarms a day are accepted for
	// each key.
	Baseline    baseline.Method
	FalseAlarms float64

	// Override is what a site changes of the rule's findings, nil where it changes nothing.
	Override *Override
	// Warnings are what is allowed and not advised: a regular expression that no literal guards, a
	// comparison that is never true.
	Warnings []*Error

	schema *schema
	steps  []step
	names  []string // of the steps, "" where one has none
	of     *expression
	by     []expression
	quiet  []expression // what suppression goes by, where it is not the key

	severity       *choice
	risk           *choice
	constantRisk   int
	title, summary template

	// kept are the fields that are kept of an event that the rule remembers.
	kept       []string
	exceptions []*exception
}

// step is one event of a rule. Most rules have one.
type step struct {
	// when is the part of the condition that is about the event alone.
	when expression
	need need
	// then is the part that is about earlier steps, where there is one.
	then *expression
	// unsplit says that all of the condition is about earlier steps: when is then true of every event.
	unsplit bool
	// definition says that it is asked of definitions. Of a rule that judges definitions that is so, but for
	// a step of several that reads none, in a rule of which neither the key nor suppression does.
	definition bool
	// alone says that when reads nothing but a definition and lists.
	alone bool
}

// Steps is how many conditions the rule has.
func (p *Program) Steps() int { return len(p.steps) }

// StepName is what the rule calls a step, "" where it has no name.
func (p *Program) StepName(step int) string { return p.names[step] }

// Key is the rule's key for the shown event, and whether it has one: a part that has no value
// leaves the event without.
func (p *Program) Key(v *View) (key []string, whole bool) {
	if key, whole = texts(p.by, v); !whole {
		return nil, false
	}
	return key, true
}

// Route is the parts of a key that what suppression goes by has too: all where suppression goes by the
// key, none where the two have nothing in common. Events that share a key, or a quiet time, share it.
func (p *Program) Route(key []string) []string {
	if p.quiet == nil {
		return key
	}
	var route []string
	for i := range p.by {
		if slices.ContainsFunc(p.quiet, func(x expression) bool { return x.text == p.by[i].text }) {
			route = append(route, key[i])
		}
	}
	return route
}

// QuietKey is what suppression goes by, nil for a rule without a key. A part that has no value is the
// empty text: events without it are one another's like.
func (p *Program) QuietKey(v *View) []string {
	by := p.quiet
	if by == nil {
		by = p.by
	}
	key, _ := texts(by, v)
	return key
}

// texts gives the texts of a key's parts, and whether all have a value.
func texts(of []expression, a interpreter.Activation) (key []string, whole bool) {
	if of == nil {
		return nil, true
	}
	key, whole = make([]string, len(of)), true
	for i := range of {
		text, ok := textOfValue(of[i].value(a))
		key[i], whole = text, whole && ok
	}
	return key, whole
}

// maxKeyText bounds one part of a key, in bytes; what is longer is named by a digest.
const maxKeyText = 512

// textOfValue is the text of a value in a key; it is a copy.
func textOfValue(value ref.Val) (string, bool) {
	switch value := value.(type) {
	case types.String:
		if len(value) > maxKeyText {
			sum := sha256.Sum256([]byte(value))
			return "sha256:" + hex.EncodeToString(sum[:16]), true
		}
		return strings.Clone(string(value)), true
	case types.Int:
		return strconv.FormatInt(int64(value), 10), true
	case types.Double:
		return strconv.FormatFloat(float64(value), 'g', -1, 64), true
	case types.Bool:
		return strconv.FormatBool(bool(value)), true
	default:
		return "", false
	}
}

// Value is the text of what a distinct or first_seen rule looks at.
func (p *Program) Value(v *View) (string, bool) { return textOfValue(p.of.value(v)) }

// Number is what a sum or anomaly rule adds or measures.
func (p *Program) Number(v *View) (float64, bool) {
	switch value := p.of.value(v).(type) {
	case types.Int:
		return float64(value), true
	case types.Double:
		f := float64(value)
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	default:
		return 0, false
	}
}

// Remembers says that the rule needs a sighting of an event that meets a condition.
func (p *Program) Remembers() bool {
	return p.Fleet || p.Kind == KindSequence || p.Kind == KindAbsence
}

// Sight is the shown event as the rule remembers it.
func (p *Program) Sight(v *View) *Sighting { return v.sight(p.kept) }

// LooksBack is the earliest step that a step's condition speaks of; the step itself where it speaks
// of none.
func (p *Program) LooksBack(step int) (since int) {
	then := p.steps[step].then
	if then == nil {
		return step
	}
	since = step
	for _, name := range then.reads {
		if earlier, _, ok := p.schema.ofStep(name, p.names); ok {
			since = min(since, earlier)
		}
	}
	return since
}

// Admits reports whether the shown event meets the part of a step's condition that is about earlier
// steps. Of those that no condition of the step speaks of there may be none. The event is read whole,
// of the earlier ones what is remembered. What it reads is paid from the event's budget: one that has
// none left is not admitted.
func (p *Program) Admits(step int, v *View, earlier []*Sighting) bool {
	then := p.steps[step].then
	return then == nil || v.pays(v.costOf(then.reads)) && then.isTrue(story{p, v, earlier})
}

// AdmitsRemembered is Admits for an event that is gone, of which too only what is remembered is read.
func (p *Program) AdmitsRemembered(step int, now *Sighting, earlier []*Sighting) bool {
	then := p.steps[step].then
	return then == nil || then.isTrue(story{p, memory{p.schema, now}, earlier})
}

// maxRisk is the worst.
const maxRisk = 100

// Judgement is what a rule says of a finding.
type Judgement struct {
	Severity       finding.Severity
	Risk           int
	Title, Summary string
}

// Judge gives a finding's words on the shown event and the sightings of earlier steps.
func (p *Program) Judge(v *View, earlier []*Sighting) Judgement {
	if len(p.steps) == 1 {
		return p.overrule(p.judge(v), v.event.Time) // there are no names of other steps to look up
	}
	return p.overrule(p.judge(story{p, v, earlier}), v.event.Time)
}

// Recall is Judge for an event that is gone.
func (p *Program) Recall(now *Sighting, earlier []*Sighting) Judgement {
	return p.overrule(p.judge(story{p, memory{p.schema, now}, earlier}), now.Time)
}

func (p *Program) judge(a interpreter.Activation) Judgement {
	j := Judgement{Severity: p.Severity, Risk: p.constantRisk, Title: p.title.fill(a), Summary: p.summary.fill(a)}
	if p.severity != nil {
		if text, ok := p.severity.value(a).(types.String); ok {
			j.Severity = finding.Severity(text)
		}
	}
	if p.risk != nil {
		switch n := p.risk.value(a).(type) {
		case types.Int:
			j.Risk = int(max(0, min(n, maxRisk)))
		case types.Double:
			if n > 0 { // it may be no number
				j.Risk = int(min(n, maxRisk))
			}
		}
	}
	return j
}

// program compiles one rule.
func (s *schema) program(env *cel.Env, r *Rule, lists []*List) (*Program, error) {
	b := builder{
		compiler: compiler{schema: s, env: env, in: &r.document},
		p:        &Program{Rule: r, Kind: r.Kind(), schema: s},
	}
	b.kind()
	b.words()
	if r.Suppress != nil {
		b.p.Quiet = b.span(r.Suppress.For)
		if len(r.Suppress.By) > 0 {
			b.p.quiet = b.key("$.suppress.by", r.Suppress.By)
		}
	}
	if err := errors.Join(b.problems...); err != nil {
		return nil, err
	}
	b.finish()
	var err error
	b.p.Version, err = version(r, b.p.Reads, lists)
	b.problem(err)
	return b.p, errors.Join(b.problems...)
}

// builder makes a program, and collects what is wrong.
type builder struct {
	compiler
	p        *Program
	problems []error
}

func (b *builder) problem(err error) {
	if err != nil {
		b.problems = append(b.problems, err)
	}
}

// span is a length of time that validate has looked at.
func (b *builder) span(text string) time.Duration {
	d, err := ParseSpan(text)
	if err != nil {
		return 0 // said already
	}
	return d
}

// lateness is a rule's, or the usual one.
func (b *builder) lateness(text string) time.Duration {
	if text == "" {
		return min(b.p.Within, usualLateness)
	}
	return b.span(text)
}

func (b *builder) key(path string, by []string) []expression {
	key := make([]expression, len(by))
	for i, text := range by {
		x, err := b.compile(fmt.Sprintf("%s[%d]", path, i), text, cel.StringType, cel.IntType, cel.BoolType, cel.DoubleType, cel.DynType)
		b.problem(err)
		key[i] = x
	}
	return key
}

func (b *builder) kind() {
	r, p := b.p.Rule, b.p
	one := func(kind, when string, by []string, within string, atLeast float64) {
		b.step("$."+kind+".when", "", when)
		p.by = b.key("$."+kind+".by", by)
		p.Within, p.AtLeast = b.span(within), atLeast
	}
	of := func(path, text string, want ...*cel.Type) {
		x, err := b.compile(path, text, want...)
		b.problem(err)
		p.of = &x
	}
	scalar := []*cel.Type{cel.StringType, cel.IntType, cel.BoolType, cel.DoubleType, cel.DynType}
	number := []*cel.Type{cel.IntType, cel.DoubleType, cel.DynType}
	switch p.Kind {
	case KindMatch:
		if r.Match == "" {
			b.problem(b.in.errorAt("$.match", `match is missing, such as match: 'call.tool == "delete_file"', or another kind: count, distinct, sum, sequence, absence, first_seen`))
			return
		}
		b.step("$.match", "", r.Match)
	case KindCount:
		one("count", r.Count.When, r.Count.By, r.Count.Within, float64(r.Count.AtLeast))
	case KindDistinct:
		one("distinct", r.Distinct.When, r.Distinct.By, r.Distinct.Within, float64(r.Distinct.AtLeast))
		of("$.distinct.of", r.Distinct.Of, scalar...)
	case KindSum:
		one("sum", r.Sum.When, r.Sum.By, r.Sum.Within, r.Sum.AtLeast)
		of("$.sum.of", r.Sum.Of, number...)
	case KindFirstSeen:
		one("first_seen", r.FirstSeen.When, r.FirstSeen.By, "", 0)
		of("$.first_seen.of", r.FirstSeen.Of, scalar...)
		p.Learn, p.Memory = b.span(r.FirstSeen.Learn), defaultMemory
		if r.FirstSeen.Memory != "" {
			p.Memory = b.span(r.FirstSeen.Memory)
		}
	case KindSequence:
		p.by, p.Within = b.key("$.sequence.by", r.Sequence.By), b.span(r.Sequence.Within)
		p.Lateness = b.lateness(r.Sequence.Lateness)
		for i, s := range r.Sequence.Steps {
			b.step(fmt.Sprintf("$.sequence.steps[%d].when", i), s.As, s.When)
			p.Gaps = append(p.Gaps, b.span(s.Gap))
		}
	case KindAbsence:
		p.by, p.Within = b.key("$.absence.by", r.Absence.By), b.span(r.Absence.Within)
		p.Lateness = b.lateness(r.Absence.Lateness)
		b.step("$.absence.after.when", r.Absence.After.As, r.Absence.After.When)
		b.step("$.absence.without.when", r.Absence.Without.As, r.Absence.Without.When)
	case KindAnomaly:
		one("anomaly", r.Anomaly.When, r.Anomaly.By, "", 0)
		of("$.anomaly.of", r.Anomaly.Of, number...)
		p.Memory, p.FalseAlarms = defaultMemory, r.Anomaly.FalseAlarms
		b.baseline(r.Anomaly.Baseline)
	}
}

// baseline finds the method that a rule names.
func (b *builder) baseline(name string) {
	var known []string
	for _, m := range b.schema.baselines {
		if m.Name() == name {
			b.p.Baseline = m
			return
		}
		known = append(known, m.Name())
	}
	there := "this version has none"
	if len(known) > 0 {
		there = "there are " + strings.Join(known, ", ")
	}
	b.problem(b.in.errorAt("$.anomaly.baseline", fmt.Sprintf("anomaly.baseline: %q is no baseline: %s", name, there)))
}

// words compiles what a finding says.
func (b *builder) words() {
	r, p := b.p.Rule, b.p
	env := b.env
	b.env = b.withSteps(env, r.Title+r.Summary+r.Severity+fmt.Sprint(r.Risk))
	defer func() { b.env = env }()
	var err error
	p.title, err = b.template("$.title", r.Title)
	b.problem(err)
	p.summary, err = b.template("$.summary", r.Summary)
	b.problem(err)
	b.severity()
	switch risk := r.Risk.(type) {
	case nil:
	case uint64:
		p.constantRisk = int(min(risk, maxRisk+1))
		if risk > maxRisk {
			b.problem(b.in.errorAt("$.risk", fmt.Sprintf("risk %d must be from 0 to %d", risk, maxRisk)))
		}
	case string:
		p.risk, err = b.choice("$.risk", risk, cel.IntType, cel.DynType)
		b.problem(err)
	default:
		b.problem(b.in.errorAt("$.risk", fmt.Sprintf("risk %v must be from 0 to 100, or an expression that gives such a number", risk)))
	}
}

// finish derives what follows from all expressions together.
func (b *builder) finish() {
	p := b.p
	deciding := b.deciding()
	for i, x := range append(slices.Clip(deciding), b.spoken()...) {
		for _, name := range x.reads {
			if _, field, ok := b.schema.ofStep(name, p.names); ok {
				name = field
			}
			f, known := b.schema.field(name)
			if !known {
				continue
			}
			p.Reads = keep(p.Reads, name)
			p.PerDefinition = p.PerDefinition || i < len(deciding) && f.needs == partDefinition
		}
	}
	p.Fleet = p.by != nil && !slices.ContainsFunc(p.by, func(x expression) bool { return x.text == "actor" })
	b.keep()
	b.vainTimes()
	keyed := slices.ContainsFunc(append(slices.Clip(p.by), p.quiet...), b.readsDefinition)
	for i := range p.steps {
		s := &p.steps[i]
		s.definition = p.PerDefinition && (len(p.steps) == 1 || keyed || b.readsDefinition(s.when) || s.then != nil && b.readsDefinition(*s.then))
		s.alone = p.Kind == KindMatch
		for _, name := range s.when.reads {
			if f, known := b.schema.field(name); known {
				s.alone = s.alone && (f.needs == partDefinition || f.constant)
			}
		}
	}
}

// readsDefinition reports whether an expression reads the definition at hand; one of an earlier step is none.
func (b *builder) readsDefinition(x expression) bool {
	return slices.ContainsFunc(x.reads, func(name string) bool {
		f, known := b.schema.field(name)
		return known && f.needs == partDefinition
	})
}

// keep lists the fields that are read of an event when it is gone.
func (b *builder) keep() {
	p := b.p
	if !p.Remembers() {
		return
	}
	var later []*expression
	for i := range p.steps {
		if p.steps[i].then != nil {
			later = append(later, p.steps[i].then)
		}
	}
	for _, x := range append(later, b.spoken()...) {
		for _, name := range x.reads {
			if _, field, ok := b.schema.ofStep(name, p.names); ok {
				name = field
			}
			if f, known := b.schema.field(name); known && !f.constant {
				p.kept = keep(p.kept, name)
			}
		}
	}
}

// deciding are the expressions that decide whether, for what and how often the rule finds.
func (b *builder) deciding() []*expression {
	p := b.p
	var all []*expression
	for i := range p.steps {
		all = append(all, &p.steps[i].when)
		if p.steps[i].then != nil {
			all = append(all, p.steps[i].then)
		}
	}
	for i := range p.by {
		all = append(all, &p.by[i])
	}
	for i := range p.quiet {
		all = append(all, &p.quiet[i])
	}
	if p.of != nil {
		all = append(all, p.of)
	}
	return all
}

// spoken are the expressions of what a finding says. They make no rule judge definitions.
func (b *builder) spoken() []*expression {
	p := b.p
	all := append(p.title.expressions(), p.summary.expressions()...)
	for _, c := range []*choice{p.severity, p.risk} {
		if c != nil {
			all = append(all, &c.expression)
		}
	}
	return all
}

// version hashes what decides a rule's findings: its text, tests and prose aside, and the
// lists it reads.
func version(r *Rule, reads []string, lists []*List) (string, error) {
	h := sha256.New()
	bare := *r
	bare.Description, bare.FalsePositives, bare.References, bare.Tests = "", nil, nil, nil
	text, err := json.Marshal(bare, json.Deterministic(true), json.OmitZeroStructFields(true))
	if err != nil {
		return "", r.errorAt("$.id", fmt.Sprintf("hashing the rule: %v", err))
	}
	h.Write(text)
	hashLists(h, reads, lists)
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// hashLists hashes those of the lists that are read.
func hashLists(h hash.Hash, reads []string, lists []*List) {
	for _, l := range lists {
		if slices.Contains(reads, "lists."+l.Name) {
			fmt.Fprintf(h, "%q %q\n", l.Name, l.Values)
			if l.Kind != intel.Plain {
				fmt.Fprintf(h, "%q\n", l.Kind)
			}
		}
	}
}
