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
	// Exceptions are what hides findings, in the order of their ids.
	Exceptions []*Exception
	// Hash is the content address of all that decides findings: rules, lists and exceptions.
	Hash string

	schema     *schema
	event      *index
	definition *index
}

// Compile makes a set of rules, lists and exceptions. It reports every problem, joined.
func Compile(rules []*Rule, lists []*List, exceptions []*Exception) (*Set, error) {
	lists, problems := distinct(lists)
	schema := newSchema(lists)
	env, err := schema.environment()
	if err != nil {
		return nil, fmt.Errorf("building the rule environment: %w", err)
	}
	schema.env = env
	set := &Set{schema: schema}
	seen := map[string]string{}
	for _, r := range rules {
		if first, taken := seen[r.ID]; taken && r.ID != "" {
			problems = append(problems, r.errorAt("$.id", fmt.Sprintf("id %q is taken by %s", r.ID, first)))
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
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, p := range set.Programs {
		fmt.Fprintf(h, "%s %s\n", p.Rule.ID, p.Version)
	}
	for _, x := range set.Exceptions {
		fmt.Fprintf(h, "%q %q %q %q\n", x.ID, x.Rules, x.When, x.Expires)
	}
	set.Hash = hex.EncodeToString(h.Sum(nil)[:16])
	set.file()
	return set, nil
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

// file puts all conditions into the two indexes: the worst rules first, so that a budget cuts
// the least of them, and those that read what was cut last.
func (s *Set) file() {
	var onEvents, onDefinitions []*condition
	for i, p := range s.Programs {
		for n := range p.steps {
			c := &condition{program: i, step: n, is: p.steps[n].when, need: p.steps[n].need, last: slices.Contains(p.Reads, "event.marks")}
			for _, name := range c.is.reads {
				if at, known := s.schema.index[name]; known && s.schema.fields[at].large {
					c.reads = append(c.reads, at)
				}
			}
			if p.PerDefinition {
				c.need.parts |= partDefinition
				onDefinitions = append(onDefinitions, c)
			} else {
				onEvents = append(onEvents, c)
			}
		}
	}
	for _, conditions := range [][]*condition{onEvents, onDefinitions} {
		slices.SortStableFunc(conditions, func(a, b *condition) int {
			if a.last != b.last {
				return map[bool]int{true: 1, false: -1}[a.last]
			}
			return s.Programs[b.program].Severity.Rank() - s.Programs[a.program].Severity.Rank()
		})
	}
	s.event, s.definition = s.schema.newIndex(onEvents), s.schema.newIndex(onDefinitions)
}

// NewView returns a view for evaluating the set's programs.
func (s *Set) NewView() *View {
	v := &View{schema: s.schema, slots: make([]slot, len(s.schema.fields))}
	v.scratch.event.size(s.event)
	v.scratch.definition.size(s.definition)
	return v
}

// Found is told which conditions of a program the shown event meets, as bits by step, with
// the definition for a program that judges definitions.
type Found func(p *Program, steps uint32, d *Definition)

// Match finds the programs that have conditions which the event that the view shows meets: first
// those that judge the event, then for each definition those that judge definitions, each in the
// order of the programs' severities, worst first, and ids. An expression that fails, for want of
// a value or otherwise, is not true.
func (s *Set) Match(v *View, found Found) {
	var definitions []Definition
	if len(s.definition.conditions) > 0 {
		if definitions = v.definitions(); v.unjudged > 0 {
			v.event.Mark(DefinitionsNotJudged)
		}
	}
	v.budget = budgetOf(v.event)
	if len(s.event.conditions) > 0 {
		s.matchIndex(s.event, &v.scratch.event, v, nil, func(c *condition) bool { return v.affords(c) && c.is.isTrue(v) }, found)
	}
	for i := range definitions {
		v.setDefinition(&definitions[i])
		v.budget += leastBudget/8 + budgetReadings/2*int64(len(definitions[i].value.Raw()))
		s.matchDefinition(v, &definitions[i], found)
	}
	if v.definition != nil {
		v.setDefinition(nil)
	}
}

// matchIndex evaluates what an index picks. The conditions of one program follow one another.
func (s *Set) matchIndex(x *index, p *picker, v *View, d *Definition, isTrue func(*condition) bool, found Found) {
	x.pick(v, p)
	program, steps := -1, uint32(0)
	p.each(func(id int) {
		c := x.conditions[id]
		if !c.admits(v, p) || !isTrue(c) {
			return
		}
		if c.program != program && steps != 0 {
			found(s.Programs[program], steps, d)
			steps = 0
		}
		program, steps = c.program, steps|1<<c.step
	})
	if steps != 0 {
		found(s.Programs[program], steps, d)
	}
}

// matchDefinition judges one definition. What depends on the definition alone is judged once
// and remembered: agents list the same tools again and again.
func (s *Set) matchDefinition(v *View, d *Definition, found Found) {
	alone, known := v.verdicts.get(d.digest)
	whole := v.budget > 0
	var news []*condition
	s.matchIndex(s.definition, &v.scratch.definition, v, d, func(c *condition) bool {
		p := s.Programs[c.program]
		if known && p.steps[c.step].alone {
			return slices.Contains(alone, c)
		}
		if !v.affords(c) {
			whole = false
			return false
		}
		is := c.is.isTrue(v)
		if is && p.steps[c.step].alone {
			news = append(news, c)
		}
		return is
	}, found)
	if !known && whole {
		v.verdicts.put(d.digest, news)
	}
}

// MatchAll is Match without the index: each condition of each program is evaluated. Tests hold
// the one against the other.
func (s *Set) MatchAll(v *View, found Found) {
	all := func(x *index, d *Definition) {
		program, steps := -1, uint32(0)
		for _, c := range x.conditions {
			if !c.is.isTrue(v) {
				continue
			}
			if c.program != program && steps != 0 {
				found(s.Programs[program], steps, d)
				steps = 0
			}
			program, steps = c.program, steps|1<<c.step
		}
		if steps != 0 {
			found(s.Programs[program], steps, d)
		}
	}
	all(s.event, nil)
	for _, d := range v.definitions() {
		v.setDefinition(&d)
		all(s.definition, &d)
	}
	if v.definition != nil {
		v.setDefinition(nil)
	}
}

// What the conditions of one event may cost: bytes of text that their expressions look at, and
// evaluationCost for each. An attacker who writes every literal of a rule set into one event gets
// no more than about thirty evaluations on a short one, and sixteen readings of a long one.
const (
	leastBudget    = 24 << 10
	budgetReadings = 16
	evaluationCost = 512
)

func budgetOf(e *event.Event) int64 {
	return leastBudget + budgetReadings*int64(min(len(e.Message)+len(e.Raw), maxHead+maxTail))
}

// affords takes what evaluating a condition costs from the event's budget, and reports false,
// and counts, where too little is left. Conditions that read marks are always judged: they are
// few, and they find the cut.
func (v *View) affords(c *condition) bool {
	if c.last {
		return true
	}
	cost := int64(evaluationCost)
	for _, field := range c.reads {
		cost += int64(len(v.textOf(field)))
	}
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

// RulesNotJudged marks an event that met so many rules' needs that not all were evaluated.
const RulesNotJudged = "rules_not_judged"

// UnjudgedRules is how many conditions the last Match left out for want of budget.
func (v *View) UnjudgedRules() int { return v.unjudgedRules }
