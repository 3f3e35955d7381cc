package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

var splunkCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, "agent.host", "server.id",
}

// isSplunk reports whether an object is an event of the source type mcp:jsonrpc: a message, with
// what Splunk adds beside the message's own members.
func isSplunk(_ event.Value, s shape) bool {
	return s.isMessage() && s.texts&hasSourceType != 0 && s.texts&hasSource != 0
}

// readSplunk reads an event of Splunk's source type mcp:jsonrpc. Where its method is a tool's name,
// as in Splunk's documentation, it becomes a call of the tool. Whoever writes a message can give it
// these members: they change what is said of its context, and nothing of it goes unread.
func (r *Reader) readSplunk(root event.Value) error {
	var e event.Event
	e.Time = timeOf(root.Get("timestamp").Text())
	e.Server.ID, e.Agent.Host = root.Get("source").Text(), root.Get("host").Text()
	method := root.Get("method")
	message := splunkMessage(root)
	if name := method.Text(); name != "" && !isMethod(name) {
		message = splunkCall(root, name)
	}
	direction := r.directionOf(message)
	switch root.Get("direction").Text() {
	case "inbound":
		direction = event.ToServer
	case "outbound":
		direction = event.ToClient
	}
	r.like(&e, direction, message)
	return nil
}

// isMethod reports whether a method may be one of MCP, of which all but two have a slash.
func isMethod(name string) bool {
	return strings.Contains(name, "/") || name == "initialize" || name == "ping"
}

// splunkMessage leaves out of a record what Splunk added.
func splunkMessage(root event.Value) []byte {
	m := []byte{'{'}
	for name, member := range root.Members() {
		switch name {
		case "source", "sourcetype", "host", "direction", "timestamp", "attack_indicator":
			continue
		}
		if len(m) > 1 {
			m = append(m, ',')
		}
		m = append(append(m, quoted(name)...), ':')
		m = member.AppendCompact(m)
	}
	return append(m, '}')
}

// splunkCall is the call of a tool that a record tells of.
func splunkCall(root event.Value, tool string) []byte {
	id := unknownID
	if v := root.Get("id"); v.Exists() {
		id = v.Raw()
	}
	m := append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"method":"tools/call","params":{"name":`...)
	m = append(m, quoted(tool)...)
	if params := root.Get("params"); params.Exists() {
		m = append(m, `,"arguments":`...)
		m = params.AppendCompact(m)
	}
	return append(m, `}}`...)
}
