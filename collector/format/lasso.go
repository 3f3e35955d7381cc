package format

import (
	"github.com/mcpwatch/mcpwatch/event"
)

var lassoCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesTrace, "server.id",
}

// isLasso reports whether an object is a row of the gateway's tracking.
func isLasso(_ event.Value, s shape) bool {
	const row = hasCapabilityType | hasCapabilityName
	return s.isLog() && s.texts&row == row
}

// readLasso reads a row of the tracking of Lasso's MCP gateway: a call and its answer. Its arguments
// are columns of their own beside the others: one that is called as another is can't be there. The
// layout is that of its readme.
func (r *Reader) readLasso(root event.Value) error {
	var e event.Event
	e.Time = timeOf(root.Get("timestamp").Text())
	e.Server.ID = root.Get("server_name").Text()
	e.Trace = root.Get("call_id").Text()
	name := root.Get("capability_name").Text()
	method := dockerMethod(root.Get("capability_type").Text())
	if method == "" {
		return nil
	}
	arguments := lassoArguments(root)
	if method == "resources/read" {
		r.like(&e, event.ToServer, asked(unknownID, method, name))
	} else {
		m := append([]byte(`{"jsonrpc":"2.0","id":0,"method":"`+method+`","params":{"name":`), quoted(name)...)
		m = append(append(m, `,"arguments":`...), arguments...)
		r.like(&e, event.ToServer, append(m, `}}`...))
	}
	text := root.Get("content_text")
	if text.Kind() != event.String {
		return nil
	}
	answer := append([]byte(`{"jsonrpc":"2.0","id":0,"result":{"content":[{"type":"text","text":`), text.Raw()...)
	answer = append(answer, `}]`...)
	failed := root.Get("isError")
	if n, ok := failed.Int(); ok && n != 0 || failed.Bool() {
		answer = append(answer, `,"isError":true`...)
	}
	r.like(&e, event.ToClient, append(answer, `}}`...)).Request = r.request(event.Request{Method: method, Name: name, Arguments: arguments})
	return nil
}

// lassoArguments is the object of the columns that are none of the gateway's.
func lassoArguments(root event.Value) []byte {
	m := []byte{'{'}
	for name, member := range root.Members() {
		switch name {
		case "timestamp", "date", "track_id", "call_id", "server_name", "capability_type", "capability_name", "response_type", "isError", "content_type", "content_text":
			continue
		}
		if member.Kind() == event.Null {
			continue // a column that other rows have
		}
		if len(m) > 1 {
			m = append(m, ',')
		}
		m = append(append(m, quoted(name)...), ':')
		m = member.AppendCompact(m)
	}
	return append(m, '}')
}
