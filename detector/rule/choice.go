package rule

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// choice is an expression whose ?: choose between values. Where a condition is not true, be it for
// want of a value, what stands after the colon is chosen: a finding has a severity all the same.
type choice struct {
	expression // all of it
	condition  *expression
	yes, no    *choice
}

// value is what is chosen, nil where that has no value.
func (c *choice) value(a interpreter.Activation) ref.Val {
	switch {
	case c.condition == nil:
		return c.expression.value(a)
	case c.condition.isTrue(a):
		return c.yes.value(a)
	default:
		return c.no.value(a)
	}
}

// choice compiles an expression at a YAML path, and each part of its ?: by itself.
func (c *compiler) choice(path, text string, want ...*cel.Type) (*choice, error) {
	x, err := c.compile(path, text, want...)
	if err != nil {
		return nil, err
	}
	native := x.tree.NativeRep()
	e := native.Expr()
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Conditional {
		return &choice{expression: x}, nil
	}
	var parts [3]string
	for i, part := range e.AsCall().Args() {
		if parts[i], err = cel.ExprToString(part, native.SourceInfo()); err != nil {
			return nil, c.in.errorAt(path, strings.TrimPrefix(path, "$.")+": taking it apart: "+err.Error())
		}
	}
	condition, err := c.compile(path, parts[0], cel.BoolType, cel.DynType)
	if err != nil {
		return nil, err
	}
	all := &choice{expression: x, condition: &condition}
	if all.yes, err = c.choice(path, parts[1], want...); err != nil {
		return nil, err
	}
	all.no, err = c.choice(path, parts[2], want...)
	return all, err
}
