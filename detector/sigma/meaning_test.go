package sigma_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/detector/ruletest"
	"github.com/mcpwatch/mcpwatch/detector/sigma"
)

// happening is an event as Sigma sees it: what it lacks has no entry. Of a user an empty name is none.
type happening map[string]string

// happenings generates events of four kinds: a call, its answer, an error and a notification.
func happenings(t *rapid.T) (happening, map[string]any) {
	word := rapid.SampledFrom([]string{"", "a", "A", "b", "ab", "aB", "ba", "abba", "é", "É", `a\b`, "a*b", "a.b", "a?"})
	seen := happening{}
	user := word.Draw(t, "user")
	if user != "" {
		seen["user"] = user
	}
	e := map[string]any{"principal": map[string]any{"subject": user}}
	kind := rapid.SampledFrom([]string{"call", "answer", "error", "notification"}).Draw(t, "kind")
	if kind == "notification" {
		e["message"] = map[string]any{"jsonrpc": "2.0", "method": "notifications/message"}
		return seen, e
	}
	seen["tool"] = word.Draw(t, "tool")
	arguments := map[string]any{"other": "x"}
	if rapid.Bool().Draw(t, "has path") {
		seen["arguments.path"] = word.Draw(t, "path")
		arguments["path"] = seen["arguments.path"]
	}
	if kind == "call" {
		e["message"] = map[string]any{
			"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": seen["tool"], "arguments": arguments},
		}
		return seen, e
	}
	e["request"] = map[string]any{"method": "tools/call", "name": seen["tool"], "arguments": arguments}
	if kind == "error" {
		e["message"] = map[string]any{"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": -32603, "message": "m"}}
		return seen, e
	}
	seen["result_text"] = word.Draw(t, "result")
	e["message"] = map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{"x": seen["result_text"]}}
	return seen, e
}

// clause is a piece of a Sigma rule, and what it means.
type clause struct {
	yaml  string
	holds func(happening) bool
}

// itemClause generates a line of a selection. The meaning is written from Sigma's specification,
// on runes, and shares nothing with the translation.
func itemClause(t *rapid.T, fields []string) (field string, c clause) {
	field = rapid.SampledFrom(fields).Draw(t, "field")
	around := rapid.SampledFrom([]string{"", "contains", "startswith", "endswith", "exists", "null"}).Draw(t, "modifier")
	switch around {
	case "exists":
		want := rapid.Bool().Draw(t, "exists")
		return field, clause{fmt.Sprintf("%s|exists: %t", field, want), func(h happening) bool {
			_, has := h[field]
			return has == want
		}}
	case "null":
		return field, clause{field + ": null", func(h happening) bool { return h[field] == "" }}
	}
	cased, every, never := rapid.Bool().Draw(t, "cased"), rapid.Bool().Draw(t, "all"), rapid.Bool().Draw(t, "neq")
	least := 0
	if around != "" {
		least = 1
	}
	values := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune(`abABé*?\.`)), least, 3, -1), 1, 3).Draw(t, "values")
	key := field
	for _, modifier := range []struct {
		on   bool
		name string
	}{{around != "", around}, {cased, "cased"}, {every, "all"}, {never, "neq"}} {
		if modifier.on {
			key += "|" + modifier.name
		}
	}
	quoted, _ := json.Marshal(values)
	return field, clause{fmt.Sprintf("%s: %s", key, quoted), func(h happening) bool {
		text, has := h[field]
		matches := func(value string) bool {
			if around == "" && value == "" && field == "user" {
				return !has // it is empty
			}
			return has && like(text, value, around, cased)
		}
		switch {
		case never:
			return !slices.ContainsFunc(values, matches)
		case every:
			return !slices.ContainsFunc(values, func(v string) bool { return !matches(v) })
		}
		return slices.ContainsFunc(values, matches)
	}}
}

// like matches a text with a Sigma value.
func like(text, value, around string, cased bool) bool {
	if !cased {
		text, value = strings.ToLower(text), strings.ToLower(value)
	}
	if around == "contains" || around == "endswith" {
		value = "*" + value
	}
	p := []rune(value)
	if around == "contains" || around == "startswith" {
		p = append(p, -1) // a star that no backslash can quote
	}
	whole := strings.Trim(value, "*") == "" && value != "" // anything, but not nothing
	return glob([]rune(text), p) && (!whole || text != "")
}

func glob(text, p []rune) bool {
	switch {
	case len(p) == 0:
		return len(text) == 0
	case p[0] == '\\' && len(p) > 1 && slices.Contains([]rune{'*', '?', '\\'}, p[1]):
		return len(text) > 0 && text[0] == p[1] && glob(text[1:], p[2:])
	case p[0] == '*' || p[0] == -1:
		return glob(text, p[1:]) || len(text) > 0 && glob(text[1:], p)
	case p[0] == '?':
		return len(text) > 0 && glob(text[1:], p[1:])
	}
	return len(text) > 0 && text[0] == p[0] && glob(text[1:], p[1:])
}

