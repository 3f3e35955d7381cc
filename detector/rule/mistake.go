package rule

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// mistakes turns the compiler's errors into what an author can mend. What follows an error of
// syntax comes of it, and so does what follows a function that does not exist.
func (c *compiler) mistakes(text string, found []*cel.Error, at func(line, column int, reason string) error) []error {
	var all []error
	for _, e := range found {
		line, column := e.Location.Line(), e.Location.Column()
		m := mistake{schema: c.schema, env: c.env, before: upTo(text, line, column), after: text[len(upTo(text, line, column)):]}
		reason, ends := m.explain(e.Message)
		all = append(all, at(line, column, reason))
		if ends {
			break
		}
	}
	return all
}

// upTo is what stands before a place in a text (line from 1, column from 0, in characters).
func upTo(text string, line, column int) string {
	n := 0
	for at := range text {
		if line <= 1 && n == column {
			return text[:at]
		}
		if n++; text[at] == '\n' {
			line, n = line-1, 0
		}
	}
	return text
}

// mistake is an error of the CEL compiler, and the text before and after its place.
type mistake struct {
	schema        *schema
	env           *cel.Env
	before, after string
}

var (
	dottedName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*`)
	nameBefore   = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_.]*$`)
	functionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]*$`)

	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	wrongTypes = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	unselected = regexp.MustCompile(`^type '([^']*)' does not support field selection$`)
	notBool    = regexp.MustCompile(`^expected type 'bool' but found '([^']*)'$`)
	syntaxAt   = regexp.MustCompile(`^Syntax error: (?:token recognition error at: |(?:mismatched|extraneous) input )'(.*?)'?(?: expecting .*)?$`)
)

// explain says what is wrong and how to mend it. Ends says that further errors come of this one.
func (m *mistake) explain(message string) (reason string, ends bool) {
	if strings.HasPrefix(message, "Syntax error") {
		return m.syntax(message), true
	}
	if strings.HasPrefix(message, "invalid argument to has() macro") {
		return "has() takes the name of a field or a part of one, such as has(principal.issuer) or has(call.args.path)", false
	}
	if form := undeclared.FindStringSubmatch(message); form != nil {
		if name := dottedName.FindString(m.after); name != "" {
			return m.schema.unknownName(name), false
		}
		return m.unknownFunction(form[1]), true
	}
	if form := wrongTypes.FindStringSubmatch(message); form != nil {
		return m.types(form[1], form[2]), false
	}
	if form := unselected.FindStringSubmatch(message); form != nil {
		name := nameBefore.FindString(m.before)
		return fmt.Sprintf("%s is a %s and has no parts: leave out what follows the dot", name, form[1]), false
	}
	if form := notBool.FindStringSubmatch(message); form != nil {
		return fmt.Sprintf("a condition is wanted here, and this is a %s: compare it, such as with == or !=", form[1]), false
	}
	return message, false
}

// words are what other languages have and CEL does not.
var words = map[string]string{
	"and": "write &&", "or": "write ||", "not": "write ! before the whole, such as !(call.tool in lists.NAME)", "AND": "write &&", "OR": "write ||", "NOT": "write !( … )",
	"=": "write == to compare", "= ": "write == to compare", "is": "write ==", "~": `write .matches("…")`, "like": `write .contains("…") or .matches("…")`,
	"contains": `write .contains("…")`, "matches": `write .matches("…")`, ";": "leave it out",
	"“": "write plain quotes", "”": "write plain quotes", "‘": "write plain quotes", "’": "write plain quotes",
	")": "a ) too many", "&": "write &&", "|": "write ||", "%": "quote the text",
}

