package sigma_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestATemporalCorrelationThatCannotFireIsNamed holds which rules count, an event counting for the first that
// finds it.
func TestATemporalCorrelationThatCannotFireIsNamed(t *testing.T) {
	const hidden = `all that "b" finds is found by "a" before it, and with us an event counts for one of them: it would never fire`
	for name, test := range map[string]struct{ a, b, asked, want string }{
		"two rules":                   {"{tool: read}", "{tool: send}", "", ""},
		"one that is wider":           {"{tool: read, kind: request}", "{tool: read}", "", ""},
		"one that is narrower":        {"{tool: read}", "{tool: read, kind: request}", "", hidden},
		"the same":                    {"{tool: read}", "{tool: Read}", "", hidden},
		"one of two ways":             {"[{tool: read}, {tool: send}]", "{tool: send, kind: request}", "", hidden},
		"one of its values":           {"{tool: [read, send]}", "{tool: send, kind: request}", "", ""}, // values are not looked into
		"one of its ways, as written": {"[{tool|contains: read}, {user: a}]", "{user: a, kind: request}", "", hidden},
		"the same, of which one do":   {"{tool: read}", "{tool: read}", "condition: {gte: 2}", hidden},
	} {
		rules := fmt.Sprintf("title: A\nname: a\nlogsource: {product: mcp}\ndetection: {s: %s, condition: s}\n---\n"+
			"title: B\nname: b\nlogsource: {product: mcp}\ndetection: {s: %s, condition: s}\n---\n"+
			"title: C\nname: c\nlogsource: {product: mcp}\ndetection: {s: {tool: other}, condition: s}\n---\n", test.a, test.b)
		correlation := func(of, asked string) string {
			return fmt.Sprintf("title: T\ncorrelation:\n  type: temporal\n  rules: [%s]\n  group-by: [user]\n  timespan: 5m\n  %s\n", of, asked)
		}
		check := func(text, want string) {
			done := translate(t, text)
			var got []string
			for _, r := range done.Refused {
				got = append(got, r.Reason)
			}
			if strings.Join(got, "; ") != want {
				t.Errorf("%s: refused are %q, want %q", name, got, want)
			}
			if want == "" && len(done.Rules) == 0 {
				t.Errorf("%s: %d rules", name, len(done.Rules))
			}
		}
		check(rules+correlation("a, b", test.asked), test.want)
		check(rules+correlation("a, b, c", "condition: {gte: 2}"), "") // a or b, and c
	}
}
