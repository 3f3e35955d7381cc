package rule

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// doubts finds in the condition at a YAML path what can never be true, or always is, whatever the
// event: its author meant something else.
func (c *compiler) doubts(path string, x *expression) []*Error {
	d := doubter{compiler: c, path: path, of: x}
	native := x.tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(d.literals))
	d.judge(native.Expr(), known{})
	return d.found
}

// doubter walks through a condition.
type doubter struct {
	*compiler
	path  string
	of    *expression
	found []*Error
}

func (d *doubter) doubt(at ast.Expr, format string, args ...any) {
	begin := d.of.tree.NativeRep().SourceInfo().GetStartLocation(at.ID())
	d.found = append(d.found, d.in.expressionAt(d.path, d.of.text, begin.Line(), begin.Column(), fmt.Sprintf(format, args...)))
}

func (d *doubter) shown(e ast.Expr) string {
	text, err := cel.ExprToString(e, d.of.tree.NativeRep().SourceInfo())
	if err != nil {
		return "this"
	}
	return cut(text, maxShown)
}

// known is what must hold of a field for the parts of a condition so far to be true.
type known map[string]values

// values are those that a field can have: of a text the listed ones, where any are; of a number
// those from least to most.
type values struct {
	texts       []string
	least, most int64
	because     string // the part that says so
}

// judge goes through what && and || join. What && has said before holds within.
func (d *doubter) judge(e ast.Expr, facts known) {
	parts := conjuncts(e)
	for _, part := range parts {
		if !d.learn(part, facts) {
			return // one contradiction is enough
		}
	}
	for _, part := range parts {
		if part.Kind() != ast.CallKind {
			continue
		}
		if call := part.AsCall(); call.FunctionName() == operators.LogicalOr {
			d.alternatives(part)
			for _, branch := range call.Args() {
				d.judge(branch, maps.Clone(facts))
			}
		}
	}
}

// learn adds what a part says of fields, and reports whether that goes together with what is known.
func (d *doubter) learn(part ast.Expr, facts known) bool {
	need := d.schema.needOf(part)
	for _, implied := range impliedBy {
		if need.parts&implied.part == 0 {
			continue
		}
		because := fmt.Sprintf("%s, which only a %s of %q has", implied.names, implied.field, implied.value)
		if !d.add(part, facts, implied.field, values{texts: []string{implied.value}, least: math.MinInt64, most: math.MaxInt64, because: because}) {
			return false
		}
	}
	if part.Kind() != ast.CallKind {
		return true
	}
	call := part.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals:
		for i, a := range args {
			name, is := identifier(a)
			text, ok := constant(args[1-i])
			if is && ok {
				return d.add(part, facts, name, values{[]string{text}, math.MinInt64, math.MaxInt64, d.shown(part)})
			}
		}
	case operators.In:
		name, is := identifier(args[0])
		if texts, ok := constants(args[1]); is && ok {
			return d.add(part, facts, name, values{texts, math.MinInt64, math.MaxInt64, d.shown(part)})
		}
	}
	for _, c := range need.numbers {
		name := d.schema.fields[c.field].Name
		least, most := c.bounds()
		if isSize(name) && least <= 0 && most == math.MaxInt64 {
			d.doubt(part, "always true: %s is never less than 0", name)
		}
		if !d.add(part, facts, name, values{nil, least, most, d.shown(part)}) {
			return false
		}
	}
	return true
}

// add intersects what is known of a field with what a part says of it.
func (d *doubter) add(part ast.Expr, facts known, name string, v values) bool {
	before, is := facts[name]
	switch {
	case is:
	case isSize(name):
		before = values{nil, 0, math.MaxInt64, "that it is never less than 0"}
	default:
		facts[name] = v
		return true
	}
	both := values{before.texts, max(before.least, v.least), min(before.most, v.most), v.because}
	if before.texts == nil {
		both.texts = v.texts
	} else if v.texts != nil {
		both.texts = slices.DeleteFunc(slices.Clone(before.texts), func(text string) bool { return !slices.Contains(v.texts, text) })
	}
	if both.least > both.most || both.texts != nil && len(both.texts) == 0 {
		d.doubt(part, "never true: %s and %s exclude each other; join them by ||, or leave one out", before.because, v.because)
		return false
	}
	facts[name] = both
	return true
}

// isSize reports whether a field counts something.
func isSize(name string) bool {
	return strings.HasSuffix(name, ".size") || name == "event.uninspected" || name == "measured.duration_ms"
}

// bounds are the numbers for which a comparison holds.
func (c comparison) bounds() (least, most int64) {
	switch c.operator {
	case operators.Less:
		return math.MinInt64, max(c.constant, math.MinInt64+1) - 1
	case operators.LessEquals:
		return math.MinInt64, c.constant
	case operators.Greater:
		return min(c.constant, math.MaxInt64-1) + 1, math.MaxInt64
	case operators.GreaterEquals:
		return c.constant, math.MaxInt64
	default:
		return c.constant, c.constant
	}
}

// alternatives finds x != "a" || x != "b", of which one side always holds.
func (d *doubter) alternatives(or ast.Expr) {
	excluded := map[string]string{}
	for _, branch := range or.AsCall().Args() {
		if branch.Kind() != ast.CallKind || branch.AsCall().FunctionName() != operators.NotEquals {
			continue
		}
		args := branch.AsCall().Args()
		name, is := identifier(args[0])
		text, ok := constant(args[1])
		if other, twice := excluded[name]; is && ok && twice && other != text {
			d.doubt(branch, "always true of what has %s: it differs from %q or from %q; write && in place of ||", name, other, text)
			return
		}
		if is && ok {
			excluded[name] = text
		}
	}
}

// impliedBy is what a field's having a value says of the event.
var impliedBy = [...]struct {
	part                part
	field, value, names string
}{
	{partCall, "event.method", "tools/call", "call.*"},
	{partResource, "event.method", "resources/read", "resource.*"},
	{partPrompt, "event.method", "prompts/get", "prompt.*"},
	{partSampling, "event.method", "sampling/createMessage", "sampling.*"},
	{partElicitation, "event.method", "elicitation/create", "elicitation.*"},
	{partResult, "event.kind", "response", "result.*"},
	{partError, "event.kind", "error", "error.*"},
	{partDefinition, "event.kind", "response", "definition.*"},
}

// constants are the texts of a list that is written out.
func constants(e ast.Expr) ([]string, bool) {
	if e.Kind() != ast.ListKind {
		return nil, false
	}
	texts := make([]string, 0, e.AsList().Size())
	for _, element := range e.AsList().Elements() {
		text, ok := constant(element)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, len(texts) > 0
}

// upper is the first upper-case letter of a text that has a lower-case form, "" for none.
func upper(text string) string {
	for _, r := range text {
		if unicode.IsUpper(r) && unicode.ToLower(r) != r {
			return string(r)
		}
	}
	return ""
}

// isLower reports whether an expression's text has no upper-case letters, whatever the event.
func isLower(e ast.Expr) bool {
	if name, ok := identifier(e); ok {
		return strings.HasSuffix(name, "normal")
	}
	if e.Kind() != ast.CallKind {
		return false
	}
	name := e.AsCall().FunctionName()
	return name == "normalize" || name == "lowerAscii"
}
