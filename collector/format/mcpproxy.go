package format

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

var mcpproxyCarries = []string{
	event.CarriesCalls, event.CarriesSession, "server.id", "agent.name", "agent.version", "principal.subject",
	event.CarriesMeasured, event.CarriesOutcome, event.CarriesActivity,
}

// isMCPProxy reports whether an object is a line of a session's record.
func isMCPProxy(root event.Value, s shape) bool {
	const session = hasEvent | hasSID
	return s.isLog() && s.texts&session == session && strings.HasPrefix(root.Get("event").Text(), "mcp.")
}

// isMCPProxyLine reports whether a line is of the program's own log.
func isMCPProxyLine(line []byte) bool {
	if !isSlog(line) {
		return false
	}
	message, ok := slogMessage(head(line))
	if !ok {
		return false
	}
	for _, prefix := range []string{"mcp.", "mcpproxyd ", "c2s ", "s2c ", "refused MCP "} {
		if strings.HasPrefix(message, prefix) {
			return true
		}
	}
	return message == "shutting down"
}

// mcpproxyLine is what a line says, in either form.
type mcpproxyLine struct {
	context                             event.Event
	what, tool, method                  string // what is the event, or the message of the log
	rule, reason, err, action, errorSet string
	client, version                     string
	fingerprint                         bool
}

func (l *mcpproxyLine) set(name, value string) {
	switch name {
	case "time":
		l.context.Time = timeOf(value)
	case "event", "msg":
		l.what = value
	case "sid":
		l.context.Session = value
	case "user":
		l.context.Principal.Subject = firstOf(value)
	case "backend":
		l.context.Server.ID = value
	case "tool":
		l.tool = value
	case "method":
		l.method = value
	case "rule":
		l.rule = value
	case "reason":
		l.reason = value
	case "err":
		l.err = value
	case "action":
		l.action = value
	case "client":
		l.client = value
	case "client_version":
		l.version = value
	case "duration_ms":
		l.context.Measured.DurationMS, _ = strconv.ParseInt(value, 10, 64)
	case "result_bytes":
		l.context.Measured.Size, _ = strconv.ParseInt(value, 10, 64)
	case "error_code":
		l.errorSet = value
	case "fingerprint":
		l.fingerprint = value != ""
	}
}

// readMCPProxy reads a line of a session's record of hoophq/mcpproxy, of v0.1.7.
func (r *Reader) readMCPProxy(root event.Value) error {
	var l mcpproxyLine
	for name, value := range root.Members() {
		for inner, value := range value.Members() { // of "fields"
			l.set(inner, scalar(value))
		}
		l.set(name, scalar(value))
	}
	r.mcpproxy(&l)
	return nil
}

// scalar is a text, or another value as it is written.
func scalar(v event.Value) string {
	switch v.Kind() {
	case event.String:
		return v.Text()
	case event.Number, event.Bool:
		return string(v.Raw())
	default:
		return ""
	}
}

// readMCPProxyLine reads a line of the program's own log, which tells the same and of what went
// wrong.
func (r *Reader) readMCPProxyLine(record []byte) error {
	var l mcpproxyLine
	for key, value := range logfmt(string(record)) {
		l.set(key, value)
	}
	r.mcpproxy(&l)
	return nil
}

func (r *Reader) mcpproxy(l *mcpproxyLine) {
	what, ok := strings.CutPrefix(l.what, "mcp.")
	if !ok {
		r.mcpproxyTrouble(l)
		return
	}
	because := because(l.rule, l.reason)
	switch what {
	case "initialize":
		l.context.Agent.Name, l.context.Agent.Version = l.client, l.version
		r.like(&l.context, event.ToServer, l.initialize())
	case "tools_listed":
		// The names that it has are no definitions: their texts are not there to be judged.
		r.like(&l.context, event.ToServer, asked(unknownID, "tools/list", ""))
	case "tool_call":
		r.like(&l.context, event.ToServer, asked(unknownID, "tools/call", l.tool))
	case "tool_denied":
		e := r.like(&l.context, event.ToServer, asked(unknownID, "tools/call", l.tool))
		e.Outcome = event.Outcome{Status: event.OutcomeDenied, Reason: because}
	case "tool_result":
		r.mcpproxyResult(l)
	case "tools_changed":
		e := r.like(&l.context, event.ToClient, nil)
		if !l.fingerprint { // whatever the rule is called, the server only says so
			e.Message = asked(nil, "notifications/tools/list_changed", "")
			return
		}
		e.Activity, e.Outcome.Reason = what, because
		if l.action != "" && l.action != "warn" && l.action != "log" {
			e.Outcome.Status = event.OutcomeDenied
		}
	default:
		e := r.tells(&l.context, mcpproxyActivity(what))
		e.Outcome = event.Outcome{Status: mcpproxyStatus(what), Reason: because}
	}
}

func mcpproxyActivity(what string) string {
	switch what {
	case "session_killed":
		return "session_end"
	case "session_refused":
		return "session_start"
	}
	return word(what)
}

func mcpproxyStatus(what string) string {
	switch {
	case what == "error":
		return event.OutcomeError
	case what == "session_killed", what == "session_refused", what == "guardrail_block", strings.HasSuffix(what, "_denied"):
		return event.OutcomeDenied
	}
	return ""
}

func (l *mcpproxyLine) initialize() jsontext.Value {
	m := []byte(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":`)
	m = append(append(m, quoted(l.client)...), `,"version":`...)
	return append(append(m, quoted(l.version)...), `}}}`...)
}

func (r *Reader) mcpproxyResult(l *mcpproxyLine) {
	message, status := done(unknownID), event.OutcomeSuccess
	if l.errorSet != "" {
		code, _ := strconv.ParseInt(l.errorSet, 10, 64)
		message, status = failed(unknownID, code, ""), event.OutcomeFailure
	}
	e := r.like(&l.context, event.ToClient, message)
	e.Request = r.request(event.Request{Method: "tools/call", Name: l.tool})
	e.Outcome.Status = status
}

// mcpproxyTrouble adds a message that the program could not deal with or did not want.
func (r *Reader) mcpproxyTrouble(l *mcpproxyLine) {
	if l.method == "" {
		return
	}
	status := event.OutcomeError
	if strings.HasPrefix(l.what, "refused") {
		status = event.OutcomeDenied
	}
	e := r.like(&l.context, event.ToServer, asked(unknownID, l.method, l.tool))
	e.Outcome = event.Outcome{Status: status, Reason: because(l.what, l.err)}
}
