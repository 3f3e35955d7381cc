package format

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

var flatCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesSession, event.CarriesTransport,
	"agent.id", "agent.name", "agent.version", "server.id", "http.client_ip", event.CarriesMeasured,
}

// flatCall is the members of a flat record that are understood; all others are left out.
type flatCall struct {
	method, tool, direction string
	id                      event.Value
	arguments, argsText     event.Value
	resultText              event.Value
	failed                  bool
}

// readFlat reads a record that says in one object all that is known of a call:
//
//	@timestamp or time      when it was
//	event_id or id          names the record for ever
//	actor                   the agent's id
//	client                  the agent's name, or an object of its name and version
//	session, transport      as in an event
//	server                  the server's id
//	src_ip                  the client's address
//	method, tool            the JSON-RPC method, and whom it calls by name
//	arguments or args_text  what is sent: an object, or else its text
//	result_text, is_error   what comes back
//	direction               request or response; without it, a record with a result is a response
//	duration_ms, size       how long it took, and the bytes of the result
//	jsonrpc                 an object with the message's id
//
// A response becomes an answer with its request beside it, and so does a record that has a result
// and says that it is a request: nothing may go unread.
func (r *Reader) readFlat(root event.Value) error {
	if root.Kind() != event.Object {
		return &event.FieldError{Reason: "is no flat log of a call"}
	}
	e := r.event(event.ToServer, nil)
	var call flatCall
	for name, value := range root.Members() {
		if !flatContext(e, name, value) {
			call.read(name, value)
		}
	}
	if call.isAnswer() {
		e.Direction, e.Message = event.ToClient, call.answer()
		e.Request = r.request(event.Request{Method: call.method, Name: call.tool, Arguments: call.sent()})
		return nil
	}
	e.Message = call.question()
	return nil
}

// flatContext takes a member for what it says of the call's context, if it does.
func flatContext(e *event.Event, name string, value event.Value) bool {
	switch name {
	case "@timestamp", "time":
		e.Time, _ = value.Time()
	case "event_id", "id":
		e.ID = value.Text()
	case "actor":
		e.Agent.ID = value.Text()
	case "client":
		e.Agent.Name, e.Agent.Version = value.Text(), value.Get("version").Text()
		if value.Kind() == event.Object {
			e.Agent.Name = value.Get("name").Text()
		}
	case "session":
		e.Session = value.Text()
	case "transport":
		e.Transport = value.Text()
	case "server":
		e.Server.ID = value.Text()
	case "src_ip":
		e.HTTP.ClientIP = value.Text()
	case "duration_ms":
		e.Measured.DurationMS, _ = value.Int()
	case "size":
		e.Measured.Size, _ = value.Int()
	default:
		return false
	}
	return true
}

func (c *flatCall) read(name string, value event.Value) {
	switch name {
	case "method":
		c.method = value.Text()
	case "tool":
		c.tool = value.Text()
	case "jsonrpc":
		c.id = value.Get("id")
	case "arguments":
		c.arguments = value
	case "args_text":
		c.argsText = value
	case "result_text":
		c.resultText = value
	case "is_error":
		c.failed = value.Bool()
	case "direction":
		c.direction = value.Text()
	}
}

func (c *flatCall) isAnswer() bool {
	switch c.direction {
	case "response":
		return true
	case "request":
		return c.resultText.Kind() == event.String && c.resultText.Text() != "" || c.resultText.Kind() > event.String
	default:
		return c.resultText.Exists()
	}
}

// sent is the call's arguments: as they are, or what there is of their text.
func (c *flatCall) sent() jsontext.Value {
	switch {
	case c.arguments.Kind() > event.Null:
		return c.arguments.Raw()
	case !c.argsText.Exists():
		return nil
	}
	text := c.argsText.Raw()
	wrapped := make([]byte, 0, len(`{"text":}`)+len(text))
	return append(append(append(wrapped, `{"text":`...), text...), '}')
}

// question is the request that the record tells of.
func (c *flatCall) question() jsontext.Value {
	sent := c.sent()
	method, name := quoted(c.method), quoted(c.tool)
	m := c.begin(len(method) + len(name) + len(sent))
	m = append(append(m, `,"method":`...), method...)
	m = append(append(append(m, `,"params":{"`...), nameOf(c.method)...), `":`...)
	m = append(m, name...)
	if sent != nil {
		m = append(append(m, `,"arguments":`...), sent...)
	}
	return append(m, `}}`...)
}

// nameOf is the member of a method's params that names what it is about.
func nameOf(method string) string {
	if strings.HasPrefix(method, "resources/") {
		return "uri"
	}
	return "name"
}

// answer is the answer that the record tells of.
func (c *flatCall) answer() jsontext.Value {
	text := c.resultText.Raw()
	m := append(c.begin(len(text)), `,"result":{"content":[`...)
	if text != nil {
		m = append(append(append(m, `{"text":`...), text...), '}')
	}
	m = append(m, ']')
	if c.failed {
		m = append(m, `,"isError":true`...)
	}
	return append(m, `}}`...)
}

// begin begins a message with room for so much and what goes around it.
func (c *flatCall) begin(room int) []byte {
	id := c.id.Raw()
	m := make([]byte, 0, room+len(id)+len(`{"jsonrpc":"2.0","id":,"method":,"params":{"name":,"arguments":}}`))
	m = append(m, `{"jsonrpc":"2.0"`...)
	if id != nil {
		m = append(append(m, `,"id":`...), id...)
	}
	return m
}

func quoted(s string) []byte {
	q, _ := jsontext.AppendQuote(nil, s) // it is valid UTF-8
	return q
}
