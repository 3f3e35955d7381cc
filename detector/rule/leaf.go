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

// Leaf is a part of a condition that is no && || ! or ?: of others.
type Leaf struct {
	Text string `json:"text"`
	// True says that it is; one that is neither, for want of a value, is Absent, and one that is
	// neither for another reason, such as a text where a number is needed, is an Error.
	True   bool   `json:"true"`
	Absent bool   `json:"absent,omitzero"`
	Error  string `json:"error,omitempty"`
	// Values are what the names in it stand for, as CEL writes it and cut for people to read.
	Values []string `json:"values,omitempty"`
}

// False reports whether the part was evaluated, and is not true.
func (l *Leaf) False() bool { return !l.True && !l.Absent && l.Error == "" }

// settle says what a part of a condition came to.
func (p *Program) settle(l *Leaf, value any) {
	switch value := value.(type) {
	case types.Bool:
		l.True = bool(value)
	case *types.Err:
		if l.Absent = p.schema.isAbsence(value); !l.Absent {
			l.Error = cut(value.String(), maxError)
			if l.Error == noOverload {
				l.Error = "values of these types cannot be compared or used so (" + noOverload + ")"
			}
		}
	case nil, *types.Unknown:
		l.Absent = true
	case ref.Val:
		l.Error = "is " + literal(value, 0) + ", neither true nor false"
	}
}

// noOverload is how CEL says that an operator or a function does not take values of some types.
const noOverload = "no such overload"

// maxError bounds what is shown of an error, in bytes.
const maxError = 200

// isAbsence reports whether an error says that there is no value: no field, no member of an object, or no
// element of a list. CEL tells the last two apart from others by their words alone.
func (s *schema) isAbsence(err *types.Err) bool {
	text := err.String()
	return err == s.absent || strings.HasPrefix(text, s.absent.String()) ||
		strings.HasPrefix(text, "no such key") || strings.HasPrefix(text, "index out of bounds")
}

// Part is a part of a step's condition that is no && || ! or ?: of others.
type Part struct {
	Step int
	Text string
	// Then says that it stands in the part of the condition that is about earlier steps.
	Then bool
	// Presence says that it asks for nothing but whether there is a value, so that none is its false.
	Presence bool
}

// Parts are all that an Explanation or ExplainAdmits can have as leaves, by step.
func (p *Program) Parts() ([]Part, error) {
	var all []Part
	for n := range p.steps {
		for _, x := range []*expression{&p.steps[n].when, p.steps[n].then} {
			if x == nil || x == &p.steps[n].when && p.steps[n].unsplit {
				continue
			}
			whole, err := x.whole()
			if err != nil {
				return nil, fmt.Errorf("taking the conditions of rule %s apart: %w", p.Rule.ID, err)
			}
			for i, leaf := range whole.leaves {
				if leaf.Kind() == ast.LiteralKind {
					continue // true or false, and never anything else
				}
				all = append(all, Part{Step: n, Text: whole.texts[i], Then: x == p.steps[n].then, Presence: asksPresence(leaf)})
			}
		}
	}
	return all, nil
}

// AllOrNothing reports whether no part of the condition is true of an event that the rule does not find:
// it is a match of one part, or of several joined by ||.
func (p *Program) AllOrNothing() bool {
	return p.Kind == KindMatch && allOrNothing(p.steps[0].when.tree.NativeRep().Expr())
}

func allOrNothing(e ast.Expr) bool {
	if e.Kind() != ast.CallKind {
		return true
	}
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd, operators.LogicalNot, operators.Conditional:
		return false
	case operators.LogicalOr:
		return allOrNothing(e.AsCall().Args()[0]) && allOrNothing(e.AsCall().Args()[1])
	}
	return true
}

// asksPresence reports whether a part of a condition is x != "" or x == x, which is how a rule asks for
// a value that is there: it is false of hardly anything but an absent one.
func asksPresence(leaf ast.Expr) bool {
	if leaf.Kind() != ast.CallKind || len(leaf.AsCall().Args()) != 2 {
		return false
	}
	a, b := leaf.AsCall().Args()[0], leaf.AsCall().Args()[1]
	switch leaf.AsCall().FunctionName() {
	case operators.NotEquals:
		left, isLeft := constant(a)
		right, isRight := constant(b)
		return isLeft && left == "" || isRight && right == ""
	case operators.Equals:
		left, isLeft := identifier(a)
		right, isRight := identifier(b)
		return isLeft && isRight && left == right
	}
	return false
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
