package ruletest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
)

// resultOf runs the tests of one rule, given without its first lines.
func resultOf(t *testing.T, body string) ruletest.Result {
	t.Helper()
	set, err := rule.Load(rule.Folder{Name: "test", Files: fstest.MapFS{"r.yaml": {Data: []byte("id: r\ntitle: \"R {call.tool}\"\nsummary: \"Of {actor}.\"\nseverity: high\nrisk: 40\n" + body)}}})
	if err != nil {
		t.Fatal(err)
	}
	return ruletest.Run(set)[0]
}

func callOf(tool, arguments string) string {
	return fmt.Sprintf(`{direction: to_server, server: {id: s}, message: {jsonrpc: "2.0", id: 1, method: tools/call, params: {name: %s, arguments: %s}}}`, tool, arguments)
}

const listing = `{message: {jsonrpc: "2.0", id: 2, method: tools/list}}`

// testsOf writes tests: what each wants, and its events.
func testsOf(wantsAndEvents ...string) string {
	text := "\ntests:\n"
	for i := 0; i < len(wantsAndEvents); i += 2 {
		text += fmt.Sprintf("  - {name: t%d, want: %s, events: [%s]}\n", i/2, wantsAndEvents[i], wantsAndEvents[i+1])
	}
	return text
}

// TestGaps holds what the tests of a rule are said not to show.
func TestGaps(t *testing.T) {
	const nearMiss = "no test is a near miss: it wants no finding, and has an event of which a part of the condition is true"
	run, walk := callOf("run", "{}"), callOf("walk", "{}")
	for name, test := range map[string]struct {
		rule string
		gaps []string
	}{
		"no tests": {`match: call.tool == "run"`, []string{
			"no test wants a finding", nearMiss, `never false: call.tool == "run"`, `never true: call.tool == "run"`,
		}},
		"no events are no near miss": {`match: call.tool == "run"` + testsOf("[{}]", run, "[]", ""), []string{
			nearMiss, `never false: call.tool == "run"`,
		}},
		"a tick alone is no near miss": {`match: call.tool == "run"` + testsOf("[{}]", run+", "+walk, "[]", "{tick: 1m}"), []string{nearMiss}},
		"an event that is about something else is no near miss": {`match: event.method == "tools/call" && call.tool == "run"` + testsOf("[{}]", run, "[]", listing), []string{
			nearMiss, `never false, only absent: call.tool == "run"`,
		}},
		"a part that is true makes a near miss":          {`match: event.method == "tools/call" && call.tool == "run"` + testsOf("[{}]", run, "[]", walk+", "+listing), nil},
		"where every part finds, a false one does":       {`match: call.tool == "run" || call.tool == "rush"` + testsOf("[{}, {}]", run+", "+callOf("rush", "{}"), "[]", walk), nil},
		"where every part finds, an absent one does not": {`match: call.tool == "run"` + testsOf("[{}]", walk+", "+run, "[]", listing), []string{nearMiss}},
		"only absent": {`match: event.method == "tools/call" && call.args.x == "y"` + testsOf("[{}]", callOf("run", "{x: y}"), "[]", run+", "+listing), []string{
			`never false, only absent: call.args.x == "y"`,
		}},
		"a question for presence is false of what is absent": {`match: event.method == "tools/call" && call.args.x != ""` + testsOf("[{}]", callOf("run", "{x: y}"), "[]", run+", "+listing), nil},
		"an error is no false": {`match: event.method == "tools/call" && call.args.x > 5` + testsOf("[{}]", callOf("run", "{x: 6}"), "[]", callOf("run", "{x: five}")+", "+listing), []string{
			`never false, only an error: call.args.x > 5`,
		}},
		"a part on earlier steps is a part": {`sequence: {by: [actor], within: 1m, steps: [{as: a, when: call.tool == "run"}, {as: b, when: call.tool == "walk" && call.args.x != a.call.args.x}]}` +
			testsOf("[{}]", callOf("run", "{x: 1}")+", "+callOf("walk", "{x: 2}"), "[]", run), []string{
			`never false: call.args.x != a.call.args.x (of step b)`,
		}},
		"one that is never asked": {`sequence: {by: [actor], within: 1m, steps: [{as: a, when: call.tool == "run"}, {when: server.id != a.server.id}]}` +
			testsOf("[]", run, "[]", walk), []string{
			"no test wants a finding", `never false: server.id != a.server.id (of step 2)`, `never true: server.id != a.server.id (of step 2)`,
		}},
		"one that is seen both ways, in an absence of the second stage": {`absence: {by: [server.id], within: 1m, after: {as: a, when: call.tool == "run"}, without: {when: call.tool == "walk" && call.args.x == a.call.args.x}}` +
			testsOf("[{}]", callOf("run", "{x: 1}")+", "+callOf("walk", "{x: 2}")+", {tick: 2m}", "[]", callOf("run", "{x: 1}")+", "+callOf("walk", "{x: 1}")+", {tick: 2m}"), nil},
	} {
		r := resultOf(t, test.rule)
		for _, one := range r.Tests {
			if one.Failure != "" {
				t.Errorf("%s: %s", name, one.Failure)
			}
		}
		if got := r.Gaps(); !slices.Equal(got, test.gaps) {
			t.Errorf("%s: %q\nwant %q", name, got, test.gaps)
		}
	}
}

// TestFailures holds what a test that fails says.
func TestFailures(t *testing.T) {
	run := callOf("run", "{}")
	long := callOf("run", `{x: "`+strings.Repeat("long text, ", 7000)+`"}`)
	for name, test := range map[string]struct{ rule, failure string }{
		"as wanted": {`match: call.tool == "run"` + testsOf(`[{severity: high, risk: 40, title: R run, summary: "Of agent:test-agent.", event: 0, events: 1, name: run, suppressed: 0}]`, run), ""},
		"each field": {
			`match: call.tool == "run"` + testsOf(`[{severity: low, risk: 30, title: R walk, summary: Of., key: [a], event: 1, events: 2, name: walk, suppressed: 1}]`, run+", "+listing),
			"finding 0 is not what is wanted (-), it is (+):\n" +
				"  - severity: low\n  + severity: high\n  - risk: 30\n  + risk: 40\n  - title: \"R walk\"\n  + title: \"R run\"\n" +
				"  - summary: \"Of.\"\n  + summary: \"Of agent:test-agent.\"\n  - name: \"walk\"\n  + name: \"run\"\n  - key: [\"a\"]\n  + key: []\n" +
				"  - event: 1\n  + event: 0\n  - events: 2\n  + events: 1\n  - suppressed: 1\n  + suppressed: 0",
		},
		"a key": {`count: {when: call.tool == "run", by: [server.id, call.tool], within: 1m, at_least: 1}` + testsOf(`[{key: [s, run]}]`, run), ""},
		"none":  {`match: call.tool == "run"` + testsOf(`[{}, {}]`, listing), "0 findings, want 2"},
		"too many": {
			`match: call.tool == "run"` + testsOf(`[]`, run),
			"1 findings, want 0\n  finding 0: high \"R run\", concluded by event 0",
		},
		"an event that is cut":               {`match: call.tool == "run"` + testsOf(`[]`, listing+", "+long), "event 1 is not judged whole: left out were 11468 bytes in the middle of long texts (event.uninspected)"},
		"one that is cut, which is the rule": {`match: event.uninspected > 0` + testsOf(`[{}]`, listing+", "+long), ""},
	} {
		if got := resultOf(t, test.rule).Tests[0].Failure; got != test.failure {
			t.Errorf("%s: %s\nwant %s", name, got, test.failure)
		}
	}
}
