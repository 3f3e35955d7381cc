package rule_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// mistakesPage holds what is said of each mistake of TestMistakes, as an author reads it.
const mistakesPage = "testdata/mistakes.golden"

const heading = "id: a-rule\ntitle: A rule\nseverity: high\n"

// mistakes are what authors of rules get wrong. A text is the rule's file, or, where it has no line
// break, what stands after the heading in it.
var mistakes = []struct{ name, text string }{
	{"an empty file", "# nothing yet\n"},
	{"a list in place of a rule", "- id: a-rule\n- id: b-rule\n"},
	{"no title, no severity, no kind", "id: a-rule\n"},
	{"an unknown field", "matches: call.tool == \"x\""},
	{"an unknown field, far from any", "condition: call.tool == \"x\""},
	{"an unknown field within", "count: {when: event.kind == \"request\", by: [actor], window: 5m, at_least: 3}"},
	{"an id that is none", "id: My Rule\ntitle: A rule\nseverity: high\nmatch: call.tool == \"x\"\n"},
	{"a severity that is none", "id: a-rule\ntitle: A rule\nseverity: hihg\nmatch: call.tool == \"x\"\n"},
	{"a tag of a framework, misspelt", "tags: [safe_mcp.T1001, safe-mcp.1001, safe-mcp.T9999, owasp-mcp.MCP1]\nmatch: call.tool == \"x\""},
	{"a tag alone", "tags: safe-mcp.T1001\nmatch: call.tool == \"x\""},
	{"a risk out of bounds", "risk: 101\nmatch: call.tool == \"x\""},
	{"two kinds", "match: call.tool == \"x\"\ncount: {when: event.kind == \"request\", by: [actor], within: 5m, at_least: 3}"},
	{"an anomaly", "anomaly: {of: event.size, by: [actor]}"},
	{"a text that is no list", "count: {when: event.kind == \"request\", by: actor, within: 5m, at_least: 3}"},
	{"a text that is no mapping", "count: event.kind == \"request\""},
	{"a part of a whole number", "count: {when: event.kind == \"request\", by: [actor], within: 5m, at_least: 2.9}"},
	{"a number in quotes", "count: {when: event.kind == \"request\", by: [actor], within: 5m, at_least: \"3\"}"},
	{"a number out of bounds", "distinct: {of: call.tool, when: event.kind == \"request\", by: [actor], within: 5m, at_least: 1001}"},
	{"what a count lacks", "count:\n  when: event.kind == \"request\""},
	{"a length of time without unit", "count: {when: event.kind == \"request\", by: [actor], within: 300, at_least: 3}"},
	{"a length of time, otherwise written", "count: {when: event.kind == \"request\", by: [actor], within: 5min, at_least: 3}"},
	{"a length of time, too long", "count: {when: event.kind == \"request\", by: [actor], within: 365d, at_least: 3}"},
	{"one step", "sequence: {by: [actor], within: 5m, steps: [{as: Read, when: call.tool == \"x\", gap: 1m}]}"},
	{"a step that is not there", "sequence: {by: [actor], within: 5m, steps: [{as: read, when: call.tool == \"x\"}, {when: red.server.id != server.id}]}"},
	{"a test's number in part", "match: call.tool == \"x\"\ntests:\n  - name: a\n    events: []\n    want: [{event: 0.5, severity: high}]"},
	{"a colon in a text", "match: call.tool == \"x\" ? true : false"},
	{"a text that begins with a quote", "match: \"a\" in event.marks"},
	{"a text that begins with a mark", "match: !result.is_error"},
	{"a text that begins with a star", "match: *.matches(\"x\")"},
	{"a tab", "count:\n\twhen: true"},
	{"a line too far left", "match: |\n  call.tool == \"x\"\n&& event.kind == \"request\""},
	{"a bracket that is not closed", "tags: [safe-mcp.T1001"},
	{"one =", "match: call.tool = \"x\""},
	{"and", "match: call.tool == \"x\" and event.kind == \"request\""},
	{"not in", "match: call.tool not in [\"x\"]"},
	{"curly quotes", "match: call.tool == “x”"},
	{"a parenthesis that is not closed", "match: (call.tool == \"x\""},
	{"a parenthesis too many", "match: call.tool == \"x\")"},
	{"half a comparison", "match: call.tool =="},
	{"a quote that is not closed", "match: call.tool == 'x"},
	{"a backslash within quotes", `match: call.args_normal.matches("\.ssh")`},
	{"an unknown name", "match: call.tol == \"x\""},
	{"an unknown name, from elsewhere", "match: tool.name == \"x\""},
	{"an unknown name, far from any", "match: request.headers == \"x\""},
	{"part of a text", "match: actor.id == \"x\""},
	{"an unknown function", "match: size(secret(event.text)) > 0"},
	{"an unknown function, from elsewhere", "match: len(event.text) > 0"},
	{"an unknown function of a text", "match: event.text.contain(\"x\")"},
	{"a macro without a condition", "match: event.marks.exists(\"x\")"},
	{"has of what is no field", `match: has(call.tool + "x")`},
	{"has of an unknown field", "match: has(call.tol)"},
	{"a list compared with a number", "match: secrets(event.text) > 0"},
	{"a list in place of a condition", "match: secrets(event.text)"},
	{"a text in place of a condition", "match: call.tool && event.kind == \"request\""},
	{"a number compared with a text", "match: event.size > \"5\""},
	{"a time compared with a text", "match: event.time > \"2026-01-01\""},
	{"null", "match: call.tool == null"},
	{"in a text", "match: call.tool in \"read,write\""},
	{"contains of a list", "match: event.marks.contains(\"late\")"},
	{"a function that is no method", "match: contains(event.text, \"x\")"},
	{"a list that is not there", "match: call.tool in lists.reader"},
	{"a pattern that looks ahead", "match: |\n  event.text.contains(\"x\") &&\n    event.text.matches(r\"foo(?!bar)\")"},
	{"a pattern that is not closed", "match: event.text.matches(r\"foo (bar\")"},
	{"a template's name", "match: call.tool == \"x\"\nsummary: \"The tool {call.tool} of {server.idd} was called\""},
	{"a template's brace", "match: call.tool == \"x\"\nsummary: \"The tool {call.tool was called\""},
	{"a template's empty braces", "match: call.tool == \"x\"\nsummary: \"The tool {} was called\""},
}

// TestMistakes holds the whole of what is said of each mistake. Read the page as an author would.
func TestMistakes(t *testing.T) {
	var got strings.Builder
	for _, m := range mistakes {
		text := m.text
		if !strings.HasPrefix(text, "id:") && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "- ") {
			text = heading + text + "\n"
		}
		_, err := rule.Load(folder(map[string]string{"a.yaml": text, "lists/l.yaml": "name: readers\nvalues: [read_file]\n"}))
		if err == nil {
			t.Errorf("%s: it was loaded", m.name)
			continue
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, "site/a.yaml:") || strings.HasPrefix(line, "site/a.yaml: ") {
				t.Errorf("%s: no place in %s", m.name, line)
			}
		}
		fmt.Fprintf(&got, "# %s\n%v\n\n", m.name, err)
	}
	if *update {
		if err := os.WriteFile(mistakesPage, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(mistakesPage)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s is out of date: go test ./detector/rule -run Mistakes -update, and read what changes\n%s", mistakesPage, got.String())
	}
}
