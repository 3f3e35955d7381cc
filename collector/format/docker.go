package format

import (
	"bytes"
	"strings"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

var dockerCarries = []string{
	event.CarriesCalls, event.CarriesTransport, "agent.name", "agent.version", "server.id", "measured.duration_ms", event.CarriesOutcome, event.CarriesActivity,
}

// isDocker reports whether an object is an audit event of a policy.
func isDocker(_ event.Value, s shape) bool {
	const audit = hasTrigger | hasTargetType
	return s.isLog() && s.texts&audit == audit
}

// readDocker reads an audit event of a policy of Docker's MCP Gateway: what was asked for and
// whether it was denied; of what was allowed nobody says how it ended. The layout is that of its
// source, pkg/policy.
func (r *Reader) readDocker(root event.Value) error {
	text := func(name string) string { return root.Get(name).Text() }
	var e event.Event
	e.Time = timeOf(text("timestamp"))
	e.Server.ID = text("server_name")
	e.Agent.Name, e.Agent.Version = text("client_name"), text("client_version")
	e.Session, e.Trace, e.Transport = text("session_id"), text("trace_id"), transportOf(text("transport"))
	e.Outcome = event.Outcome{Reason: because(text("outcome_reason"), text("reason"))}
	switch text("result") {
	case "denied", "deny", "blocked":
		e.Outcome.Status = event.OutcomeDenied
	case "error", "failed":
		e.Outcome.Status = event.OutcomeError
	}
	method := dockerMethod(text("target_type"))
	if text("trigger") != "invoke" || method == "" {
		r.tells(&e, "policy_decision").Outcome.Reason = because(text("trigger"), text("target_type"), text("tool_name"), e.Outcome.Reason)
		return nil
	}
	r.like(&e, event.ToServer, asked(unknownID, method, text("tool_name")))
	return nil
}

func dockerMethod(target string) string {
	switch target {
	case "tool":
		return "tools/call"
	case "prompt":
		return "prompts/get"
	case "resource":
		return "resources/read"
	}
	return ""
}

const (
	dockerCall    = "- Calling tool "
	dockerTook    = "> Calling tool "
	dockerReading = "- Reading configuration" // with which the log begins
)

// isDockerLine reports whether a line is of the gateway's own log.
func isDockerLine(line []byte) bool {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] != '-' && line[0] != '>' {
		return false
	}
	text := head(line)
	return strings.HasPrefix(text, dockerCall) || strings.HasPrefix(text, dockerTook) || strings.HasPrefix(text, dockerReading)
}

// readDockerLine reads a line of the gateway's own log: a call, whose arguments are only described,
// or how long it took. The layout is that of pkg/interceptors. A line has no time and no id, and a
// tool's name stands there unescaped, so each event is marked "forgeable".
func (r *Reader) readDockerLine(record []byte) error {
	line := strings.TrimSpace(string(record))
	context := event.Event{Marks: []string{forgeable}}
	if call, ok := strings.CutPrefix(line, dockerCall); ok {
		name, _, _ := strings.Cut(call, " with arguments: ")
		r.like(&context, event.ToServer, asked(unknownID, "tools/call", name))
		return nil
	}
	call, ok := strings.CutPrefix(line, dockerTook)
	at := strings.LastIndex(call, " took: ")
	if !ok || at < 0 {
		return nil
	}
	took, _ := time.ParseDuration(call[at+len(" took: "):])
	if took <= 0 {
		return nil
	}
	e := r.like(&context, event.ToClient, done(unknownID))
	e.Measured.DurationMS = took.Milliseconds()
	e.Request = r.request(event.Request{Method: "tools/call", Name: call[:at]})
	return nil
}
