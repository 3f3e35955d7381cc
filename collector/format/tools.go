package format

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/mcpwatch/mcpwatch/event"
)

// readTool reads a tool definition, or a tools/list result, and makes of it the answer of
// a server that lists it.
func readTool(record []byte, limits event.Limits) (event.Event, error) {
	var parser fastjson.Parser
	root, err := parser.ParseBytes(record)
	if err != nil {
		return event.Event{}, &event.FieldError{Reason: "is not JSON"}
	}
	var answer bytes.Buffer
	if tools := event.Get(root, "tools"); tools != nil {
		answer.WriteString(`{"jsonrpc":"2.0","id":0,"result":`)
		answer.Write(record)
		answer.WriteString(`}`)
	} else {
		answer.WriteString(`{"jsonrpc":"2.0","id":0,"result":{"tools":[`)
		answer.Write(record)
		answer.WriteString(`]}}`)
	}
	e := message(Tools, event.ToClient, answer.Bytes(), event.CarriesDefinitions)
	e.Request = &event.Request{Method: "tools/list"}
	return bounded(&e, limits)
}
