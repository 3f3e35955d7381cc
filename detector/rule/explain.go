package rule

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Explanation says what a program sees in one event, or in one definition in it, and why.
type Explanation struct {
	Definition string // kind and name of the definition, where the rule judges those
	Steps      []StepExplanation
	// Key is the rule's key for the event, Quiet what its suppression goes by; nil where the rule
	// has none, or the event no value for a part of it.
	Key, Quiet []string
	// Of is the value that the rule counts, adds or compares, cut for people to read; "" where its
	// kind has none.
	Of string
}

// StepExplanation says what made one of the program's conditions true or false.
type StepExplanation struct {
	Name string // the step's, where it has one
	True bool
	// Leaves are the parts of the condition that && || ! and ?: join, in the order of the text.
	Leaves []Leaf
	// Then is the part of the condition that is about earlier steps, "" for none. It is not among
	// the leaves: only a sequence under way can say.
	Then string
}

// Leaf is a part of a condition that is no && || ! or ?: of others.
type Leaf struct {
	Text string
	// True says that it is; one that is neither, for want of a value, is Absent.
	True, Absent bool
	// Values are what the names in it stand for, cut for people to read.
	Values []string
}

// maxShown bounds a value that is shown, in bytes.
const maxShown = 80

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
		x.Quiet, _ = p.QuietKey(v)
	}
	if p.of != nil {
		x.Of = forPeople(p.of.value(v))
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
	when := &p.steps[n].when
	program, err := when.whole()
	if err != nil {
		return x, err
	}
	out, details, _ := program.Eval(v)
	x.True = out == types.True
	native := when.tree.NativeRep()
	for _, leaf := range leaves(native.Expr()) {
		text, err := cel.ExprToString(leaf, native.SourceInfo())
		if err != nil {
			return x, err
		}
		l := Leaf{Text: text, Absent: true, Values: v.valuesIn(leaf)}
		if details != nil {
			value, known := details.State().Value(leaf.ID())
			l.True = known && value == types.True
			l.Absent = !known || value == nil || types.IsUnknownOrError(value)
		} else if is, ok := leaf.AsLiteral().(types.Bool); leaf.Kind() == ast.LiteralKind && ok {
			l.True, l.Absent = bool(is), false
		}
		x.Leaves = append(x.Leaves, l)
	}
	return x, nil
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

// valuesIn says what the names in an expression stand for.
func (v *View) valuesIn(e ast.Expr) []string {
	var values []string
	seen := map[string]bool{}
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		name, ok := identifier(e)
		i, known := v.schema.index[name]
		if !ok || !known || seen[name] || v.schema.fields[i].constant {
			return
		}
		seen[name] = true
		value, there := v.resolve(i).(ref.Val)
		if !there || types.IsError(value) {
			values = append(values, name+" is absent")
			return
		}
		values = append(values, fmt.Sprintf("%s = %q", name, forPeople(value)))
	}))
	return values
}

func forPeople(value ref.Val) string {
	return strings.ToValidUTF8(cut(shown(value), maxShown), "\ufffd")
}
