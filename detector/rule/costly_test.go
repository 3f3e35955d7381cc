package rule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestWarnings holds that a pattern which no literal guards, and a comparison in vain, is named where it stands.
func TestWarnings(t *testing.T) {
	const header = "id: r\ntitle: R\nseverity: low\n"
	unguarded := func(line, column int, pattern string) string {
		return fmt.Sprintf("site/a.yaml:%d:%d: the pattern `%s` holds no literal to look for first: it is tried on every text, for about 1 µs each; put before it what most events lack, such as call.tool == \"…\" &&, or a literal that always occurs", line, column, pattern)
	}
	for text, want := range map[string][]string{
		`match: call.args_text.matches("token=[a-z]+")`:                                                   nil,
		`match: server.id != "" && call.tool == "" || result.text == ""`:                                  nil,
		`match: call.tool == "x" && ("" == server.id)`:                                                    {"site/a.yaml:4:29: server.id is never the empty text, it is absent then: write !has(server.id)"},
		`match: call.args_text.matches("[0-9a-f]{32}")`:                                                   nil, // a long run of few bytes
		`match: call.args_text.matches("[a-z]+")`:                                                         {unguarded(4, 31, "[a-z]+")},
		"match: |\n  call.tool == \"x\" &&\n    call.args_text.matches(\".*\") || call.tool.matches('.')": {unguarded(6, 55, ".")}, // what stands before the first guards it
		`match: call.tool.matches("(?i)shell|bash") && call.args_text.matches(".*")`:                      nil,
		`match: call.args_text.matches(".*") && call.tool.matches("(?i)shell|bash")`:                      {unguarded(4, 31, ".*")},
		`match: event.kind == "request" && call.args_text.matches(".*")`:                                  {unguarded(4, 58, ".*")},
		`match: definition.normal.matches(".*")`:                                                          nil,
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

// TestAlternativesArePicked holds that a pattern of so many alternatives that it is looked for by what
// each of them needs is found by each of them.
func TestAlternativesArePicked(t *testing.T) {
	var alternatives []string
	for i := range 120 {
		alternatives = append(alternatives, fmt.Sprintf(`\bword%d(x|y)+ ?%c`, i*7919, 'a'+i%26))
	}
	s := set(t, fmt.Sprintf("call.args_text.matches(%q)", `(?i)`+strings.Join(alternatives, "|")))
	if w := s.Programs[0].Warnings; len(w) > 0 {
		t.Fatalf("it is tried on every text: %v", w[0])
	}
	for i := range 120 {
		text := fmt.Sprintf("a WORD%dxY %c", i*7919, 'A'+i%26)
		message := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"q":%q}}}`, text)
		if len(matches(t, s, &event.Event{ID: "e", Message: []byte(message)})) != 1 {
			t.Errorf("%q is not found", text)
		}
	}
}

// TestPatternsAreBounded: a pattern that a text can make slow is named where it stands.
func TestPatternsAreBounded(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{`[ab]a[ab]{40}c`, "site/a.yaml:4:31: match: the pattern `[ab]a[ab]{40}c` can be made slow by a text, "},
		{`a(?:[^.;]|\.[a-z]){0,60}b`, "can be made slow"},
		{`a([ab]{20}x){4}`, "copies what it repeats up to 80 times, at most 64 are taken: repeat one class, such as [^.]{0,80}"},
		{`x[ab]{64,400}y[ab]{2}`, "up to 66 times"},
		{`((abcdef[^.]{0,4}ghijklmnopqrstuvwxyz){20}|x){10}`, "places, at most 5000 are taken"},
		{`a.*b|c.*d|e.*f|g.*h|i.*j|k.*l|m.*n|o.*p|q.*r|s.*t|u.*v|w.*x`, "or write several patterns"},
		{`[ab]a[ab]{4,801}c`, ""},
		{`x[ab]{0,400}y[ab]{0,401}z`, ""},
		{`[\pL]{9,30}`, ""},
		{`[A-Za-z0-9+/]{500,}`, ""},
		{`[\pL]+ [\pN]{2,5}`, ""},
		{`(?:a|b|c|(?:d|e{2,3}){1,9})`, ""},
		{`(?i)\b(send|read)[^.]{0,300}(key|token)[^.]{0,300}(to|at)`, ""},
	} {
		pattern, want := c.pattern, c.want
		_, err := rule.Load(folder(map[string]string{"a.yaml": "id: r\ntitle: R\nseverity: low\nmatch: " + `call.args_text.matches(r"` + pattern + `")`}))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}
