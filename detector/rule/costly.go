package rule

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// tooLarge finds the patterns of an expression that are over the bounds.
func (c *compiler) tooLarge(of passage, x *expression) []*Error {
	var found []*Error
	ast.PostOrderVisit(x.tree.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		last := args[len(args)-1]
		if pattern, ok := constant(last); ok {
			if err := boundPattern(pattern); err != nil {
				found = append(found, c.problemAt(of, x, last, err.Error()))
			}
		}
	}))
	return found
}

// costly finds in the condition at a YAML path the regular expressions that have to be tried on
// nearly every text: nothing that they match can be looked for first, and nothing that stands before
// them in && keeps them from most events.
func (c *compiler) costly(path string, x *expression) []*Error {
	root := x.tree.NativeRep().Expr()
	if c.schema.picks(root) {
		return nil
	}
	f := costs{compiler: c, path: path, of: x}
	f.walk(root)
	return f.found
}

// rareParts are what few events have.
const rareParts = partDefinition | partSampling | partElicitation | partPrompt | partResource | partError

// broad are the fields whose values say little: many events share them.
var broad = []string{"event.kind", "event.method", "event.direction", "event.transport", "event.era"}

// picks reports whether the index leaves a condition out for most events.
func (s *schema) picks(condition ast.Expr) bool {
	n := s.needOf(condition)
	return n.parts&rareParts != 0 || len(n.texts) > 0 ||
		slices.ContainsFunc(n.oneOf, func(o oneOf) bool { return !slices.Contains(broad, s.fields[o.field].Name) })
}

type costs struct {
	*compiler
	path  string
	of    *expression
	found []*Error
}

func (f *costs) walk(e ast.Expr) {
	for _, part := range conjuncts(e) {
		if part.Kind() == ast.CallKind && part.AsCall().FunctionName() == operators.LogicalOr {
			for _, branch := range part.AsCall().Args() {
				f.walk(branch)
			}
			continue
		}
		ast.PostOrderVisit(part, ast.NewExprVisitor(f.pattern))
		if f.schema.picks(part) || f.filters(part) {
			return // what follows is tried on few events
		}
	}
}

// pattern warns of one that holds no literal.
func (f *costs) pattern(e ast.Expr) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
		return
	}
	args := e.AsCall().Args()
	pattern, ok := constant(args[len(args)-1])
	need, err := f.schema.patternNeed(pattern)
	if !ok || err != nil || len(need.Literals) > 0 || need.Run.N > 0 {
		return // one that is not constant is over the cost limit
	}
	at := f.of.tree.NativeRep().SourceInfo().GetStartLocation(args[len(args)-1].ID())
	f.found = append(f.found, f.in.expressionAt(f.path, f.of.text, at.Line(), at.Column(), fmt.Sprintf(
		"the pattern `%s` holds no literal to look for first: it is tried on every text, for about 1 µs each; "+
			"put before it what most events lack, such as call.tool == \"…\" &&, or a literal that always occurs", cut(pattern, maxShown))))
}

// filters reports whether a part looks for literals in a short text: that costs little.
func (f *costs) filters(part ast.Expr) bool {
	if part.Kind() != ast.CallKind || !part.AsCall().IsMemberFunction() || len(part.AsCall().Args()) != 1 {
		return false
	}
	call := part.AsCall()
	of, ok := f.schema.textField(call.Target())
	text, is := constant(call.Args()[0])
	if !ok || !is || f.schema.fields[of.field].large {
		return false
	}
	switch call.FunctionName() {
	case overloads.Contains, overloads.StartsWith, overloads.EndsWith:
		return text != ""
	case overloads.Matches:
		need, err := f.schema.patternNeed(text)
		return err == nil && len(need.Literals) > 0
	default:
		return false
	}
}
