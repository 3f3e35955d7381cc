package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// TestSight holds the derivation against examples of every form of condition.
func TestSight(t *testing.T) {
	calls := []string{event.CarriesCalls, event.CarriesArguments, event.CarriesResults, "server.id"}
	for _, test := range []struct {
		rule  string
		want  Sight
		lacks []string
	}{
		{`match: call.args_text.contains("x") && result.text.contains("x")`, Whole, nil},
		{`match: principal.subject == "x" && call.args_text.contains("x")`, Blind, []string{"principal.subject"}},
		{`match: principal.subject == "x" || call.args_text.contains("x")`, Partly, []string{"principal.subject"}},
		{`match: principal.subject == "x" || http.status == 500`, Blind, []string{"http.status", "principal.subject"}},
		{`match: '!(principal.subject == "x" && call.args_text.contains("x"))'`, Partly, []string{"principal.subject"}},
		{`match: '!(principal.subject == "x" || call.args_text.contains("x"))'`, Blind, []string{"principal.subject"}},
		{`match: 'event.kind == "request" ? call.args_text.contains("x") : http.status == 500'`, Partly, []string{"http.status"}},
		{`match: 'http.status == 500 ? call.args_text.contains("x") : true'`, Blind, []string{"http.status"}},
		{`match: '"x" in principal.scopes'`, Blind, []string{"principal.scopes"}},
		{`match: principal.scopes.exists(s, s == "x")`, Blind, []string{"principal.scopes"}},
		{`match: '["x", http.method].exists(s, s == "x")'`, Blind, []string{"http.method"}},
		{`match: has(http.headers.origin)`, Blind, []string{"http.headers"}},
		{`match: http.headers["origin"].startsWith("x")`, Blind, []string{"http.headers"}},
		{`match: (event.kind == "request" && http.status == 500) == false`, Partly, []string{"http.status"}},
		{`match: definition.name == "x"`, Blind, []string{"definitions"}},
		{`{match: call.args_text.contains("x"), title: "by {principal.subject}"}`, Partly, []string{"principal.subject"}},
		{`count: {when: call.args_text.contains("x"), by: [actor, event.session], within: 5m, at_least: 3}`, Blind, []string{"session"}},
		{`{match: call.args_text.contains("x"), title: R, suppress: {by: [event.session], for: 1h}}`, Partly, []string{"session"}},
		{`match: server.id == "x" && call.tool == "x"`, Whole, nil},
		{`match: server.name == "x" || server.id == "x"`, Partly, []string{"server.name"}},
		{`match: measured.duration_ms > 5 && agent.version == "x"`, Blind, []string{"agent.version", "measured.duration_ms"}},
		{`match: has(principal.subject)`, Blind, []string{"principal.subject"}},
		{`match: '!has(principal.subject) && call.tool == "x"'`, Partly, []string{"principal.subject"}},
		{`match: has(principal.subject) == false`, Partly, []string{"principal.subject"}},
		{`match: sampling.max_tokens > 5`, Blind, []string{"messages"}},
		{`count: {when: http.status == 401, by: [actor], within: 5m, at_least: 3}`, Blind, []string{"http.status"}},
		{`distinct: {of: principal.subject, when: 'call.args_text.contains("x")', by: [actor], within: 5m, at_least: 3}`, Blind, []string{"principal.subject"}},
		{`sequence: {by: [actor], within: 5m, steps: [{as: a, when: 'call.args_text.contains("x")'}, {when: http.status == 500}]}`, Blind, []string{"http.status"}},
		{`sequence: {by: [actor], within: 5m, steps: [{as: a, when: 'call.args_text.contains("x")'}, {when: call.tool == "x" && principal.subject != a.principal.subject}]}`, Blind, []string{"principal.subject"}},
		{`absence: {by: [actor], within: 5m, after: {when: call.tool == "x"}, without: {when: http.status == 500}}`, Partly, []string{"http.status"}},
		{`absence: {by: [actor], within: 5m, after: {when: http.status == 500}, without: {when: call.tool == "x"}}`, Blind, []string{"http.status"}},
		{`absence: {by: [actor], within: 5m, after: {when: call.tool == "x"}, without: {when: definition.name == "x"}}`, Partly, []string{"definitions"}},
		{`match: definition.name == "x" || call.tool == "x"`, Blind, []string{"definitions"}},
		{`count: {when: event.size > 3, by: [definition.name], within: 5m, at_least: 3}`, Blind, []string{"definitions"}},
		{`{match: call.tool == "x", title: "{definition.name}"}`, Partly, []string{"definitions"}},
	} {
		text := "id: r\ntitle: R\nseverity: low\n" + test.rule + "\n"
		if test.rule[0] == '{' {
			text = "{id: r, severity: low, " + test.rule[1:] + "\n"
		}
		r, err := Parse("r.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s\n%v", test.rule, err)
		}
		set, err := Compile([]*Rule{r}, nil, nil)
		if err != nil {
			t.Fatalf("%s\n%v", test.rule, err)
		}
		sight, lacks := set.Programs[0].SightOf(calls)
		if sight != test.want || !slices.Equal(lacks, test.lacks) {
			t.Errorf("%s\nis %s, lacks %v, want %s, %v", test.rule, sight, lacks, test.want, test.lacks)
		}
		if sight, lacks := set.Programs[0].SightOf(event.Carriers()); sight != Whole || lacks != nil {
			t.Errorf("%s\nis %s where everything is carried, and lacks %v", test.rule, sight, lacks)
		}
	}
}