func (m *mistake) syntax(message string) string {
	form := syntaxAt.FindStringSubmatch(message)
	switch {
	case strings.HasPrefix(message, "Syntax error: missing ')'"):
		return "Syntax error: a ( is not closed: write )"
	case form == nil:
		return message
	case form[1] == "<EOF>":
		return "Syntax error: the expression ends too early: what follows is missing"
	}
	at, mend := form[1], words[form[1]]
	switch {
	case mend != "":
	case strings.ContainsAny(at[:min(1, len(at))], `'"`) && strings.Contains(at, `\`):
		mend = `double each backslash within quotes, or write r"…" before a pattern`
	case strings.ContainsAny(at[:min(1, len(at))], `'"`):
		mend = "the text is not closed by the quote that it begins with, or an operator before it is missing"
	default:
		mend = "an operator such as && or == is missing before it, or it does not belong here"
	}
	return fmt.Sprintf("Syntax error at %s: %s", strings.TrimSpace(cut(at, maxShown)), mend)
}

// unknownName says which names there are in place of one that does not exist.
func (s *schema) unknownName(name string) string {
	first, rest, _ := strings.Cut(name, ".")
	if _, known := s.field(rest); known {
		return fmt.Sprintf("unknown name %q: no step before this one is called %s; without it, write %s", name, first, rest)
	}
	var all, siblings, beginnings []string
	for _, f := range s.fields {
		beginning, _, _ := strings.Cut(f.Name, ".")
		all, beginnings = append(all, f.Name), append(beginnings, beginning)
		if beginning == first {
			siblings = append(siblings, f.Name)
		}
	}
	slices.Sort(siblings)
	slices.Sort(beginnings)
	near := didYouMean(name, all)
	if meant := elsewhere[name]; meant != "" {
		near = "did you mean " + meant + "?"
	}
	if near != "" {
		near += " "
	}
	switch {
	case len(siblings) > 0:
		return fmt.Sprintf("unknown name %q: %sthere are %s", name, near, strings.Join(siblings, ", "))
	case first == "lists":
		return fmt.Sprintf("unknown name %q: no list is loaded; one is a file in a folder named lists, with name and values", name)
	default:
		return fmt.Sprintf("unknown name %q: %snames begin with %s", name, near, strings.Join(slices.Compact(beginnings), ", "))
	}
}

// elsewhere are names and functions that authors bring along.
var elsewhere = map[string]string{
	"tool": "call.tool", "tool.name": "call.tool", "call.name": "call.tool", "args": "call.args", "arguments": "call.args", "call.arguments": "call.args",
	"method": "event.method", "kind": "event.kind", "result": "result.text", "result.content": "result.text", "user": "agent.user",
	"session": "event.session", "text": "event.text", "host": "agent.host",
	"len": "size", "length": "size", "count": "size", "lower": "lowerAscii", "tolower": "lowerAscii", "toLower": "lowerAscii", "toLowerCase": "lowerAscii",
	"any": "exists", "some": "exists", "every": "all", "includes": "contains", "regex": "matches", "match": "matches", "startswith": "startsWith", "endswith": "endsWith",
}

// takesCondition are the macros, which are no functions when they are called otherwise.
var takesCondition = []string{"exists", "all", "exists_one", "filter", "map"}

func (m *mistake) unknownFunction(name string) string {
	if slices.Contains(takesCondition, name) {
		return fmt.Sprintf("%s takes a name and an expression, such as event.marks.%s(m, m == \"not_json\")", name, name)
	}
	if name == "not" {
		return "unknown function not: write !( … )"
	}
	known := slices.Clone(takesCondition)
	for function := range maps.Keys(m.env.Functions()) {
		if functionName.MatchString(function) {
			known = append(known, function)
		}
	}
	slices.Sort(known)
	mend := didYouMean(name, known)
	if meant := elsewhere[name]; meant != "" {
		mend = "did you mean " + meant + "?"
	}
	if mend == "" {
		mend = "docs/rules.md lists those that there are"
	}
	return fmt.Sprintf("unknown function %s: %s", name, mend)
}

// types says why an operator or function does not take what it is given.
func (m *mistake) types(function, given string) string {
	operator, is := operators.FindReverse(function)
	if !is || operator == "" {
		switch function {
		case operators.Conditional:
			return fmt.Sprintf("? : is given %s: a condition is wanted before ?, and two outcomes of one type", given)
		case operators.Index:
			return fmt.Sprintf("[ ] is given %s: a list takes a number, a map takes a name", given)
		}
		return m.call(function, given)
	}
	sides := strings.Split(strings.Trim(given, "()"), ", ")
	has := func(t string) bool { return slices.Contains(sides, t) }
	mend := "both sides must be of one type: quote a text, write a number without quotes, or convert with string(…) or int(…)"
	switch {
	case operator == "in":
		mend = `on its right a list is wanted that holds such values: ["a", "b"] or lists.NAME; for a part of a text write .contains("…")`
	case operator == "!":
		mend = "a condition is wanted behind it: compare, such as with !="
	case has("null"):
		mend = "nothing is ever null: a comparison with what an event lacks is not true, so leave it out"
	case has("timestamp"):
		mend = `write timestamp("2026-12-31T00:00:00Z")`
	case strings.Contains(given, "list("):
		mend = `a list is asked with "…" in LIST, LIST.exists(x, x == "…") or size(LIST) > 0`
	}
	return fmt.Sprintf("%s is given %s: %s", operator, given, mend)
}

// call says how a function is called in place of how it was.
func (m *mistake) call(function, given string) string {
	target, arguments, member := strings.Cut(given, ".(")
	if !member {
		target, arguments = "", strings.TrimPrefix(given, "(")
	} else {
		target += "."
	}
	var forms []string
	if f := m.env.Functions()[function]; f != nil {
		for _, o := range f.OverloadDecls() {
			var params []string
			for _, t := range o.ArgTypes() {
				params = append(params, t.String())
			}
			if o.IsMemberFunction() {
				forms = append(forms, fmt.Sprintf("%s.%s(%s)", params[0], function, strings.Join(params[1:], ", ")))
			} else {
				forms = append(forms, fmt.Sprintf("%s(%s)", function, strings.Join(params, ", ")))
			}
		}
	}
	slices.Sort(forms)
	reason := fmt.Sprintf("%s%s(%s is not possible: write %s", target, function, arguments, strings.Join(forms[:min(len(forms), mostNear)], " or "))
	if strings.HasPrefix(target, "list(") && function == overloads.Contains {
		return reason + `, and for a list "…" in LIST`
	}
	return reason
}

// badPatterns says what is wrong with constant patterns, and where in them.
func badPatterns(text string, tree *cel.Ast, at func(line, column int, reason string) error) error {
	var found error
	native := tree.NativeRep()
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if found != nil || e.Kind() != ast.CallKind || e.AsCall().FunctionName() != overloads.Matches {
			return
		}
		args := e.AsCall().Args()
		argument := args[len(args)-1]
		pattern, ok := constant(argument)
		if !ok {
			return
		}
		_, err := syntax.Parse(pattern, syntax.Perl)
		wrong, is := errors.AsType[*syntax.Error](err)
		if !is {
			return
		}
		begin := native.SourceInfo().GetStartLocation(argument.ID())
		before := upTo(text, begin.Line(), begin.Column())
		if i := strings.Index(text[len(before):], wrong.Expr); i > 0 && wrong.Expr != pattern {
			before = text[:len(before)+i]
		}
		lines := strings.Split(before, "\n")
		mend := "RE2 does not take it"
		switch {
		case strings.HasPrefix(wrong.Expr, "(?=") || strings.HasPrefix(wrong.Expr, "(?!") || strings.HasPrefix(wrong.Expr, "(?<"):
			mend = "RE2 does not look ahead or behind: write a second .matches(…), joined by && or with ! before it"
		case wrong.Code == syntax.ErrMissingParen || wrong.Code == syntax.ErrUnexpectedParen:
			mend = `close the group, or write \( or \) for the character`
		case wrong.Code == syntax.ErrMissingBracket:
			mend = `close the class with ], or write \[ for the character`
		case wrong.Code == syntax.ErrMissingRepeatArgument:
			mend = "nothing stands before it that could repeat: put a backslash before it for the character"
		case wrong.Code == syntax.ErrInvalidRepeatSize || wrong.Code == syntax.ErrLarge:
			mend = "repeat at most 1,000 times"
		}
		found = at(len(lines), len([]rune(lines[len(lines)-1])), fmt.Sprintf("the pattern is wrong at `%s`, %s: %s", cut(wrong.Expr, maxShown), wrong.Code, mend))
	}))
	return found
}
