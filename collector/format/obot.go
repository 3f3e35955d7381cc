package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

var obotCarries = []string{
	event.CarriesCalls, event.CarriesTrace, "agent.id", "agent.name", "agent.host", "agent.user", "principal.subject",
	"server.id", "http.client_ip", "measured.duration_ms", event.CarriesOutcome, event.CarriesActivity,
}

// isObot reports whether an object is an event of the audit log.
func isObot(_ event.Value, s shape) bool {
	const parts = hasActor | hasAction | hasOutcome
	return s.isLog() && s.texts&hasObotType != 0 && s.has&parts == parts && s.texts&parts == 0
}

// readObot reads an event of Obot's audit log. The layout is that of an example in its issues.
// Obot says who acts; what the agent reports of itself is the rest. An operation that is no
// method of MCP is an activity.
func (r *Reader) readObot(root event.Value) error {
	var e event.Event
	e.Time = timeOf(root.Get("timestamp", "occurredAt").Text())
	details := root.Get("details")
	actor, target := root.Get("actor"), root.Get("target")
	switch id := actor.Get("id").Text(); actor.Get("actorType").Text() {
	case "device":
		e.Agent.ID = id
	case "user":
		e.Principal.Subject = id
	}
	e.Agent.Name = root.Get("client").Text()
	e.Agent.Host, e.Agent.User = details.Get("device", "hostname").Text(), details.Get("device", "localUsername").Text()
	if strings.Contains(target.Get("targetType").Text(), "server") {
		e.Server.ID = target.Get("name").Text()
	}
	e.Trace = details.Get("trace", "toolUseID").Text()
	e.HTTP.ClientIP = addressOf(details.Get("network", "clientIP").Text())
	e.Measured.DurationMS = millis(root.Get("outcome", "durationMs"))
	e.Outcome = obotOutcome(root.Get("outcome"))
	operation, name := root.Get("action", "operation").Text(), root.Get("action", "name").Text()
	if strings.Contains(operation, "/") || operation == "initialize" || operation == "ping" {
		r.like(&e, event.ToServer, asked(unknownID, operation, name))
	} else {
		r.tells(&e, word(root.Get("eventType").Text()))
	}
	r.identify(scalar(root.Get("id")))
	return nil
}

func obotOutcome(v event.Value) event.Outcome {
	o := event.Outcome{Reason: v.Get("error").Text()}
	switch v.Get("status").Text() {
	case "success":
		o.Status = event.OutcomeSuccess
	case "failure", "failed", "timeout", "canceled", "cancelled":
		o.Status = event.OutcomeFailure
	case "error":
		o.Status = event.OutcomeError
	case "denied", "blocked":
		o.Status = event.OutcomeDenied
	case "unknown":
		o.Status = event.OutcomeUnknown
	}
	return o
}
