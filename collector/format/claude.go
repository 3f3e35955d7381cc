package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

var hostCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions, event.CarriesMessages,
	"agent.name", "server.id", event.CarriesActivity,
}

// claudeLine is a line that Claude Desktop itself wrote.
type claudeLine struct {
	time, server, text string
}

// claudeLineOf takes a line apart, of which there are two generations, the second with the server
// first; a file of one server's leaves its name out:
//
//	TIME [LEVEL] [SERVER] TEXT
//	TIME [LEVEL] TEXT
//	TIME [SERVER] [LEVEL] TEXT { metadata: undefined }
func claudeLineOf(line string) (l claudeLine, ok bool) {
	var rest string
	if l.time, rest, ok = strings.Cut(line, " "); !ok || len(l.time) < len("2006-01-02T15:04:05Z") || l.time[10] != 'T' || timeOf(l.time).IsZero() {
		return l, false
	}
	first, afterFirst, ok := inBrackets(rest)
	if !ok {
		return l, false
	}
	second, afterSecond, two := inBrackets(afterFirst)
	switch {
	case isLevel(first) && two:
		l.server, l.text = second, afterSecond
	case isLevel(first):
		l.text = afterFirst
	case two && isLevel(second):
		l.server, l.text = first, afterSecond
	default:
		return l, false
	}
	return l, true
}

// inBrackets takes a word in brackets off the beginning of a text.
func inBrackets(text string) (word, rest string, ok bool) {
	if !strings.HasPrefix(text, "[") {
		return "", text, false
	}
	word, rest, ok = strings.Cut(text[1:], "] ")
	return word, rest, ok
}

// isLevel reports whether a word is how bad a log says that something is.
func isLevel(word string) bool {
	switch strings.ToLower(word) {
	case "trace", "silly", "verbose", "debug", "info", "warn", "warning", "error":
		return true
	}
	return false
}

// What lines of a host say, at their beginning.
const (
	claudeToServer = "Message from client: "
	claudeToClient = "Message from server: "
	claudeStarted  = "Server started and connected"
	claudeEnded    = "Server transport closed"
)

// isClaude reports whether a line is one that others don't write.
func isClaude(line []byte) bool {
	if len(line) < len("2006-01-02T") || line[10] != 'T' {
		return false
	}
	l, ok := claudeLineOf(head(line))
	if !ok {
		return false
	}
	for _, said := range []string{claudeToServer, claudeToClient, claudeStarted, claudeEnded, "Initializing server", "Client transport closed", "Shutting down server", "Using MCP server command", "Server disconnected"} {
		if strings.HasPrefix(l.text, said) {
			return true
		}
	}
	return strings.Contains(l.text, " { metadata: ")
}

// readClaude reads a line of Claude Desktop's mcp.log and mcp-server-NAME.log: a message, or the
// start or end of a server. The layout is that of logs that people quote in bug reports. What a
// server writes to its standard error stands between the lines as it is: lines of it that look
// like the host's can't be told from the host's, so each event is marked "forgeable".
func (r *Reader) readClaude(record []byte) error {
	line, _, _ := strings.Cut(string(record), "\n")
	l, ok := claudeLineOf(line)
	if !ok {
		return nil
	}
	context := event.Event{Time: timeOf(l.time), Marks: []string{forgeable}}
	context.Server.ID, context.Agent.Name = l.server, "claude-desktop"
	if body, ok := strings.CutPrefix(l.text, claudeToServer); ok {
		return r.sent(&context, event.ToServer, withoutMetadata(body))
	}
	if body, ok := strings.CutPrefix(l.text, claudeToClient); ok {
		return r.sent(&context, event.ToClient, withoutMetadata(body))
	}
	switch {
	case strings.HasPrefix(l.text, claudeStarted):
		r.tells(&context, "session_start")
	case strings.HasPrefix(l.text, claudeEnded):
		r.tells(&context, "session_end")
	}
	return nil
}

func withoutMetadata(text string) string {
	return strings.TrimSuffix(strings.TrimRight(text, " \r"), " { metadata: undefined }")
}
