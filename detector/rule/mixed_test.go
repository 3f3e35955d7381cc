package rule_test

import (
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestVainTimesAndExceptions holds what lint warns of beside conditions.
func TestVainTimesAndExceptions(t *testing.T) {
	exception := "id: x\nrules: [a-rule]\nreason: Known.\nowner: us\nexpires: 2027-01-01\nwhen: "
	for _, test := range []struct{ rule, exception, want string }{
		{"first_seen: {of: call.tool, when: call.tool != 'a', by: [actor], learn: 8d, memory: 7d}", "", "learn is longer than memory (168h0m0s)"},
		{"first_seen: {of: call.tool, when: call.tool != 'a', by: [actor], learn: 7d, memory: 7d}", "", ""},
		{"sequence: {by: [actor], within: 1m, steps: [{when: call.tool == 'a'}, {when: call.tool == 'b', gap: 2m}]}", "", "gap is longer than within (1m0s)"},
		{"sequence: {by: [actor], within: 1m, steps: [{when: call.tool == 'a'}, {when: call.tool == 'b', gap: 1m}]}", "", ""},
		{"match: call.tool == 'a'", "definition.name == 'a'", `it reads definition.name, and rule "a-rule" judges no definitions`},
		{"match: definition.name == 'a'", "definition.name == 'a'", ""},
	} {
		files := map[string]string{"a.yaml": "id: a-rule\ntitle: A\nseverity: low\n" + test.rule + "\n"}
		if test.exception != "" {
			files["exceptions/x.yaml"] = exception + test.exception + "\n"
		}
		s, err := rule.Load(folder(files))
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		var got []string
		for _, w := range s.Programs[0].Warnings {
			got = append(got, w.Error())
		}
		if (test.want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), test.want) {
			t.Errorf("%s, %s: %q, want %q", test.rule, test.exception, got, test.want)
		}
	}
}

// TestARiskMayComeFromAnArgument holds that what has no type takes part, also where it is no number; the file
// begins with a byte order mark.
func TestARiskMayComeFromAnArgument(t *testing.T) {
	s, err := rule.Load(folder(map[string]string{"a.yaml": "\ufeffid: a-rule\ntitle: A\nseverity: low\nmatch: has(call.tool)\nrisk: call.args.n\n"}))
	if err != nil {
		t.Fatal(err)
	}
	for argument, want := range map[string]int{`40`: 40, `40.5`: 40, `-1`: 0, `-1.5`: 0, `1e300`: 100, `101`: 100, `"x"`: 0, `null`: 0} {
		var parser event.Parser
		m, err := parser.Parse([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":` + argument + `}}}`))
		if err != nil {
			t.Fatal(err)
		}
		view := s.NewView()
		view.Reset(&event.Event{}, &m)
		if got := s.Programs[0].Judge(view, nil).Risk; got != want {
			t.Errorf("%s: risk %d, want %d", argument, got, want)
		}
	}
	if _, err := rule.Load(folder(map[string]string{"a.yaml": "id: a-rule\ntitle: A\nseverity: low\nmatch: has(call.tool)\nrisk: call.tool\n"})); err == nil ||
		!strings.Contains(err.Error(), "is a string, must be an int") {
		t.Errorf("%v", err)
	}
}
