package rule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// Set is rules that were loaded together, in the order of their ids.
type Set struct {
	Programs []*Program
	// Off are the rules that an override turns off, in the order of their ids.
	Off []*Program
	// Exceptions are what hides findings, in the order of their ids.
	Exceptions []*Exception
	// Overrides are what changes rules, in the order of their files.
	Overrides []*Override
	// Hash is the content address of all that decides findings: rules, lists, exceptions and
	// overrides.
	Hash string

	schema *schema
	// Conditions on events, on definitions and nothing else, and on definitions and their event.
	event, alone, definition *index
	// judges says that definitions are judged, be it by rules that Only left out.
	judges bool
}

// Compile is Loader.Compile where no rule can be an anomaly rule.
func Compile(rules []*Rule, lists []*List, exceptions []*Exception, overrides ...*Override) (*Set, error) {
	return Loader{}.Compile(rules, lists, exceptions, overrides...)
}

// Compile makes a set of rules, lists, exceptions and overrides. It reports every problem, joined.
func (l Loader) Compile(rules []*Rule, lists []*List, exceptions []*Exception, overrides ...*Override) (*Set, error) {
	lists, problems := distinct(lists)
	schema := newSchema(lists)
	schema.baselines = l.Baselines
	env, err := schema.environment()
	if err != nil {
		return nil, fmt.Errorf("building the rule environment: %w", err)
	}
	schema.env = env
	set := &Set{schema: schema}
	seen := map[string]string{}
	for _, r := range rules {
		if first, taken := seen[r.ID]; taken && r.ID != "" {
			problems = append(problems, r.errorAt("$.id", fmt.Sprintf(
				"id %q is taken by %s: give this rule another; a file in overrides/ turns that one off or changes its severity", r.ID, first)))
			continue
		}
		seen[r.ID] = r.file
		p, err := schema.program(env, r, lists)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		set.Programs = append(set.Programs, p)
	}
	slices.SortFunc(set.Programs, func(a, b *Program) int { return strings.Compare(a.Rule.ID, b.Rule.ID) })
	problems = append(problems, set.except(env, exceptions, seen)...)
	problems = append(problems, set.override(overrides, seen)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, p := range set.Programs {
		fmt.Fprintf(h, "%s %s\n", p.Rule.ID, p.Version)
	}
	for _, x := range set.Exceptions {
		fmt.Fprintf(h, "%q %q %q %q\n", x.ID, x.Rules, x.When, x.Expires)
		hashLists(h, x.reads, lists)
	}
	for _, o := range set.Overrides {
		fmt.Fprintf(h, "override %q %t %q %q %q\n", o.Rules, o.Off(), o.Mode, o.Severity, o.Expires)
	}
	set.Hash = hex.EncodeToString(h.Sum(nil)[:16])
	set.file()
	return set, nil
}

// Unexcepted is the program without exceptions and override: what a rule's own tests are about.
func (p *Program) Unexcepted() *Program {
	bare := *p
	bare.exceptions, bare.Override = nil, nil
	return &bare
}

// Only is the set with one of its programs alone. That finds what it finds in the set, but for
// events on which the set has more to judge than it can.
func (s *Set) Only(p *Program) *Set {
	only := &Set{Programs: []*Program{p}, Hash: s.Hash, schema: s.schema, judges: s.judges}
	for _, x := range s.Exceptions {
		if slices.Contains(x.Rules, p.Rule.ID) {
			only.Exceptions = append(only.Exceptions, x)
		}
	}
	only.file()
	return only
}

// Plain is the set with nothing in its indexes: every condition is evaluated on every event. It is what
// the indexed set is held against, and slow.
func (s *Set) Plain() *Set {
	plain := *s
	for _, x := range []**index{&plain.event, &plain.alone, &plain.definition} {
		var all []*condition
		for _, c := range (*x).conditions {
			all = append(all, &condition{program: c.program, step: c.step, is: c.is, finds: c.finds, last: c.last})
		}
		*x = s.schema.newIndex(all)
	}
	return &plain
}

// distinct is the lists whose name no list before has, and what is wrong with the others.
func distinct(lists []*List) (kept []*List, problems []error) {
	seen := map[string]string{}
	for _, l := range lists {
		if first, taken := seen[l.Name]; taken {
			problems = append(problems, l.errorAt("$.name", fmt.Sprintf("list %q is in %s already", l.Name, first)))
			continue
		}
		seen[l.Name] = l.file
		kept = append(kept, l)
	}
	return kept, problems
}

// file puts all conditions into the indexes: the worst rules first, so that a budget cuts the
// least of them, and those that read what was cut last.
func (s *Set) file() {
	var onEvents, alone, onDefinitions []*condition
	for i, p := range s.Programs {
		for n := range p.steps {
			c := &condition{finds: p.Kind == KindMatch, program: i, step: n, is: p.steps[n].when, need: p.steps[n].need, last: slices.Contains(p.Reads, "event.marks")}
			if !c.need.whole {
				s.schema.setReads(c)
			}
			switch {
			case !p.steps[n].definition:
				onEvents = append(onEvents, c)
			case p.steps[n].alone:
				alone = append(alone, c)
			default:
				c.need.parts |= partDefinition
				onDefinitions = append(onDefinitions, c)
			}
		}
	}
	for _, conditions := range [][]*condition{onEvents, alone, onDefinitions} {
		slices.SortStableFunc(conditions, func(a, b *condition) int {
			switch {
			case a.last && !b.last:
				return 1
			case b.last && !a.last:
				return -1
			}
			return s.Programs[b.program].Severity.Rank() - s.Programs[a.program].Severity.Rank()
		})
	}
	s.judges = s.judges || len(alone)+len(onDefinitions) > 0
	s.event, s.alone, s.definition = s.schema.newIndex(onEvents), s.schema.newIndex(alone), s.schema.newIndex(onDefinitions)
}

// setReads lists what evaluating a condition reads.
func (s *schema) setReads(c *condition) {
	for _, name := range c.is.reads {
		at, known := s.index[name]
		c.arguments = c.arguments || name == "call.args"
		if known && s.fields[at].large {
			c.reads = append(c.reads, at)
		}
	}
}

// NewView returns a view for evaluating the set's programs.
func (s *Set) NewView() *View {
	v := &View{schema: s.schema, slots: make([]slot, len(s.schema.fields))}
	v.scratch.event.size(s.event)
	v.scratch.alone.size(s.alone)
	v.scratch.definition.size(s.definition)
	return v
}

// Found is told which conditions of a program the shown event meets, as bits by step, with
// the definition for a program that judges definitions.
type Found func(p *Program, steps uint32, d *Definition)

// Match finds the programs that have conditions which the event that the view shows meets: first
// those that judge the event, the worst first, then for each definition those that judge
// definitions, of these first the ones that look at nothing else. An expression that fails, for
// want of a value or otherwise, is not true.
func (s *Set) Match(v *View, found Found) {
	var definitions []Definition
	if s.judges {
		if definitions = v.definitions(); v.unjudged > 0 {
			v.event.Mark(DefinitionsNotJudged)
		}
	}
	v.budget = budgetOf(v.event)
	g := gathered{set: s, found: found}
	s.event.each(v, &v.scratch.event, func(c *condition) {
		if v.affords(c) && v.meets(c) {
			g.add(c)
		}
	})
	g.end()
	rest := int64(definitionsBudget)
	for i := range definitions {
		d := &definitions[i]
		v.setDefinition(d)
		more := leastBudget/3 + budgetReadings/2*int64(len(d.value.Raw()))
		if d.kind != "instructions" { // they are last, and always judged
			more = min(more, rest)
			rest -= more
		}
		v.budget += more
		s.matchDefinition(v, &gathered{set: s, found: found, definition: d})
	}
	if v.definition != nil {
		v.setDefinition(nil)
	}
}

// matchDefinition judges one definition. What depends on the definition alone is judged once
// and remembered: agents list the same tools again and again.
func (s *Set) matchDefinition(v *View, g *gathered) {
	of, known := v.verdicts.get(g.definition.digest)
	met := of.met
	if known && of.cost <= v.budget {
		v.budget -= of.cost
	} else {
		met = nil
		whole, before := true, v.budget
		s.alone.each(v, &v.scratch.alone, func(c *condition) {
			if !v.affords(c) {
				whole = false
			} else if v.meets(c) {
				met = append(met, c)
			}
		})
		if whole {
			v.verdicts.put(g.definition.digest, verdict{met, before - v.budget})
		}
	}
	for _, c := range met {
		g.add(c)
	}
	s.definition.each(v, &v.scratch.definition, func(c *condition) {
		if v.affords(c) && v.meets(c) {
			g.add(c)
		}
	})
	g.end()
}

// gathered puts the conditions of one program together, which follow one another.
type gathered struct {
	set        *Set
	found      Found
	definition *Definition
	program    int
	steps      uint32
}

func (g *gathered) add(c *condition) {
	if c.program != g.program {
		g.end()
		g.program = c.program
	}
	g.steps |= 1 << c.step
}

func (g *gathered) end() {
	if g.steps != 0 {
		g.found(g.set.Programs[g.program], g.steps, g.definition)
		g.steps = 0
	}
}

// What one event may cost: bytes of text that expressions look at, evaluationCost for each of
// them and findingCost for each rule that is met. An attacker who writes every literal of a rule set
// into one event gets no more than about ten findings or two dozen evaluations on a short one, the worst
// rules' first, and sixteen readings of a long one.
const (
	leastBudget    = 120 << 10
	budgetReadings = 16
	evaluationCost = 5 << 10
	findingCost    = 8 << 10
	// definitionsBudget is the most that the definitions of an event add together: a list of a hundred
	// long ones is judged whole, one of hundreds that all call rules up is not.
	definitionsBudget = 4 << 20
)

func budgetOf(e *event.Event) int64 {
	return leastBudget + budgetReadings*int64(min(len(e.Message)+len(e.Raw), maxHead+maxTail))
}

// affords takes what evaluating a condition costs from the event's budget (see pays). Conditions that
// read marks are always judged: they are few, and they find the cut.
func (v *View) affords(c *condition) bool {
	if c.last {
		return true
	}
	cost := int64(0)
	if c.byText {
		cost = evaluationCost
	}
	for _, field := range c.reads {
		cost += int64(len(v.textOf(field)))
	}
	if c.arguments {
		cost += v.argumentsCost()
	}
	return v.pays(cost)
}

func (v *View) argumentsCost() int64 { return int64(min(len(v.arguments().Raw()), maxHead+maxTail)) }

// costOf is what an evaluation costs that reads those fields of the shown event; others are none of its.
func (v *View) costOf(names []string) int64 {
	cost := int64(0)
	for _, name := range names {
		if at, known := v.schema.index[name]; known && v.schema.fields[at].large {
			cost += int64(len(v.textOf(at)))
		}
		if name == "call.args" {
			cost += v.argumentsCost()
		}
	}
	return cost
}

// pays takes a cost from the event's budget, and reports false, and counts, where too little is left.
func (v *View) pays(cost int64) bool {
	if v.budget < cost {
		v.unjudgedRules++
		if v.unjudgedRules == 1 {
			v.event.Mark(RulesNotJudged)
		}
		return false
	}
	v.budget -= cost
	return true
}

// meets evaluates a condition that its needs do not say whole, and takes what comes of it from the event's budget: a finding, unless
// the rule goes on counting or waiting.
func (v *View) meets(c *condition) bool {
	if !c.need.whole && !c.is.isTrue(v) {
		return false
	}
	if c.finds {
		v.budget -= findingCost
	}
	return true
}

// RulesNotJudged marks an event that met so many rules' needs that not all were evaluated.
const RulesNotJudged = "rules_not_judged"

// UnjudgedRules is how many conditions the last Match left out for want of budget.
func (v *View) UnjudgedRules() int { return v.unjudgedRules }
