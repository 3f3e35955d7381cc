package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// vscodeLineOf takes a line apart: DATE TIME [LEVEL] TEXT.
func vscodeLineOf(line string) (at, text string, ok bool) {
	const length = len("2006-01-02 15:04:05.000")
	if len(line) <= length || line[10] != ' ' || line[length] != ' ' || timeOf(line[:length]).IsZero() {
		return "", "", false
	}
	level, text, ok := inBrackets(line[length+1:])
	return line[:length], text, ok && isLevel(level)
}

// vscodeBody is the message in a line's text, of either generation.
func vscodeBody(text string) (direction event.Direction, body string) {
	tag, body, _ := inBrackets(text)
	switch tag {
	case "Client Says", "editor -> server":
		return event.ToServer, body
	case "Server Says", "server -> editor":
		return event.ToClient, body
	}
	return "", ""
}

const (
	vscodeState  = "Connection state: "
	vscodeStderr = "[server stderr] "
)

// isVSCode reports whether a line is one that others don't write.
func isVSCode(line []byte) bool {
	if len(line) < len("2006-01-02 ") || line[10] != ' ' {
		return false
	}
	_, text, ok := vscodeLineOf(head(line))
	if !ok {
		return false
	}
	direction, _ := vscodeBody(text)
	return direction != "" || strings.HasPrefix(text, vscodeState) || strings.HasPrefix(text, vscodeStderr) || strings.HasPrefix(text, "Starting server ")
}

// readVSCode reads a line of the output channel that Visual Studio Code has for an MCP server: a
// message, or that the connection is there or gone. The layout is that of logs that people quote
// in bug reports. Its times are local and have no zone; they are taken for UTC. The editor begins
// each line of a server's standard error with its own words, so that a server can't forge a line.
func (r *Reader) readVSCode(record []byte) error {
	at, text, ok := vscodeLineOf(string(record))
	if !ok {
		return nil
	}
	context := event.Event{Time: timeOf(at)}
	context.Agent.Name = "vscode"
	if direction, body := vscodeBody(text); direction != "" {
		return r.sent(&context, direction, body)
	}
	switch state, _ := strings.CutPrefix(text, vscodeState); {
	case state == "Running":
		r.tells(&context, "session_start")
	case state == "Stopped":
		r.tells(&context, "session_end")
	case strings.HasPrefix(state, "Error "):
		r.tells(&context, "session_end").Outcome = event.Outcome{Status: event.OutcomeError, Reason: strings.TrimPrefix(state, "Error ")}
	}
	return nil
}
