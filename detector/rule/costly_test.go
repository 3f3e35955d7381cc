package rule_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
)

// TestWarnings holds that a pattern which no literal guards, and a comparison in vain, is named where it stands.
func TestWarnings(t *testing.T) {
	const header = "id: r\ntitle: R\nseverity: low\n"
	unguarded := func(line, column int, pattern string) string {
		return fmt.Sprintf("site/a.yaml:%d:%d: the pattern `%s` holds no literal to look for first: it is tried on every text, for about 1 µs each", line, column, pattern)
	}
	for text, want := range map[string][]string{
		`match: call.args_text.matches("token=[a-z]+")`:                                                   nil,
		`match: server.id != "" && call.tool == "" || result.text == ""`:                                  nil,
		`match: call.tool == "x" && ("" == server.id)`:                                                    {"site/a.yaml:4:29: server.id is never the empty text, it is absent then: write !has(server.id)"},
		`match: call.args_text.matches("[0-9a-f]{32}")`:                                                   nil, // a long run of few bytes
		`match: call.args_text.matches("[a-z]+")`:                                                         {unguarded(4, 31, "[a-z]+")},
		"match: |\n  call.tool == \"x\" &&\n    call.args_text.matches(\".*\") || call.tool.matches('.')": {unguarded(6, 28, ".*"), unguarded(6, 55, ".")},
		"sequence:\n  by: [actor]\n  within: 5m\n  steps:\n    - {as: a, when: call.tool == \"x\"}\n    - {when: call.tool != a.call.tool && call.args_text.matches(\"x?\")}": {unguarded(9, 65, "x?")},
	} {
		set, err := rule.Load(folder(map[string]string{"a.yaml": header + text}))
		if err != nil {
			t.Errorf("%s\n%v", text, err)
			continue
		}
		var got []string
		for _, w := range set.Programs[0].Warnings {
			got = append(got, w.Error())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\nwarns of %q\nwant     %q", text, got, want)
		}
	}
}
