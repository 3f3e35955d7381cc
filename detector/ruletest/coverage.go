package ruletest

import (
	"fmt"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// OneSided is a part of a rule's conditions that its tests never saw otherwise.
type OneSided struct {
	Leaf string
	// Step names the step, where the part is about earlier ones; "" else.
	Step string
	// Never is what it never was. Only is what it was in place of that, "" for nothing: "an error", or
	// "absent" for want of a value. Neither is a false.
	Never bool
	Only  string
}

// String says what is missing.
func (o OneSided) String() string {
	text := fmt.Sprintf("never %v: %s", o.Never, o.Leaf)
	if o.Only != "" {
		text = fmt.Sprintf("never %v, only %s: %s", o.Never, o.Only, o.Leaf)
	}
	if o.Step != "" {
		text += " (of " + o.Step + ")"
	}
	return text
}

// coverage is which way each part of a rule's conditions was seen.
type coverage struct {
	program *rule.Program
	parts   []rule.Part // in the order of the text, each once
	saw     map[place]*sides
	// allOrNothing is the program's.
	allOrNothing bool
	// near says that an event, since it was last set, was near to what the rule looks for: a part of the
	// condition was true; of a rule where that is a finding, a part was false, and not for want of a value.
	near bool
}

// place tells parts apart. The same text stands for the same part in all steps, but where it is about
// earlier ones.
type place struct {
	step int // -1 for all
	text string
}

// sides is what a part has been.
type sides struct{ yes, no, absent, failed bool }

func newCoverage(p *rule.Program) (*coverage, error) {
	parts, err := p.Parts()
	if err != nil {
		return nil, err
	}
	c := &coverage{program: p, saw: map[place]*sides{}, allOrNothing: p.AllOrNothing()}
	for _, part := range parts {
		at := placeOf(part.Step, part.Then, part.Text)
		if c.saw[at] == nil {
			c.saw[at] = &sides{}
			c.parts = append(c.parts, part)
		}
	}
	return c, nil
}

func placeOf(step int, then bool, text string) place {
	if !then {
		step = -1
	}
	return place{step, text}
}

// explained notes what an event was.
func (c *coverage) explained(all []rule.Explanation) {
	for _, x := range all {
		for n, s := range x.Steps {
			c.note(n, false, s.Leaves)
		}
	}
}

// asked notes what an event was after others.
func (c *coverage) asked(step int, leaves []rule.Leaf) { c.note(step, true, leaves) }

func (c *coverage) note(step int, then bool, leaves []rule.Leaf) {
	for i := range leaves {
		l := &leaves[i]
		saw := c.saw[placeOf(step, then, l.Text)]
		if saw == nil {
			continue // true or false, and never anything else
		}
		saw.yes = saw.yes || l.True
		saw.no = saw.no || l.False()
		saw.absent = saw.absent || l.Absent
		saw.failed = saw.failed || l.Error != ""
		c.near = c.near || l.True || l.False() && c.allOrNothing
	}
}

// oneSided are the parts that were not seen both ways. A part that only asks whether there is a value is
// seen false where there is none.
func (c *coverage) oneSided() (all []OneSided) {
	for _, part := range c.parts {
		saw := *c.saw[placeOf(part.Step, part.Then, part.Text)]
		if part.Presence {
			saw.no = saw.no || saw.absent
		}
		o := OneSided{Leaf: part.Text}
		if part.Then {
			o.Step = fmt.Sprintf("step %d", part.Step+1)
			if name := c.program.StepName(part.Step); name != "" {
				o.Step = "step " + name
			}
		}
		if !saw.no {
			o.Never, o.Only = false, saw.neither()
			all = append(all, o)
		}
		if !saw.yes {
			o.Never, o.Only = true, ""
			if !saw.no {
				o.Only = saw.neither()
			}
			all = append(all, o)
		}
	}
	return all
}

// neither is what a part was where it was neither true nor false.
func (s *sides) neither() string {
	switch {
	case s.failed:
		return "an error"
	case s.absent:
		return "absent"
	}
	return ""
}
