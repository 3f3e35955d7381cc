package rule

import (
	"fmt"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// vain finds in the expression at a YAML path the comparisons with the empty text that are never true, since
// the field is absent where it could be empty.
func (c *compiler) vain(path string, x *expression) []*Error {
	var found []*Error
	native := x.tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Equals {
			return
		}
		for i, side := range e.AsCall().Args() {
			empty := e.AsCall().Args()[1-i]
			text, isConstant := constant(empty)
			name, isName := identifier(side)
			if f, known := c.schema.field(name); !isConstant || text != "" || !isName || !known || f.text == nil || f.empty {
				continue
			}
			at := native.SourceInfo().GetStartLocation(empty.ID())
			found = append(found, c.in.expressionAt(path, x.text, at.Line(), at.Column(), fmt.Sprintf(
				"%s is never the empty text, it is absent then: write !has(%s)", name, name)))
		}
	}))
	return found
}
