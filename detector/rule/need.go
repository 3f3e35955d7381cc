package rule

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"

	"github.com/mcpwatch/mcpwatch/detector/match"
)

// need is what must hold of an event for an expression to be true of it. It may only ever rule
// out events for which the expression is not true. All of its parts must hold.
type need struct {
	parts   part
	oneOf   []oneOf
	texts   []textNeed
	numbers []comparison
}

// oneOf says that a text field has one of some values.
type oneOf struct {
	field  int
	values []string // sorted
}

// textNeed says that a long text holds one of some literals, ASCII case aside, or a run of bytes.
type textNeed struct {
	field    int
	literals []string // sorted; none: unknown
	run      match.Run
}

// comparison says how a number field compares with a constant.
type comparison struct {
	field    int
	operator string
	constant int64
}

func (c comparison) holds(n int64) bool {
	switch c.operator {
	case operators.Less:
		return n < c.constant
	case operators.LessEquals:
		return n <= c.constant
	case operators.Greater:
		return n > c.constant
	case operators.GreaterEquals:
		return n >= c.constant
	default:
		return n == c.constant
	}
}

// Bounds of what one condition puts into the index.
const (
	maxNeedValues   = 1024
	maxNeedLiterals = 256
)

// needOf finds what must hold for an expression to be true: for &&, what either side demands;
// for ||, what both do; a comparison or call fails, and so is not true, where a field in it has
// no value.
func (s *schema) needOf(e ast.Expr) need {
	if e.Kind() != ast.CallKind {
		return need{parts: s.reads(e)}
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		all := need{}
		for _, a := range args {
			all = all.and(s.needOf(a))
		}
		return all
	case operators.LogicalOr:
		common := s.needOf(args[0])
		for _, a := range args[1:] {
			common = common.or(s.needOf(a))
		}
		return common
	}
	n := need{parts: s.reads(e)}
	switch call.FunctionName() {
	case operators.Equals:
		for i, a := range args {
			n = n.and(s.equality(a, args[1-i]))
		}
	case operators.In:
		n = n.and(s.membership(args[0], args[1]))
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		n = n.and(s.comparison(call.FunctionName(), args[0], args[1]))
	case overloads.Contains, overloads.StartsWith, overloads.EndsWith:
		n = n.and(s.substring(call))
	case overloads.Matches:
		n = n.and(s.pattern(call))
	}
	return n
}

func (n need) and(m need) need {
	n.parts |= m.parts
	n.oneOf = append(slices.Clip(n.oneOf), m.oneOf...)
	n.texts = append(slices.Clip(n.texts), m.texts...)
	n.numbers = append(slices.Clip(n.numbers), m.numbers...)
	return n
}

// or keeps what holds whichever side is true: of each field, the values and the literals of both.
func (n need) or(m need) need {
	common := need{parts: n.parts & m.parts}
	for _, a := range n.oneOf {
		for _, b := range m.oneOf {
			if a.field == b.field && len(a.values)+len(b.values) <= maxNeedValues {
				common.oneOf = append(common.oneOf, oneOf{a.field, union(a.values, b.values)})
				break
			}
		}
	}
	for _, a := range n.texts {
		for _, b := range m.texts {
			if a.field == b.field && len(a.literals) > 0 && len(b.literals) > 0 && len(a.literals)+len(b.literals) <= maxNeedLiterals {
				common.texts = append(common.texts, textNeed{field: a.field, literals: union(a.literals, b.literals)})
				break
			}
		}
	}
	return common
}

func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// textField is the text field that an expression is, also where it is folded to lower case.
func (s *schema) textField(e ast.Expr) (field int, ok bool) {
	if e.Kind() == ast.CallKind {
		call := e.AsCall()
		if call.FunctionName() != "lowerAscii" || !call.IsMemberFunction() {
			return 0, false
		}
		field, ok = s.textField(call.Target())
		return field, ok && s.fields[field].large // a short one is compared as it is
	}
	name, ok := identifier(e)
	if !ok {
		return 0, false
	}
	i, known := s.index[name]
	return i, known && s.fields[i].text != nil
}

func (s *schema) equality(e, value ast.Expr) need {
	if n, ok := integerOf(value); ok {
		return s.compare(operators.Equals, e, n)
	}
	text, ok := constant(value)
	if !ok {
		return need{}
	}
	return s.anyValue(e, []string{text})
}

func (s *schema) membership(e, list ast.Expr) need {
	if name, ok := identifier(list); ok {
		return s.anyValue(e, s.lists[name])
	}
	if list.Kind() != ast.ListKind {
		return need{}
	}
	var values []string
	for _, element := range list.AsList().Elements() {
		text, ok := constant(element)
		if !ok {
			return need{}
		}
		values = append(values, text)
	}
	return s.anyValue(e, values)
}

