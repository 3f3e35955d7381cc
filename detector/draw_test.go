package detector_test

import (
	"fmt"
	"strings"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// What is drawn is about what sessions do, so that much of it is true of some events.

func oneOf(t *rapid.T, label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(t, label)
}

// condition draws a condition on an event; every leaf is filed in another way by the index.
func condition(t *rapid.T) string {
	leaf := func() string {
		return oneOf(t, "leaf",
			`call.tool == "read"`, `call.tool == "send"`, `call.tool == "ask"`, `call.tool == "done"`, `call.tool in ["read", "new"]`,
			`call.tool in lists.tools`, `call.tool.lowerAscii() in ["read", "new"]`, `call.args.path == "a"`, `call.args.path in ["b", "c", "z"]`,
			`call.args_text.contains("\"b\"")`, `call.args_text.matches("path.*\"[ac]\"")`, `server.id == "web"`, `event.kind == "request"`,
			`event.size > 100`, `result.text.contains("a key")`, `actor != "agent:a"`, `call.args.n > 9007199254741003`)
	}
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return leaf() + " && " + leaf()
	case 1:
		return leaf() + " || " + leaf()
	case 2:
		return leaf() + " && !(" + leaf() + ")"
	default:
		return leaf()
	}
}

// definitionCondition draws a condition on a definition.
func definitionCondition(t *rapid.T) string {
	leaf := oneOf(t, "leaf", `definition.name == "mail"`, `definition.text.contains("secret")`, `definition.normal.matches("(hush|SECRET|secret)")`)
	return leaf + oneOf(t, "more", "", ` && server.id == "web"`, ` && definition.kind == "tool"`, ` || definition.name == "list"`)
}

// ofKind draws what a rule of a kind looks for, but for what comes after it in every rule.
func ofKind(t *rapid.T, kind rule.Kind, when func(*rapid.T) string) string {
	by := func() string {
		return oneOf(t, "by", "[actor]", "[actor]", "[actor, server.id]", "[server.id]", "[call.tool]", "[server.id, call.tool]", "[event.kind]")
	}
	span := func() string { return oneOf(t, "span", "5s", "20s", "1m", "2h") }
	of := func() string { return oneOf(t, "of", "call.args.path", "call.tool", "server.id", "event.id") }
	usual := func(extra string) string {
		return fmt.Sprintf("%s: {when: '%s', by: %s, %s}", kind, when(t), by(), extra)
	}
	atLeast := func(from, to int) int { return rapid.IntRange(from, to).Draw(t, "at least") }
	back := func(as string) string {
		return oneOf(t, "back", "", "", fmt.Sprintf(" && server.id != %s.server.id", as), fmt.Sprintf(" && call.args.path == %s.call.args.path", as))
	}
	switch kind {
	case rule.KindMatch:
		return fmt.Sprintf("match: '%s'", when(t))
	case rule.KindCount:
		return usual(fmt.Sprintf("within: %s, at_least: %d", span(), atLeast(1, 4)))
	case rule.KindDistinct:
		return usual(fmt.Sprintf("of: %s, within: %s, at_least: %d", of(), span(), atLeast(1, 3)))
	case rule.KindSum:
		return usual(fmt.Sprintf("of: %s, within: %s, at_least: %d", oneOf(t, "number", "event.size", "event.size / 2"), span(), atLeast(50, 400)))
	case rule.KindFirstSeen:
		return usual(fmt.Sprintf("of: %s, learn: %s, memory: %s", of(), oneOf(t, "learn", "0s", "10s"), span()))
	case rule.KindSequence:
		steps := []string{fmt.Sprintf("{as: one, when: '%s'}", when(t)), fmt.Sprintf("{as: two, when: '(%s)%s', gap: %s}", when(t), back("one"), span())}
		if rapid.Bool().Draw(t, "third") {
			steps = append(steps, fmt.Sprintf("{when: '(%s)%s'}", when(t), back(oneOf(t, "to", "one", "two"))))
		}
		return fmt.Sprintf("sequence: {by: %s, within: %s, steps: [%s]}\nsummary: 'first {one.call.args.n}'", by(), span(), strings.Join(steps, ", "))
	case rule.KindAbsence:
		return fmt.Sprintf("absence: {by: %s, after: {as: one, when: '%s'}, without: {when: '(%s)%s'}, within: %s}", by(), when(t), when(t), back("one"), span())
	case rule.KindAnomaly:
		return usual(fmt.Sprintf("of: %s, baseline: twice-the-most, false_alarms: %s", oneOf(t, "number", "event.size", "call.args.n"), oneOf(t, "accepted", "0.001", "1000000")))
	}
	panic("no rule of kind " + kind)
}

