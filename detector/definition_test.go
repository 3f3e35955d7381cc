package detector_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector"
	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// TestDefinitionsOfOneEventHaveTheirOwnFindings holds that what rules which remember find of several
// definitions in one event are findings of different ids, in both stages: of equal ids one would be kept.
func TestDefinitionsOfOneEventHaveTheirOwnFindings(t *testing.T) {
	const tools = `{"jsonrpc":"2.0","id":%d,"result":{"tools":[{"name":"a"},{"name":"b"},{"name":"c"}]}}`
	for _, kind := range []string{
		`first_seen: {of: definition.name, when: 'definition.kind == "tool"', by: [%s], learn: 0s}`,
		`count: {when: 'definition.kind == "tool"', by: [%s], within: 1m, at_least: 1}`,
		`absence: {by: [%s], within: 5s, after: {when: 'definition.kind == "tool"'}, without: {when: 'definition.name == "z"'}}`,
		`sequence: {by: [%s], within: 1m, steps: [{as: one, when: 'event.id == "e1" && definition.kind == "tool"'}, {when: 'event.id == "e2" && definition.name == one.definition.name'}]}`,
	} {
		for _, by := range []string{"actor", "server.id"} {
			set, _ := oneRule(t, fmt.Sprintf(kind, by)+"\n")
			d := detector.New(set)
			ids, found := map[string]bool{}, 0
			for i := range 2 {
				e := message(fmt.Sprint("e", i+1), event.ToClient, fmt.Sprintf(tools, i))
				for _, f := range d.Process(int64(i), &e) {
					ids[f.ID] = true
					found++
				}
			}
			for _, f := range d.Tick(noon.Add(time.Hour)) {
				ids[f.ID] = true
				found++
			}
			if found < 3 || len(ids) != found {
				t.Errorf(kind+": %d findings of %d ids", by, found, len(ids))
			}
		}
	}
}

// TestStepsOnEventsAndOnDefinitions holds that a step which reads no definition is asked of events that
// define nothing, though another step of its rule reads one.
func TestStepsOnEventsAndOnDefinitions(t *testing.T) {
	const tools = `{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"list"},{"name":"read"}]}}`
	for text, want := range map[string][2]int{ // found where the tool is called, and where it is not
		`sequence: {by: [actor], within: 1m, steps: [{as: one, when: 'definition.name == "read"'}, {when: 'call.tool == one.definition.name'}]}`: {1, 0},
		`sequence: {by: [actor], within: 1m, steps: [{as: one, when: 'definition.name == "read"'}, {when: 'call.tool == "read"'}]}`:              {1, 0},
		`absence: {by: [actor], within: 1m, after: {when: 'definition.name == "read"'}, without: {when: 'call.tool == "read"'}}`:                 {0, 1},
		`absence: {by: [server.id], within: 1m, after: {when: 'definition.name == "read"'}, without: {when: 'call.tool == "read"'}}`:             {0, 1},
	} {
		set, p := oneRule(t, text+"\n")
		for n, tool := range []string{"read", "other"} {
			for name, of := range map[string]*rule.Set{"indexed": set, "plain": set.Plain()} {
				d := detector.New(of)
				listed, call := message("e1", event.ToClient, tools), toolCall(2, "files", tool, 5)
				found := d.Process(1, &listed)
				found = append(found, d.Process(2, &call)...)
				x, err := d.Engine.Explain(p)
				if err != nil || len(x) != 1 {
					t.Errorf("%s, %s: explained by %+v, %v", text, tool, x, err)
				}
				if found = append(found, d.Tick(noon.Add(time.Hour))...); len(found) != want[n] {
					t.Errorf("%s, %s, %s: %d found, want %d", text, tool, name, len(found), want[n])
				}
			}
		}
	}
}

// TestWordsMakeNoRuleOfDefinitions holds that a rule whose words alone read a definition is asked of events.
func TestWordsMakeNoRuleOfDefinitions(t *testing.T) {
	set, p := oneRule(t, "match: call.tool == \"rm\"\nsummary: 'defined as {definition.name}'\n")
	e := toolCall(1, "s", "rm", 0)
	if found := detector.New(set).Process(1, &e); p.PerDefinition || len(found) != 1 || found[0].Summary != "defined as ?" {
		t.Errorf("per definition %t, found %+v", p.PerDefinition, found)
	}
}
