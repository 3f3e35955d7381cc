package format

import (
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

// readMessage reads a JSON-RPC message, bare or in the "message" of somebody's envelope,
// of which time, session, direction and a server's name are understood. Where nothing
// says which way a message went, a client's methods go to the server, the server's own
// and all answers to the client.
func readMessage(record []byte, limits event.Limits) (event.Event, error) {
	var parser event.Parser
	root, err := parser.ParseValue(record)
	if err != nil {
		return event.Event{}, &event.FieldError{Reason: "is not JSON"}
	}
	body, raw := record, ""
	wrapped := !isMessage(root)
	if wrapped {
		if inner := root.Get("message"); inner.Exists() {
			body = inner.AppendCompact(nil)
		} else if raw = root.Get("raw").Text(); raw != "" {
			body = nil
		}
	}
	e := message(JSONRPC, event.ToServer, body, event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions)
	e.Raw = raw
	e.Direction = directionOf(&e)
	if wrapped {
		readEnvelope(&e, root)
	}
	return bounded(&e, limits)
}

// isMessage reports whether an object is a JSON-RPC message itself rather than the
// envelope of one. Some writers leave "jsonrpc" out.
func isMessage(root event.Value) bool {
	has := func(name string) bool { return root.Get(name).Exists() }
	return has("jsonrpc") || has("method") && (has("params") || has("id")) || has("result") && has("id")
}

// bounded holds an event that a reader made to the limits of a shipped one.
func bounded(e *event.Event, limits event.Limits) (event.Event, error) {
	data, err := event.Encode(nil, e)
	if err != nil {
		return event.Event{}, &event.FieldError{Reason: "is not JSON"}
	}
	return event.Decode(data, event.Limits{Bytes: limits.Bytes + 4096, Depth: limits.Depth + 4})
}

func readEnvelope(e *event.Event, root event.Value) {
	e.Session = root.Get("session").Text()
	e.Server.ID = root.Get("server").Text()
	e.Agent.Name = root.Get("client").Text()
	e.Transport = root.Get("transport").Text()
	if t, err := time.Parse(time.RFC3339Nano, root.Get("time").Text()); err == nil {
		e.Time = t
	}
	switch root.Get("direction").Text() {
	case "client_to_server", "to_server":
		e.Direction = event.ToServer
	case "server_to_client", "to_client":
		e.Direction = event.ToClient
	}
}

func directionOf(e *event.Event) event.Direction {
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err == nil && (m.Kind == event.KindResponse || m.Kind == event.KindError || fromServer(m.Method)) {
		return event.ToClient
	}
	return event.ToServer
}

// fromServer reports whether a method is one that servers send.
func fromServer(method string) bool {
	switch method {
	case "sampling/createMessage", "elicitation/create", "roots/list",
		"notifications/message", "notifications/tools/list_changed", "notifications/prompts/list_changed",
		"notifications/resources/list_changed", "notifications/resources/updated", "notifications/elicitation/complete":
		return true
	}
	return false
}
