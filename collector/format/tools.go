package format

import (
	"slices"

	"github.com/mcpwatch/mcpwatch/event"
)

var toolCarries = []string{event.CarriesDefinitions}

// readTool reads a tool definition, a list of them or a tools/list result, and makes of it
// the answer of a server that lists them.
func (r *Reader) readTool(root event.Value) error {
	before, after := `{"tools":[`, `]}`
	var listed []byte
	switch {
	case root.Kind() == event.Array:
		before, after, listed = `{"tools":`, `}`, root.AppendCompact(nil)
	case root.Kind() != event.Object:
		return &event.FieldError{Reason: "is no tool definition"}
	case root.Get("tools").Exists():
		before, after, listed = "", "", root.AppendCompact(nil)
	default:
		listed = definition(root)
	}
	answer := slices.Concat([]byte(`{"jsonrpc":"2.0","id":0,"result":`+before), listed, []byte(after+`}`))
	r.event(event.ToClient, answer).Request = r.request(event.Request{Method: "tools/list"})
	return nil
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