// anyValue says that a field has one of some values. Of a long text it says that one occurs.
func (s *schema) anyValue(e ast.Expr, values []string) need {
	i, ok := s.textField(e)
	if !ok || len(values) == 0 || len(values) > maxNeedValues {
		return need{}
	}
	values = union(values, nil)
	if s.fields[i].large {
		if len(values) > maxNeedLiterals {
			return need{}
		}
		return s.anyLiteral(i, values)
	}
	return need{oneOf: []oneOf{{i, values}}}
}

func (s *schema) anyLiteral(field int, literals []string) need {
	folded := make([]string, len(literals))
	for i, l := range literals {
		if l == "" {
			return need{}
		}
		folded[i] = lower(l)
	}
	return need{texts: []textNeed{{field: field, literals: union(folded, nil)}}}
}

// lower folds ASCII letters, and no others.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

func (s *schema) comparison(operator string, a, b ast.Expr) need {
	if n, ok := integerOf(b); ok {
		return s.compare(operator, a, n)
	}
	if n, ok := integerOf(a); ok {
		turned := map[string]string{
			operators.Less: operators.Greater, operators.LessEquals: operators.GreaterEquals,
			operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
		}
		return s.compare(turned[operator], b, n)
	}
	return need{}
}

func (s *schema) compare(operator string, e ast.Expr, n int64) need {
	name, ok := identifier(e)
	if !ok {
		return need{}
	}
	if i, known := s.index[name]; known && s.fields[i].number != nil {
		return need{numbers: []comparison{{i, operator, n}}}
	}
	return need{}
}

func (s *schema) substring(call ast.CallExpr) need {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return need{}
	}
	i, ok := s.textField(call.Target())
	text, isConstant := constant(call.Args()[0])
	if !ok || !isConstant || !s.fields[i].large {
		return need{}
	}
	return s.anyLiteral(i, []string{text})
}

func (s *schema) pattern(call ast.CallExpr) need {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	if len(args) != 2 {
		return need{}
	}
	i, ok := s.textField(args[0])
	text, isConstant := constant(args[1])
	if !ok || !isConstant || !s.fields[i].large {
		return need{}
	}
	of, err := match.Pattern(text)
	if err != nil {
		return need{} // compiling it says what is wrong
	}
	if args[0].Kind() == ast.CallKind {
		of.Run = match.Run{} // it speaks of the folded text
	}
	if len(of.Literals) == 0 && of.Run.N == 0 {
		return need{}
	}
	return need{texts: []textNeed{{field: i, literals: union(of.Literals, nil), run: of.Run}}}
}

// reads is what an event must have for a value to be computed at all, whatever the value.
func (s *schema) reads(e ast.Expr) part {
	if name, ok := identifier(e); ok {
		if i, known := s.index[name]; known {
			return s.fields[i].needs
		}
	}
	switch e.Kind() {
	case ast.CallKind:
		return s.callReads(e.AsCall())
	case ast.SelectKind:
		return s.reads(e.AsSelect().Operand())
	case ast.ComprehensionKind:
		return s.reads(e.AsComprehension().IterRange())
	case ast.ListKind:
		var all part
		for _, element := range e.AsList().Elements() {
			all |= s.reads(element)
		}
		return all
	case ast.UnspecifiedExprKind, ast.IdentKind, ast.LiteralKind, ast.MapKind, ast.StructKind:
	}
	return 0
}

func (s *schema) callReads(call ast.CallExpr) part {
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr:
		// Either side can decide alone, whichever way.
		common := s.reads(args[0])
		for _, a := range args[1:] {
			common &= s.reads(a)
		}
		return common
	case operators.Conditional:
		return s.reads(args[0])
	}
	var all part
	if call.IsMemberFunction() {
		all = s.reads(call.Target())
	}
	for _, a := range args {
		all |= s.reads(a)
	}
	return all
}

// identifier is the dotted name that an expression is, if it is one.
func identifier(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), true
	case ast.SelectKind:
		selection := e.AsSelect()
		if selection.IsTestOnly() {
			return "", false
		}
		operand, ok := identifier(selection.Operand())
		return operand + "." + selection.FieldName(), ok
	default:
		return "", false
	}
}

func constant(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

func integerOf(e ast.Expr) (int64, bool) {
	if e.Kind() != ast.LiteralKind {
		return 0, false
	}
	n, ok := e.AsLiteral().(types.Int)
	return int64(n), ok
}