// ruleBody draws a rule, its id aside.
func ruleBody(t *rapid.T, perDefinition bool) string {
	when := condition
	if perDefinition {
		when = definitionCondition
	}
	kind := rapid.SampledFrom([]rule.Kind{
		rule.KindMatch, rule.KindCount, rule.KindDistinct, rule.KindSum, rule.KindSequence, rule.KindAbsence, rule.KindFirstSeen, rule.KindAnomaly,
	}).Draw(t, "kind")
	return strings.Join([]string{
		ofKind(t, kind, when),
		oneOf(t, "title", "title: A rule", "title: '{actor} at {server.id}'"),
		oneOf(t, "severity", "severity: low", `severity: 'server.id == "web" ? "high" : "low"'`),
		oneOf(t, "suppress", "", "", "suppress: {for: 20s}", "suppress: {by: [server.id], for: 1m}"),
		oneOf(t, "risk", "", "risk: 'call.tool == \"send\" ? 60 : 5'"),
	}, "\n") + "\n"
}

// Few rules of definitions and few in all, so that no event's budget cuts what is found.
const (
	drawnRules           = 6
	drawnDefinitionRules = 2
)

// ruleSets draws rule sets, each made of the one before: some rules go, come, change or come back. They
// are written as files and loaded.
func ruleSets(t *rapid.T, n int) []*rule.Set {
	var bodies [drawnRules][2]string
	for i := range bodies {
		for version := range bodies[i] {
			bodies[i][version] = ruleBody(t, i < drawnDefinitionRules)
		}
	}
	const absent = 2
	var chosen, first [drawnRules]int
	var sets []*rule.Set
	for range n {
		files := fstest.MapFS{"lists/tools.yaml": {Data: fmt.Appendf(nil, "name: tools\nvalues: [ask, %s]\n", oneOf(t, "listed", "read", "send"))}}
		goesBack := len(sets) == 2 && rapid.Bool().Draw(t, "goes back")
		for i := range chosen {
			if goesBack {
				chosen[i] = first[i]
			} else if len(sets) == 0 || rapid.IntRange(0, 3).Draw(t, "changes") == 0 {
				chosen[i] = rapid.IntRange(0, absent).Draw(t, "version")
			}
			if chosen[i] == absent && i != 0 {
				continue
			}
			id := fmt.Sprint("r", i)
			files[id+".yaml"] = &fstest.MapFile{Data: []byte("id: " + id + "\n" + bodies[i][chosen[i]%absent])}
			if rapid.IntRange(0, 4).Draw(t, "excepted") == 0 {
				files["exceptions/"+id+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, "id: x%d\nrules: [%s]\nwhen: '%s'\nreason: r\nowner: o\nexpires: %s\n",
					i, id, oneOf(t, "hides", `server.id == "web"`, `actor == "agent:b"`), oneOf(t, "expires", "2026-11-01", "2027-11-01"))}
			}
		}
		set, err := loader().Load(rule.Folder{Name: "drawn", Files: files})
		if err != nil {
			t.Fatal(err)
		}
		if sets = append(sets, set); len(sets) == 1 {
			first = chosen
		}
	}
	return sets
}

// withListings puts listings of tools among what happens, the same tools again and again.
func withListings(t *rapid.T, items []item) []item {
	tools := []string{
		`{"name":"mail","description":"sends a mail"}`, `{"name":"mail","description":"sends a secret"}`,
		`{"name":"list","description":"hush"}`, `{"name":"odd","description":"does nothing"}`,
	}
	var all []item
	for i := range items {
		all = append(all, items[i])
		if items[i].event.ID == "" || rapid.IntRange(0, 9).Draw(t, "lists") > 0 {
			continue
		}
		e := message(fmt.Sprint("l", i), event.ToClient, fmt.Sprintf(`{"jsonrpc":"2.0","id":"l%d","result":{"tools":[%s,%s]}}`,
			i, oneOf(t, "tool", tools...), oneOf(t, "tool", tools...)))
		e.Actor, e.Server.ID, e.Time, e.Received = items[i].event.Actor, items[i].event.Server.ID, items[i].event.Time, items[i].event.Received
		all = append(all, item{event: e})
	}
	return all
}
