package format

import (
	"cmp"
	"strconv"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

var agentgatewayCarries = []string{
	event.CarriesCalls, event.CarriesSession, event.CarriesTrace, event.CarriesTransport, "server.id", "principal.subject",
	"http.client_ip", "http.method", "http.status", "measured.duration_ms", event.CarriesOutcome, event.CarriesActivity,
}

// isAgentgateway reports whether an object is a line of the JSON log.
func isAgentgateway(_ event.Value, s shape) bool {
	const line = hasLevel | hasTime | hasScope
	return s.isLog() && s.texts&line == line
}

// readAgentgateway reads a line of agentgateway's log: a request and how it ended, all that is
// known of it in flat dotted members. Lines that are no request's tell of nothing. The layout is
// that of its source.
func (r *Reader) readAgentgateway(root event.Value) error {
	if root.Get("scope").Text() != "request" {
		return nil
	}
	text := func(name string) string { return root.Get(name).Text() }
	method := text("mcp.method.name")
	if method == "" && text("protocol") != "mcp" {
		return nil
	}
	var e event.Event
	e.Time = timeOf(text("time"))
	e.Server.ID = text("mcp.target")
	e.Principal.Subject = text("jwt.sub")
	e.Session, e.Trace, e.Transport = text("mcp.session.id"), text("trace.id"), "http"
	e.HTTP.Status, e.HTTP.Method = status(root.Get("http.status")), text("http.method")
	e.HTTP.ClientIP = addressOf(text("src.addr"))
	took, _ := time.ParseDuration(text("duration"))
	measured := event.Measured{DurationMS: took.Milliseconds()}
	code, hasCode := errorCode(root.Get("mcp.error.code"))
	outcome := event.Outcome{Status: outcomeOf(e.HTTP.Status)}
	if hasCode || text("mcp.error.message") != "" {
		outcome = event.Outcome{Status: cmp.Or(outcome.Status, event.OutcomeFailure), Reason: text("mcp.error.message")}
	}
	name := cmp.Or(text("gen_ai.tool.name"), text("gen_ai.prompt.name"), text("mcp.resource.uri"))
	switch {
	case method != "":
		r.like(&e, event.ToServer, asked(unknownID, method, name))
	case e.HTTP.Method == "DELETE":
		r.tells(&e, "session_end")
	case e.HTTP.Method == "GET":
		r.tells(&e, "stream_start")
	default:
		r.tells(&e, "http_request")
	}
	if method != "" && hasCode {
		answer := r.like(&e, event.ToClient, failed(unknownID, code, text("mcp.error.message")))
		answer.Request = r.request(event.Request{Method: method, Name: name})
	}
	last := &r.made[len(r.made)-1]
	last.Outcome, last.Measured = outcome, measured
	return nil
}

// errorCode is a JSON-RPC error code, written as a number or a text.
func errorCode(v event.Value) (code int64, ok bool) {
	code, err := strconv.ParseInt(scalar(v), 10, 64)
	return code, err == nil
}
