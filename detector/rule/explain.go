package rule

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/interpreter"
)

// Explanation says what a program sees in one event, or in one definition in it, and why.
type Explanation struct {
	Definition string            `json:"definition,omitempty"` // kind and name, where the rule judges those
	Steps      []StepExplanation `json:"steps"`
	// Key is the rule's key for the event, nil where the rule has none, or the event no value for a
	// part of it; Quiet is what its suppression goes by.
	Key   []string `json:"key,omitempty"`
	Quiet []string `json:"quiet,omitempty"`
	// Of is the value that the rule counts, adds or compares, as CEL writes it and cut for people to
	// read; "" where its kind has none, or the event.
	Of string `json:"of,omitempty"`
}

// StepExplanation says what made one of the program's conditions true or false.
type StepExplanation struct {
	Name string `json:"name,omitempty"` // the step's, where it has one
	True bool   `json:"true"`
	// Leaves are the parts of the condition that && || ! and ?: join, in the order of the text. There
	// are none where all of it is about earlier steps.
	Leaves []Leaf `json:"leaves,omitempty"`
	// Then is the part of the condition that is about earlier steps, "" for none. It is not among
	// the leaves: only a sequence under way can say (see ExplainAdmits).
	Then string `json:"then,omitempty"`
}

// Met reports whether one of the conditions is true. One that is all about earlier steps is not, as far as an
// explanation can say.
func (x *Explanation) Met() bool {
	for i := range x.Steps {
		if x.Steps[i].True && len(x.Steps[i].Leaves) > 0 {
			return true
		}
	}
	return false
}

// Explain evaluates all parts of the program's conditions on the shown event, and, for a program
// that judges definitions, on each in it; where there is none,
// on the event, if a step is about events. It is for people: it is slow.
func (v *View) Explain(p *Program) ([]Explanation, error) {
	var definitions []Definition
	if p.PerDefinition {
		definitions = v.definitions()
	}
	if len(definitions) == 0 && slices.ContainsFunc(p.steps, func(s step) bool { return !s.definition }) {
		x, err := v.explain(p)
		return []Explanation{x}, err
	}
	var all []Explanation
	for _, d := range definitions {
		v.setDefinition(&d)
		x, err := v.explain(p)
		if err != nil {
			return nil, err
		}
		x.Definition = d.kind + " " + d.name
		all = append(all, x)
	}
	v.setDefinition(nil)
	return all, nil
}

func (v *View) explain(p *Program) (Explanation, error) {
	var x Explanation
	if p.by != nil {
		x.Key, _ = p.Key(v)
	}
	if p.Quiet > 0 {
		x.Quiet = p.QuietKey(v)
	}
	if p.of != nil {
		if value := p.of.value(v); value != nil {
			x.Of = literal(value, 0)
		}
	}
	for n := range p.steps {
		step, err := v.explainStep(p, n)
		if err != nil {
			return Explanation{}, fmt.Errorf("explaining rule %s: %w", p.Rule.ID, err)
		}
		x.Steps = append(x.Steps, step)
	}
	return x, nil
}

func (v *View) explainStep(p *Program, n int) (StepExplanation, error) {
	x := StepExplanation{Name: p.names[n], Then: p.steps[n].thenText()}
	var err error
	x.True, x.Leaves, err = p.explain(&p.steps[n].when, v)
	if p.steps[n].unsplit {
		x.Leaves = nil
	}
	return x, err
}

// thenText is the part of a step's condition that is about earlier steps, "" for none.
func (s *step) thenText() string {
	if s.then == nil {
		return ""
	}
	return s.then.text
}

// ExplainAdmits says what Admits comes to, and the parts of the condition that made it so; without a
// view what AdmitsRemembered does.
func (p *Program) ExplainAdmits(step int, v *View, now *Sighting, earlier []*Sighting) (is bool, leaves []Leaf, err error) {
	then := p.steps[step].then
	if then == nil {
		return true, nil, nil
	}
	shown := interpreter.Activation(memory{p.schema, now})
	if v != nil {
		shown = v
	}
	if is, leaves, err = p.explain(then, story{p, shown, earlier}); err != nil {
		return false, nil, fmt.Errorf("explaining rule %s: %w", p.Rule.ID, err)
	}
	return is, leaves, nil
}

// explain evaluates all parts of a condition.
func (p *Program) explain(x *expression, a interpreter.Activation) (is bool, all []Leaf, err error) {
	whole, err := x.whole()
	if err != nil {
		return false, nil, err
	}
	out, details, _ := whole.program.Eval(a)
	for i, leaf := range whole.leaves {
		l := Leaf{Text: whole.texts[i]}
		var value any
		if details != nil {
			value, _ = details.State().Value(leaf.ID())
		}
		if leaf.Kind() == ast.LiteralKind {
			value = leaf.AsLiteral()
		}
		p.settle(&l, value)
		at := 0
		if l.True {
			at = foundAt(leaf, details)
		}
		l.Values = p.valuesIn(leaf, a, x.tree.NativeRep(), details, at)
		if hit, found := p.schema.hit(leaf, details); found && l.True {
			l.Values = append(l.Values, "found "+literal(types.String(hit), 0))
		}
		all = append(all, l)
	}
	return out == types.True, all, nil
}
