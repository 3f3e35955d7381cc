package rule

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	"github.com/mcpwatch/mcpwatch/detector/intel"
)

// valuesIn says what the names in an expression stand for, those of earlier steps too, and of a
// map what the member is that is read. Of a long text it gives what is around a place.
func (p *Program) valuesIn(e ast.Expr, a interpreter.Activation, native *ast.AST, details *cel.EvalDetails, at int) []string {
	var values []string
	seen := map[string]bool{}
	within := map[int64]bool{} // what is read of to get at a member that was said
	add := func(name, field string, value any) {
		text := name + " is absent"
		if value, there := value.(ref.Val); there && !types.IsUnknownOrError(value) {
			text = name + " = " + literal(value, at)
		}
		if isCut(a, field) {
			text += " (remembered in part)"
		}
		values = append(values, text)
		seen[name] = true
	}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if within[e.ID()] {
			return
		}
		if name, ok := identifier(e); ok && p.isField(name) {
			if value, _ := a.ResolveName(name); !seen[name] {
				add(name, name, value)
			}
			return
		}
		path := memberPath(e)
		if len(path) == 0 || details == nil {
			return
		}
		text, err := cel.ExprToString(e, native.SourceInfo())
		value, known := details.State().Value(e.ID())
		name, ok := identifier(path[len(path)-1])
		if !ok || !p.isField(name) || !known || err != nil {
			return
		}
		for _, part := range path {
			within[part.ID()] = true
		}
		if !seen[text] {
			add(text, name, value)
		}
	}))
	return values
}

// isCut reports whether a name stands for what is remembered of an event, and that is not all of it.
func isCut(a interpreter.Activation, name string) bool {
	switch a := a.(type) {
	case memory:
		return slices.Contains(a.of.Cut, name)
	case story:
		step, field, ofStep := a.program.schema.ofStep(name, a.program.names)
		switch {
		case !ofStep:
			return isCut(a.now, name)
		case step < len(a.earlier):
			return slices.Contains(a.earlier[step].Cut, field)
		default:
			return isCut(a.now, field)
		}
	}
	return false
}

// isField reports whether a name is a field, of this event or of an earlier step, that differs
// from event to event.
func (p *Program) isField(name string) bool {
	_, _, earlier := p.schema.ofStep(name, p.names)
	f, known := p.schema.field(name)
	return earlier || known && !f.constant
}

// memberPath is what x.member or x[member] reads of, down to the root; nothing for what is neither.
func memberPath(e ast.Expr) (path []ast.Expr) {
	for {
		switch {
		case e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly():
			e = e.AsSelect().Operand()
		case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index:
			e = e.AsCall().Args()[0]
		default:
			return path
		}
		path = append(path, e)
	}
}

// foundAt is where a condition finds in a text what it looks for, 0 where that is not known.
func foundAt(e ast.Expr, details *cel.EvalDetails) int {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 || details == nil {
		return 0
	}
	sought, isConstant := constant(e.AsCall().Args()[0])
	value, _ := details.State().Value(e.AsCall().Target().ID())
	text, isText := value.(types.String)
	if !isConstant || !isText {
		return 0
	}
	switch e.AsCall().FunctionName() {
	case overloads.Contains:
		return max(0, strings.Index(string(text), sought))
	case overloads.Matches:
		if pattern, err := regexp.Compile(sought); err == nil {
			if span := pattern.FindStringIndex(string(text)); span != nil {
				return span[0]
			}
		}
	}
	return 0
}

// hit is the value of a list that a condition finds in a text.
func (s *schema) hit(e ast.Expr, details *cel.EvalDetails) (value string, found bool) {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() || len(e.AsCall().Args()) != 1 || details == nil {
		return "", false
	}
	of, _ := details.State().Value(e.AsCall().Target().ID())
	text, isText := of.(types.String)
	values, known := s.phraseList(e.AsCall().Args()[0])
	if !isText || !known {
		return "", false
	}
	switch e.AsCall().FunctionName() {
	case containsAny:
		return newPhrases(values).in(string(text))
	case mentions:
		name, _ := identifier(e.AsCall().Args()[0])
		for value := range intel.New(s.lists[name].Kind, values).In(string(text)) {
			return value, true
		}
	}
	return "", false
}

// Bounds of a value that is shown, in bytes before they are escaped.
const (
	maxShown  = 80
	maxBefore = 20 // of these, before what was found
)
