package format

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

var envoyCarries = []string{
	event.CarriesSession, event.CarriesTrace, event.CarriesTransport, "server.id", "http.client_ip", "http.method",
	"http.status", event.CarriesMeasured, event.CarriesOutcome, event.CarriesActivity,
}

// isEnvoy reports whether an object is a line of an access log. Its members are the operator's
// choice, those are in the documented ones.
func isEnvoy(_ event.Value, s shape) bool {
	return s.isLog() && s.has&hasStartTime != 0 && s.has&(hasResponseCode|hasMCPMethod|hasMCPProvider) != 0
}

// readEnvoy reads a line of the access log of Envoy AI Gateway: one HTTP exchange. What is no
// exchange of MCP tells of nothing. The layout is that of its documentation.
func (r *Reader) readEnvoy(root event.Value) error {
	var e event.Event
	e.Time = timeOf(root.Get("start_time").Text())
	e.Server.ID = firstOf(root.Get("mcp.provider.name").Text())
	e.Session = root.Get("mcp.session.id").Text()
	e.Trace = root.Get("x-request-id").Text()
	e.Transport = "http"
	e.HTTP.Status, e.HTTP.Method = status(root.Get("response_code")), root.Get("method").Text()
	e.HTTP.ClientIP = addressOf(root.Get("downstream_remote_address").Text())
	e.HTTP.Headers = userAgent(root.Get("user-agent").Text())
	e.Measured.DurationMS, e.Measured.Size = millis(root.Get("duration")), millis(root.Get("bytes_sent"))
	e.Outcome.Status = outcomeOf(e.HTTP.Status)
	switch method := root.Get("mcp.method.name").Text(); {
	case method != "":
		r.like(&e, event.ToServer, asked(envoyID(root.Get("jsonrpc.request.id")), method, root.Get("gen_ai.tool.name").Text()))
	case e.Session != "" && e.HTTP.Method == "DELETE":
		r.tells(&e, "session_end")
	case e.Server.ID != "" && e.Outcome.Status == event.OutcomeDenied:
		r.tells(&e, "http_request")
	}
	return nil
}

// envoyID is a request's id, which is written as a text whatever it was. A text of digits is taken
// for the number that it most often is.
func envoyID(v event.Value) jsontext.Value {
	switch text := v.Text(); {
	case v.Kind() == event.Number:
		return v.Raw()
	case text == "":
		return unknownID
	case isDigits(text):
		return jsontext.Value(text)
	default:
		return quoted(text)
	}
}

// isDigits reports whether a text is a whole number as JSON writes it.
func isDigits(text string) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text == "0" || text[0] != '0' && len(text) < 19
}
