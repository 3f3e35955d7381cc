package format

import (
	"strconv"

	"github.com/mcpwatch/mcpwatch/event"
)

var kuadrantCarries = []string{
	event.CarriesCalls, event.CarriesSession, event.CarriesTrace, event.CarriesTransport, "server.id", "principal.subject",
	"http.status", event.CarriesOutcome,
}

// isKuadrant reports whether a line tells of a call. Other lines of the router's log look like
// anybody's.
func isKuadrant(line []byte) bool {
	if !isSlog(line) {
		return false
	}
	message, ok := slogMessage(head(line))
	return ok && message == "tool call"
}

// head is as much of a line as it takes to know its format.
func head(line []byte) string { return string(line[:min(len(line), 512)]) }

// readKuadrant reads a line of the router of Kuadrant's MCP gateway: a call of a tool and the HTTP
// status that it ended with. All else in its log tells of nothing. The layout is that of its guide
// on auditing.
func (r *Reader) readKuadrant(record []byte) error {
	line := string(record)
	if message, ok := slogMessage(line); !ok || message != "tool call" {
		return nil
	}
	var context event.Event
	var user, tool string
	audit := false
	for key, value := range logfmt(line) {
		switch key {
		case "audit":
			audit = value == "true"
		case "time":
			context.Time = timeOf(value)
		case "user":
			user = value
		case "tool":
			tool = value
		case "server":
			context.Server.ID = value
		case "status":
			context.HTTP.Status, _ = strconv.Atoi(value)
		case "request_id":
			context.Trace = value
		case "session":
			context.Session = value
		}
	}
	if !audit {
		return nil
	}
	if context.HTTP.Status != 401 { // else the token that names the user was not taken
		context.Principal.Subject = user
	}
	context.Transport = "http"
	context.Outcome.Status = outcomeOf(context.HTTP.Status)
	r.like(&context, event.ToServer, asked(unknownID, "tools/call", tool))
	return nil
}
