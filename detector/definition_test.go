package detector_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector"
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
