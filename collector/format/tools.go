package format

import (
	"slices"

	"github.com/mcpwatch/mcpwatch/event"
)

// readTool reads a tool definition, a list of them or a tools/list result, and makes of it
// the answer of a server that lists them.
func readTool(record []byte, limits event.Limits) (event.Event, error) {
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return event.Event{}, &event.FieldError{Reason: "is not JSON"}
	}
	before, after := `{"tools":[`, `]}`
	switch {
	case root.Kind() == event.Array:
		before, after = `{"tools":`, `}`
	case root.Kind() != event.Object:
		return event.Event{}, &event.FieldError{Reason: "is no tool definition"}
	case root.Get("tools").Exists():
		before, after = "", ""
	default:
		record = definition(root)
	}
	answer := slices.Concat([]byte(`{"jsonrpc":"2.0","id":0,"result":`+before), record, []byte(after+`}`))
	e := message(Tools, event.ToClient, answer, event.CarriesDefinitions)
	e.Request = &event.Request{Method: "tools/list"}
	return bounded(&e, limits)
}

// definition leaves out of a record what no tool definition has: a catalogue's own columns
// are not what a model reads.
func definition(root event.Value) []byte {
	kept := []byte{'{'}
	for name, member := range root.Members() {
		switch name {
		case "name", "title", "description", "icons", "inputSchema", "outputSchema", "annotations", "execution", "_meta":
			if len(kept) > 1 {
				kept = append(kept, ',')
			}
			kept = append(append(append(kept, '"'), name...), '"', ':')
			kept = member.AppendCompact(kept)
		}
	}
	return append(kept, '}')
}