// outcome is what an expression can come to; unknown is what reads something that is not carried.
type outcome int

const (
	no outcome = iota
	yes
	unknown
)

// node is a condition: a leaf, or one of & | ! ? over others.
type node struct {
	operator byte
	of       []*node
	leaf     int // its number, which no other leaf has
}

// carrier is what a leaf's field needs of a source, "" for nothing.
func carrier(leaf int) (field, carries string) {
	all := [][2]string{
		{"event.session", event.CarriesSession},
		{"call.args_text", event.CarriesArguments},
		{"result.text", event.CarriesResults},
		{"principal.subject", event.CarriesPrincipal},
		{"http.method", event.CarriesHTTP},
		{"call.tool", event.CarriesCalls},
		{"event.kind", ""},
		{"event.method", ""},
	}
	return all[leaf%len(all)][0], all[leaf%len(all)][1]
}

func nodes(t *rapid.T, depth int, leaves *int) *node {
	n := &node{operator: rapid.SampledFrom([]byte("&|!?.")).Draw(t, "operator")}
	if depth == 0 {
		n.operator = '.'
	}
	arity := map[byte]int{'&': 2, '|': 2, '!': 1, '?': 3}[n.operator]
	for range arity {
		n.of = append(n.of, nodes(t, depth-1, leaves))
	}
	if n.operator == '.' {
		n.leaf = *leaves
		*leaves += rapid.IntRange(1, 3).Draw(t, "next")
	}
	return n
}

func (n *node) text() string {
	switch n.operator {
	case '&':
		return fmt.Sprintf("(%s && %s)", n.of[0].text(), n.of[1].text())
	case '|':
		return fmt.Sprintf("(%s || %s)", n.of[0].text(), n.of[1].text())
	case '!':
		return fmt.Sprintf("!%s", n.of[0].text())
	case '?':
		return fmt.Sprintf("(%s ? %s : %s)", n.of[0].text(), n.of[1].text(), n.of[2].text())
	}
	field, _ := carrier(n.leaf)
	if n.has(field) {
		return fmt.Sprintf("has(%s)", field)
	}
	return fmt.Sprintf("(%s == '%d')", field, n.leaf)
}

// has reports whether a leaf asks for its field's presence. Of what is in every event it does not.
func (n *node) has(field string) bool { return n.leaf%3 == 0 && !strings.HasPrefix(field, "event.") }

// can says which outcomes the condition has, its leaves being free to be true or false each.
func (n *node) can(carries []string) (outcomes [3]bool) {
	set := func(o outcome) { outcomes[o] = true }
	each := func(i int, do func(outcome)) {
		for o, possible := range n.of[i].can(carries) {
			if possible {
				do(outcome(o))
			}
		}
	}
	switch n.operator {
	case '.':
		if field, by := carrier(n.leaf); by != "" && !slices.Contains(carries, by) {
			if n.has(field) {
				set(no)
				break
			}
			set(unknown)
		} else {
			outcomes = [3]bool{true, true, false}
		}
	case '!':
		each(0, func(o outcome) { set([]outcome{yes, no, unknown}[o]) })
	case '?':
		each(0, func(o outcome) {
			switch o {
			case yes:
				each(1, set)
			case no:
				each(2, set)
			case unknown:
				set(unknown)
			}
		})
	default:
		decides := map[byte]outcome{'&': no, '|': yes}[n.operator]
		each(0, func(a outcome) {
			each(1, func(b outcome) {
				switch {
				case a == decides || b == decides:
					set(decides)
				case a == unknown || b == unknown:
					set(unknown)
				default:
					set(1 - decides)
				}
			})
		})
	}
	return outcomes
}

// TestBlindIsNeverTrue holds the derivation against all that a random condition can come to.
func TestBlindIsNeverTrue(t *testing.T) {
	seen := map[Sight]int{}
	rapid.Check(t, func(t *rapid.T) {
		leaves := 0
		n := nodes(t, 3, &leaves)
		carries := rapid.SliceOfDistinct(rapid.SampledFrom(event.Carriers()), rapid.ID).Draw(t, "carries")
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: n.text()}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		sight, lacks := set.Programs[0].SightOf(carries)
		seen[sight]++
		if can := n.can(carries); (sight == Blind) == can[yes] {
			t.Errorf("%s with %v is %s (lacks %v), and can be true: %v", n.text(), carries, sight, lacks, can[yes])
		}
	})
	if len(seen) != 3 {
		t.Errorf("only %v were seen: it was not put to the test", seen)
	}
}
