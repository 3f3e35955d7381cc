package format

import (
	"slices"

	"github.com/valyala/fastjson"

	"github.com/mcpwatch/mcpwatch/event"
)

// readTool reads a tool definition, a list of them or a tools/list result, and makes of it
// the answer of a server that lists them.
func readTool(record []byte, limits event.Limits) (event.Event, error) {
	var parser fastjson.Parser
	root, err := parser.ParseBytes(record)
	if err != nil {
		return event.Event{}, &event.FieldError{Reason: "is not JSON"}
	}
	before, after := `{"tools":[`, `]}`
	switch {
	case root.Type() == fastjson.TypeArray:
		before, after = `{"tools":`, `}`
	case root.Type() != fastjson.TypeObject:
		return event.Event{}, &event.FieldError{Reason: "is no tool definition"}
	case event.Get(root, "tools") != nil:
		before, after = "", ""
	default:
		record = definition(root).MarshalTo(nil)
	}
	answer := slices.Concat([]byte(`{"jsonrpc":"2.0","id":0,"result":`+before), record, []byte(after+`}`))
	e := message(Tools, event.ToClient, answer, event.CarriesDefinitions)
	e.Request = &event.Request{Method: "tools/list"}
	return bounded(&e, limits)
}

// definition leaves out of a record what no tool definition has: a catalogue's own columns
// are not what a model reads.
func definition(root *fastjson.Value) *fastjson.Value {
	var foreign []string
	root.GetObject().Visit(func(key []byte, _ *fastjson.Value) {
		switch string(key) {
		case "name", "title", "description", "icons", "inputSchema", "outputSchema", "annotations", "execution", "_meta":
		default:
			foreign = append(foreign, string(key))
		}
	})
	for _, key := range foreign {
		root.Del(key)
	}
	return root
}
