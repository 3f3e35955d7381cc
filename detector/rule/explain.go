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

// Explanation says of one condition, on one event or one definition in it, what made it true or
// false.
type Explanation struct {
	Step       int
	Name       string // the step's, where it has one
	Definition string // the definition's name, where the rule judges those
	True       bool
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

// Explain evaluates all parts of the program's conditions on the shown event, and, for a program
// that judges definitions, on each in it. It is for people: it is slow.
func (v *View) Explain(p *Program) ([]Explanation, error) {
	if !p.PerDefinition {
		return v.explain(p, "")
	}
	var all []Explanation
	for _, d := range v.definitions() {
		v.setDefinition(&d)
		one, err := v.explain(p, d.kind+" "+d.name)
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	v.setDefinition(nil)
	return all, nil
}

func (v *View) explain(p *Program, definition string) ([]Explanation, error) {
	var all []Explanation
	for n := range p.steps {
		x := Explanation{Step: n, Name: p.names[n], Definition: definition}
		if then := p.steps[n].then; then != nil {
			x.Then = then.text
		}
		when := &p.steps[n].when
		program, err := v.schema.env.Program(when.tree, cel.EvalOptions(cel.OptExhaustiveEval, cel.OptTrackState))
		if err != nil {
			return nil, fmt.Errorf("explaining rule %s: %w", p.Rule.ID, err)
		}
		out, details, _ := program.Eval(v)
		x.True = out == types.True
		native := when.tree.NativeRep()
		for _, leaf := range leaves(native.Expr()) {
			text, err := cel.ExprToString(leaf, native.SourceInfo())
			if err != nil {
				return nil, fmt.Errorf("explaining rule %s: %w", p.Rule.ID, err)
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
		all = append(all, x)
	}
	return all, nil
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
		text := strings.ToValidUTF8(cut(shown(value), maxShown), "\ufffd")
		values = append(values, fmt.Sprintf("%s = %q", name, text))
	}))
	return values
}
