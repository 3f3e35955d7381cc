package rule

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
)

// closed are the fields that have one of a few values. Others are warned of.
var closed = map[string][]string{
	"event.kind":               {"request", "notification", "response", "error", "batch", "unknown"},
	"event.direction":          {"to_server", "to_client"},
	"event.transport":          {"stdio", "http", "sse"},
	"event.era":                {"modern", "legacy"},
	"definition.kind":          {"tool", "prompt", "resource", "template", "instructions"},
	"sampling.include_context": {"none", "thisServer", "allServers"},
	"elicitation.mode":         {"form", "url"},
}

// methods are those of MCP up to revision 2025-11-25. Others exist; what is near to one of these is
// warned of.
var methods = []string{
	"initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read", "resources/subscribe",
	"resources/unsubscribe", "prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "sampling/createMessage", "roots/list",
	"elicitation/create", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel", "notifications/initialized", "notifications/cancelled",
	"notifications/progress", "notifications/message", "notifications/resources/list_changed", "notifications/resources/updated",
	"notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/roots/list_changed", "notifications/tasks/status",
	"notifications/elicitation/complete",
}

// literals looks at one comparison or call: whether what it looks for can be there at all.
func (d *doubter) literals(e ast.Expr) {
	if e.Kind() != ast.CallKind {
		return
	}
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	if len(args) != 2 {
		return
	}
	of, texts := args[0], literalsOf(args[1])
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals:
		if first := literalsOf(of); first != nil {
			of, texts = args[1], first
		}
	case operators.In, overloads.Contains, overloads.StartsWith, overloads.EndsWith:
	case overloads.Matches:
		if isLower(of) && len(texts) == 1 {
			d.upperPattern(args[1], texts[0])
		}
		return
	case operators.Index:
		if name, _ := identifier(of); name == "http.headers" && len(texts) == 1 && upper(texts[0]) != "" {
			d.doubt(args[1], "the names of http.headers are lower case: write %q", strings.ToLower(texts[0]))
		}
		return
	default:
		return
	}
	if isLower(of) {
		for _, text := range texts {
			if upper(text) != "" {
				d.doubt(e, "%s is lower case and never holds %q: write %q", d.shown(of), text, strings.ToLower(text))
			}
		}
	}
	if call.FunctionName() == operators.Equals || call.FunctionName() == operators.NotEquals || call.FunctionName() == operators.In {
		d.closedValues(e, of, texts)
	}
}

func literalsOf(e ast.Expr) []string {
	if text, ok := constant(e); ok {
		return []string{text}
	}
	texts, _ := constants(e)
	return texts
}

func (d *doubter) closedValues(at, of ast.Expr, texts []string) {
	name, _ := identifier(of)
	for _, text := range texts {
		if few := closed[name]; few != nil && !slices.Contains(few, text) {
			d.doubt(at, "%s is never %q: it is %s", name, text, strings.Join(few, ", "))
		}
		if name == "event.method" && !slices.Contains(methods, text) {
			if mend := didYouMean(text, methods); mend != "" {
				d.doubt(at, "%q is no method of MCP: %s", text, mend)
			}
		}
	}
}

// upperPattern finds in a pattern for lower-case text letters that never match.
func (d *doubter) upperPattern(at ast.Expr, pattern string) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return // said already
	}
	var never string
	var look func(*syntax.Regexp)
	look = func(re *syntax.Regexp) {
		if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0 && never == "" && upper(string(re.Rune)) != "" {
			never = string(re.Rune)
		}
		for _, sub := range re.Sub {
			look(sub)
		}
	}
	look(tree)
	if never != "" {
		d.doubt(at, "the text is lower case and never holds %q: write %q in the pattern", never, strings.ToLower(never))
	}
}
