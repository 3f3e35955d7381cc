package rule

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"

	"github.com/mcpwatch/mcpwatch/detector/intel"
	"github.com/mcpwatch/mcpwatch/detector/match"
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
		all := s.needOf(args[0])
		for _, a := range args[1:] {
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
	n := s.needOfCall(call)
	n.parts |= s.reads(e)
	return n
}

// needOfCall is what a comparison of a field with constants demands of it.
func (s *schema) needOfCall(call ast.CallExpr) need {
	args := call.Args()
	switch call.FunctionName() {
	case present:
		return need{parts: s.reads(args[0])}
	case operators.Equals:
		if args[0].Kind() == ast.LiteralKind {
			return s.equality(args[1], args[0])
		}
		return s.equality(args[0], args[1])
	case operators.In:
		return s.membership(args[0], args[1])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return s.comparison(call.FunctionName(), args[0], args[1])
	case overloads.Contains, overloads.StartsWith, overloads.EndsWith:
		return s.substring(call)
	case overloads.Matches:
		return s.pattern(call)
	case containsAny:
		return s.anyPhrase(call)
	}
	return need{}
}

// textField is a text that an expression is.
type textField struct {
	field  int
	folded bool // to lower case
	// member says that it is a text among the arguments, whose field is call.args_text: what it holds,
	// that one holds too, but for what is cut out of it.
	member bool
}

func (s *schema) textField(e ast.Expr) (f textField, ok bool) {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "lowerAscii" && e.AsCall().IsMemberFunction() {
		f, ok = s.textField(e.AsCall().Target())
		f.folded = true
		return f, ok
	}
	if path := memberPath(e); len(path) > 0 {
		if name, ok := identifier(path[len(path)-1]); ok && name == "call.args" {
			return textField{field: s.index["call.args_text"], member: true}, true
		}
	}
	name, ok := identifier(e)
	if !ok {
		return textField{}, false
	}
	i, known := s.index[name]
	return textField{field: i}, known && s.fields[i].text != nil
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
		if l, known := s.lists[name]; known && l.Kind == intel.Plain { // others hold more than their values
			return s.anyValue(e, l.Values)
		}
		return need{}
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
	f, ok := s.textField(e)
	if !ok || len(values) == 0 || f.folded && slices.ContainsFunc(values, hasReplacement) {
		return need{}
	}
	if !s.fields[f.field].large {
		if len(values) > maxNeedValues {
			return need{}
		}
		return need{oneOf: []oneOf{{f.field, f.folded, union(values, nil)}}, whole: true}
	}
	if len(values) > maxNeedLiterals || slices.Contains(values, "") {
		return need{}
	}
	return need{texts: []textNeed{{field: f.field, member: f.member, literals: lowerAll(values)}}}
}

// hasReplacement reports whether a text has U+FFFD, by which lowerAscii replaces what is no UTF-8.
func hasReplacement(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

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
		return need{numbers: []comparison{{i, operator, n}}, whole: true}
	}
	return need{}
}

func (s *schema) substring(call ast.CallExpr) need {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return need{}
	}
	f, ok := s.textField(call.Target())
	text, isConstant := constant(call.Args()[0])
	if !ok || !isConstant || !s.fields[f.field].large {
		return need{}
	}
	n := s.anyValue(call.Target(), []string{text})
	// Literals are found ASCII case aside, and so says the expression.
	n.whole = call.FunctionName() == overloads.Contains && f.folded && !f.member && len(n.texts) == 1 && n.texts[0].literals[0] == text
	return n
}

// anyPhrase says that a long text holds one of a list's values.
func (s *schema) anyPhrase(call ast.CallExpr) need {
	if len(call.Args()) != 1 {
		return need{}
	}
	values, ok := s.phraseList(call.Args()[0])
	f, isField := s.textField(call.Target())
	if !ok || !isField || !s.fields[f.field].large {
		return need{}
	}
	return s.anyValue(call.Target(), values)
}

func (s *schema) pattern(call ast.CallExpr) need {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	if len(args) != 2 {
		return need{}
	}
	f, ok := s.textField(args[0])
	text, isConstant := constant(args[1])
	if !ok || !isConstant || !s.fields[f.field].large {
		return need{}
	}
	of, err := s.patternNeed(text)
	if err != nil {
		return need{} // compiling it says what is wrong
	}
	if f.folded {
		of.Run = match.Run{} // it speaks of the folded text
	}
	if len(of.Literals) == 0 && of.Run.N == 0 {
		return need{}
	}
	return need{texts: []textNeed{{field: f.field, member: f.member, literals: union(of.Literals, nil), run: of.Run}}}
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
	case present:
		return 0 // it has a value, whatever the event has
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
