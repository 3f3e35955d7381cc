package rule

import "fmt"

// notWithDefinitions are the parts of events that define nothing.
const notWithDefinitions = partCall | partArguments | partResource | partPrompt | partSampling | partElicitation | partError

// mixed finds in the condition at a YAML path what is never there when it is asked: a condition that
// reads a definition is asked of definitions alone, which no call has.
func (c *compiler) mixed(path string, x *expression) []*Error {
	var definition, other string
	for _, name := range x.reads {
		switch f, known := c.schema.field(name); {
		case !known:
		case f.needs == partDefinition:
			definition = name
		case f.needs&notWithDefinitions != 0:
			other = name
		}
	}
	if definition == "" || other == "" {
		return nil
	}
	return []*Error{c.in.errorAt(path, fmt.Sprintf(
		"it reads %s and so is asked of definitions alone, which have no %s: write two rules, or two steps of one", definition, other))}
}

// vainTimes finds lengths of time of a rule that another one makes vain.
func (b *builder) vainTimes() {
	p := b.p
	doubt := func(path, format string, args ...any) {
		p.Warnings = append(p.Warnings, b.in.errorAt(path, fmt.Sprintf(format, args...)))
	}
	if p.Kind == KindFirstSeen && p.Learn > p.Memory {
		doubt("$.first_seen.learn", "first_seen.learn is longer than memory (%s): what is learnt first is forgotten before anything is found", p.Memory)
	}
	for i, gap := range p.Gaps {
		if gap > p.Within {
			doubt(fmt.Sprintf("$.sequence.steps[%d].gap", i), "gap is longer than within (%s), which ends the sequence before: shorten it or leave it out", p.Within)
		}
	}
}

// vainException doubts an exception that reads definitions, for a rule that judges none: it hides nothing of it.
func (p *Program) vainException(x *Exception, when expression) {
	if p.PerDefinition {
		return
	}
	for _, name := range when.reads {
		if f, known := p.schema.field(name); known && f.needs == partDefinition {
			p.Warnings = append(p.Warnings, x.errorAt("$.when", fmt.Sprintf(
				"it reads %s, and rule %q judges no definitions: there it is absent", name, p.Rule.ID)))
			return
		}
	}
}
