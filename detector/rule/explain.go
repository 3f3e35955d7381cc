package rule

import (
	"fmt"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
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
	// Of is the value that the rule counts, adds or compares, cut for people to read; "" where its
	// kind has none.
	Of string `json:"of,omitempty"`
}

// StepExplanation says what made one of the program's conditions true or false.
type StepExplanation struct {
	Name string `json:"name,omitempty"` // the step's, where it has one
	True bool   `json:"true"`
	// Leaves are the parts of the condition that && || ! and ?: join, in the order of the text.
	Leaves []Leaf `json:"leaves"`
	// Then is the part of the condition that is about earlier steps, "" for none. It is not among
	// the leaves: only a sequence under way can say.
	Then string `json:"then,omitempty"`
}

// Leaf is a part of a condition that is no && || ! or ?: of others.
type Leaf struct {
	Text string `json:"text"`
	// True says that it is; one that is neither, for want of a value, is Absent.
	True   bool `json:"true"`
	Absent bool `json:"absent,omitzero"`
	// Values are what the names in it stand for, cut for people to read.
	Values []string `json:"values,omitempty"`
}

// Met reports whether one of the conditions is true.
func (x *Explanation) Met() bool {
	for i := range x.Steps {
		if x.Steps[i].True {
			return true
		}
	}
	return false
}

// Explain evaluates all parts of the program's conditions on the shown event, and, for a program
// that judges definitions, on each in it. It is for people: it is slow.
func (v *View) Explain(p *Program) ([]Explanation, error) {
	if !p.PerDefinition {
		x, err := v.explain(p)
		return []Explanation{x}, err
	}
	var all []Explanation
	for _, d := range v.definitions() {
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
		x.Of = forPeople(shown(p.of.value(v)))
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
	x := StepExplanation{Name: p.names[n]}
	if then := p.steps[n].then; then != nil {
		x.Then = then.text
	}
	var err error
	x.True, x.Leaves, err = p.explain(&p.steps[n].when, v)
	return x, err
}

// ExplainThen evaluates the part of a step's condition that is about earlier steps, on the shown
// event and those steps, as the program does: of those steps, and for a program of the second stage
// of the event too, it reads what is remembered. There is none where the leaves are none.
func (v *View) ExplainThen(p *Program, step int, earlier []*Sighting) (is bool, leaves []Leaf, err error) {
	then := p.steps[step].then
	if then == nil {
		return true, nil, nil
	}
	now := interpreter.Activation(v)
	if p.Fleet {
		now = memory{p.schema, p.Sight(v)}
	}
	if is, leaves, err = p.explain(then, story{p, now, earlier}); err != nil {
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
		l := Leaf{Text: whole.texts[i], Absent: true}
		if details != nil {
			value, known := details.State().Value(leaf.ID())
			l.True = known && value == types.True
			l.Absent = !known || value == nil || types.IsUnknownOrError(value)
		} else if is, ok := leaf.AsLiteral().(types.Bool); leaf.Kind() == ast.LiteralKind && ok {
			l.True, l.Absent = bool(is), false
		}
		at := 0
		if l.True {
			at = foundAt(leaf, details)
		}
		l.Values = p.valuesIn(leaf, a, x.tree.NativeRep(), details, at)
		all = append(all, l)
	}
	return out == types.True, all, nil
}

// whole is a condition of which every part is evaluated.
type whole struct {
	program cel.Program
	leaves  []ast.Expr
	texts   []string // of the leaves
}

func newWhole(env *cel.Env, tree *cel.Ast) (w whole, err error) {
	w.program, err = env.Program(tree, cel.EvalOptions(cel.OptExhaustiveEval, cel.OptTrackState), patterns())
	if err != nil {
		return w, err
	}
	native := tree.NativeRep()
	w.leaves = leaves(native.Expr())
	w.texts = make([]string, len(w.leaves))
	for i, leaf := range w.leaves {
		if w.texts[i], err = cel.ExprToString(leaf, native.SourceInfo()); err != nil {
			return w, err
		}
	}
	return w, nil
}

// leaves are the parts of a condition that && || ! and ?: join.
func leaves(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind {
		switch e.AsCall().FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
			var all []ast.Expr
			for _, a := range e.AsCall().Args() {
				all = append(all, leaves(a)...)
			}
			return all
		}
	}
	return []ast.Expr{e}
}
