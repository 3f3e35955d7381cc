package rule

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/overloads"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// tooLarge finds the patterns of an expression that are over the bounds.
func (c *compiler) tooLarge(path string, x *expression) []*Error {
	var found []*Error
	native := x.tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		last := args[len(args)-1]
		if pattern, ok := constant(last); ok {
			if err := boundPattern(pattern); err != nil {
				at := native.SourceInfo().GetStartLocation(last.ID())
				found = append(found, c.in.expressionAt(path, x.text, at.Line(), at.Column(), strings.TrimPrefix(path, "$.")+": "+err.Error()))
			}
		}
	}))
	return found
}

// costly finds in the expression at a YAML path the regular expressions that have to be tried on
// every text, since nothing that they match can be looked for first.
func (c *compiler) costly(path string, x *expression) []*Error {
	var found []*Error
	native := x.tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		pattern, ok := constant(args[len(args)-1])
		need, err := match.Pattern(pattern)
		if !ok || err != nil || len(need.Literals) > 0 || need.Run.N > 0 {
			return // one that is not constant is over the cost limit
		}
		at := native.SourceInfo().GetStartLocation(args[len(args)-1].ID())
		found = append(found, c.in.expressionAt(path, x.text, at.Line(), at.Column(), fmt.Sprintf(
			"the pattern `%s` holds no literal to look for first: it is tried on every text, for about 1 µs each", cut(pattern, maxShown))))
	}))
	return found
}
