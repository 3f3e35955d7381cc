package format

import (
	"github.com/mcpwatch/mcpwatch/event"
)

// messageCarries is what a message and an envelope around it can carry.
var messageCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions, event.CarriesMessages,
	event.CarriesSession, event.CarriesTransport, "agent.name", "server.id",
}

// readMessage reads a JSON-RPC message, bare or in the "message" of somebody's envelope,
// of which time, session, direction, a server's name and http's status and method are
// understood. One of HTTP that brought no message is an activity. Where nothing
// says which way a message went, a client's methods go to the server, the server's own
// and all answers to the client.
func (r *Reader) readMessage(root event.Value) error {
	body, raw, shape := root, "", shapeOf(root)
	wrapped := !shape.isMessage()
	if wrapped {
		if inner := root.Get("message"); inner.Exists() {
			body = inner
		} else if raw = root.Get("raw").Text(); raw != "" {
			body = event.Value{}
		}
	}
	if shape.isExchange() {
		readEnvelope(r.event(event.ToServer, nil), root)
		r.made[len(r.made)-1].Activity = exchangeActivity(root.Get("http"))
		return nil
	}
	e := r.event(event.ToServer, body.AppendCompact(nil))
	e.Raw = raw
	e.Direction = r.directionOf(e.Message)
	if wrapped {
		readEnvelope(e, root)
	}
	return nil
}

func readEnvelope(e *event.Event, root event.Value) {
	e.Session = root.Get("session").Text()
	e.Server.ID = root.Get("server").Text()
	e.Agent.Name = root.Get("client").Text()
	e.Transport = root.Get("transport").Text()
	e.Time, _ = root.Get("time").Time()
	e.HTTP.Status, e.HTTP.Method = status(root.Get("http", "status")), root.Get("http", "method").Text()
	switch root.Get("direction").Text() {
	case "client_to_server", "to_server":
		e.Direction = event.ToServer
	case "server_to_client", "to_client":
		e.Direction = event.ToClient
	}
}

// exchangeActivity is what an HTTP request or response without a message tells of.
func exchangeActivity(http event.Value) string {
	switch method := http.Get("method").Text(); {
	case http.Get("status").Exists():
		return "http_response"
	case method == "GET":
		return "stream_start"
	case method == "DELETE":
		return "session_end"
	}
	return "http_request"
}

func (r *Reader) directionOf(message []byte) event.Direction {
	m, err := r.parser.Parse(message)
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