// selectionClause generates a selection.
func selectionClause(t *rapid.T) clause {
	maps := rapid.IntRange(1, 2).Draw(t, "maps")
	var text []string
	var alternatives []func(happening) bool
	for range maps {
		fields := []string{"user", "tool", "arguments.path", "result_text"}
		var items []string
		var lines []func(happening) bool
		for range rapid.IntRange(1, 2).Draw(t, "lines") {
			field, c := itemClause(t, fields)
			fields = slices.DeleteFunc(fields, func(f string) bool { return f == field })
			items, lines = append(items, c.yaml), append(lines, c.holds)
		}
		text = append(text, "{"+strings.Join(items, ", ")+"}")
		alternatives = append(alternatives, func(h happening) bool {
			return !slices.ContainsFunc(lines, func(holds func(happening) bool) bool { return !holds(h) })
		})
	}
	return clause{"[" + strings.Join(text, ", ") + "]", func(h happening) bool {
		return slices.ContainsFunc(alternatives, func(holds func(happening) bool) bool { return holds(h) })
	}}
}

// conditionClause generates a condition over selections s0, s1 and s2.
func conditionClause(t *rapid.T, selections []clause, depth int) clause {
	n := rapid.IntRange(0, 5).Draw(t, "condition")
	if depth == 0 {
		n = min(n, 2)
	}
	sub := func() clause { return conditionClause(t, selections, depth-1) }
	switch n {
	case 0, 1:
		i := rapid.IntRange(0, len(selections)-1).Draw(t, "selection")
		return clause{fmt.Sprintf("s%d", i), selections[i].holds}
	case 2:
		if rapid.Bool().Draw(t, "all of") {
			return clause{"all of s*", func(h happening) bool {
				return !slices.ContainsFunc(selections, func(c clause) bool { return !c.holds(h) })
			}}
		}
		return clause{"1 of them", func(h happening) bool {
			return slices.ContainsFunc(selections, func(c clause) bool { return c.holds(h) })
		}}
	case 3:
		a := sub()
		return clause{"not (" + a.yaml + ")", func(h happening) bool { return !a.holds(h) }}
	case 4:
		a, b := sub(), sub()
		return clause{"(" + a.yaml + ") and (" + b.yaml + ")", func(h happening) bool { return a.holds(h) && b.holds(h) }}
	default:
		a, b := sub(), sub()
		return clause{"(" + a.yaml + ") or (" + b.yaml + ")", func(h happening) bool { return a.holds(h) || b.holds(h) }}
	}
}

// TestARuleMeansWhatItsSigmaRuleMeans translates random rules, runs them on random events and
// compares what they find with what Sigma's specification says.
func TestARuleMeansWhatItsSigmaRuleMeans(t *testing.T) {
	m := mapping(t)
	found, silent := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var selections []clause
		text := "title: T\nlogsource: {product: mcp}\ndetection:\n"
		for i := range 3 {
			selections = append(selections, selectionClause(t))
			text += fmt.Sprintf("  s%d: %s\n", i, selections[i].yaml)
		}
		condition := conditionClause(t, selections, 3)
		text += "  condition: " + condition.yaml + "\n"
		done := sigma.Translate([]sigma.File{{Name: "r.yml", Data: []byte(text)}}, m)
		if len(done.Rules) != 1 || len(done.Refused) > 0 {
			t.Fatalf("refused: %v\n%s", done.Refused, text)
		}
		yaml := string(done.Rules[0].YAML) + "tests:\n"
		for i := range rapid.IntRange(1, 8).Draw(t, "events") {
			seen, e := happenings(t)
			want := "[]"
			if condition.holds(seen) {
				want = "[{}]"
				found++
			} else {
				silent++
			}
			encoded, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			yaml += fmt.Sprintf("  - {name: 'event %d', want: %s, events: [%s]}\n", i, want, encoded)
		}
		r, err := rule.Parse("r.yaml", []byte(yaml))
		if err != nil {
			t.Fatalf("%v\n%s", err, yaml)
		}
		set, err := rule.Compile([]*rule.Rule{r}, nil, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, yaml)
		}
		for _, result := range ruletest.Run(set)[0].Tests {
			if strings.HasPrefix(result.Name, "event ") && result.Failure != "" {
				t.Fatalf("%s: %s\n%s\n%s", result.Name, result.Failure, text, yaml)
			}
		}
	})
	if found == 0 || silent == 0 {
		t.Errorf("of the events %d were found and %d not: the test tells nothing", found, silent)
	}
}
