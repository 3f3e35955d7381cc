package detector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestALoadedListIsAList holds that a list that was read from a file can be used as any list can.
func TestALoadedListIsAList(t *testing.T) {
	files := fstest.MapFS{
		"lists/hosts.txt":   {Data: []byte("evil.example\n")},
		"lists/words.yaml":  {Data: []byte("name: words\ndescription: Words.\nvalues: [alpha, beta]\n")},
		"lists/single.yaml": {Data: []byte("name: single\ndescription: One.\nvalues: [beta]\n")},
	}
	for id, match := range map[string]string{
		"listed": `hosts(call.args_text).exists(h, listed(h, lists.hosts))`,
		"exists": `lists.single.exists(w, call.args_text.contains(w))`,
		"size":   `lists.words.size() == 2 && call.tool == "read"`,
		"place":  `lists.words[0] == "alpha" && call.tool == "read"`,
		"in":     `"beta" in lists.words && call.tool == "read"`,
		"plus":   `call.tool in lists.words + ["read"]`,
	} {
		files[id+".yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil, "id: %s\ntitle: T\nseverity: low\nmatch: '%s'\n", id, match)}
	}
	set, err := rule.Load(rule.Folder{Name: "test", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	e := message("e", event.ToServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"url":"http://www.evil.example/beta"}}}`)
	var found []string
	for _, f := range detector.NewEngine(set).Process(0, &e).Findings {
		found = append(found, f.Rule)
	}
	slices.Sort(found)
	if want := []string{"exists", "in", "listed", "place", "plus", "size"}; !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

// TestTextsOfTheEventOutliveADefinition holds that a text of the event that is first read while a
// definition is shown stays what it is while the next one is.
func TestTextsOfTheEventOutliveADefinition(t *testing.T) {
	set := rulesOf(t, map[string]string{
		"r": `severity: low` + "\n" + `match: 'definition.name == "send" && definition.text.contains("mail") && result.text.contains("zebra")'`,
	})
	tools := []string{
		`{"name":"read","description":"a zebra mail"}`,
		`{"name":"send","description":"mail of an animal whose name is long"}`,
	}
	for range 2 {
		e := message("e", event.ToClient, `{"jsonrpc":"2.0","id":1,"result":{"tools":[`+strings.Join(tools, ",")+`]}}`)
		if found := detector.NewEngine(set).Process(0, &e).Findings; len(found) != 1 {
			t.Errorf("%d findings with the tools as %s", len(found), tools)
		}
		slices.Reverse(tools)
	}
}

// TestOrdinaryRulesAreNotCutByTheBudget holds that what the rules themselves ask of every event, and
// what only counts, is not taken for an attack.
func TestOrdinaryRulesAreNotCutByTheBudget(t *testing.T) {
	const many = 200
	for name, body := range map[string]string{
		"counts":    `count: {when: 'event.kind == "request"', by: [actor], within: 1m, at_least: 100}`,
		"arguments": `match: 'call.tool == "bash" && call.args.command.contains("word%d ")'`,
	} {
		rules := map[string]string{}
		for i := range many {
			if strings.Contains(body, "%d") {
				rules[fmt.Sprint(name, i)] = "severity: low\n" + fmt.Sprintf(body, i)
			} else {
				rules[fmt.Sprint(name, i)] = "severity: low\n" + body
			}
		}
		engine := detector.NewEngine(rulesOf(t, rules))
		e := message("e", event.ToServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bash","arguments":{"command":"ls word199 "}}}`)
		out := engine.Process(0, &e)
		if c := engine.Counts(); c.UnjudgedRules != 0 {
			t.Errorf("%s: %d of %d rules are left out", name, c.UnjudgedRules, many)
		}
		if name == "arguments" && len(out.Findings) != 1 {
			t.Errorf("%d findings, want that of the last rule", len(out.Findings))
		}
	}
}

// TestLongArgumentsAreOnTheBudget holds that rules on one argument cannot be made to read a megabyte
// each.
func TestLongArgumentsAreOnTheBudget(t *testing.T) {
	rules := map[string]string{}
	for i := range 60 {
		rules[fmt.Sprint("r", i)] = fmt.Sprintf("severity: low\nmatch: 'call.args.x.contains(\"word%d\")'", i)
	}
	engine := detector.NewEngine(rulesOf(t, rules))
	e := message("e", event.ToServer, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bash","arguments":{"x":"`+strings.Repeat("a", 1<<20)+`word1"}}}`)
	found := engine.Process(0, &e).Findings
	if c := engine.Counts(); c.UnjudgedRules < 30 || !e.HasMark(rule.RulesNotJudged) {
		t.Errorf("%d rules are left out, the event is marked %v", c.UnjudgedRules, e.Marks)
	}
	if len(found) != 1 || found[0].Rule != "r1" {
		t.Errorf("found %v, want what the end of the text shows to a rule that was asked", found)
	}
}
