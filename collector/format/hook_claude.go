package format

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// readHookClaude reads what Claude Code hands its hooks. Field names are those of its agent SDK's
// declarations (0.3.331). A call and its answer are paired by tool_use_id; a failure is an event of
// its own there and an answer that is an error here.
func (r *Reader) readHookClaude(root event.Value) error {
	r.hookLikeClaude(root, "claude-code")
	return nil
}

// hookLikeClaude reads a hook of Claude Code, or of an agent that took over its names.
func (r *Reader) hookLikeClaude(root event.Value, agent string) {
	first := len(r.made)
	session := root.Get("session_id").Text()
	switch root.Get("hook_event_name").Text() {
	case "PreToolUse":
		c := claudeCall(root, agent)
		r.hookCall(&c)
	case "PostToolUse":
		c := claudeCall(root, agent)
		r.hookAnswer(&c, root.Get("tool_response"), false)
	case "PostToolUseFailure":
		c := claudeCall(root, agent)
		r.hookAnswer(&c, root.Get("error"), true)
	case "PermissionDenied":
		c := claudeCall(root, agent)
		e := r.hookActivity("permission_denied", session)
		e.Server, e.Request = c.server, r.request(c.request())
		e.Outcome = event.Outcome{Status: event.OutcomeDenied, Reason: root.Get("reason").Text()}
	case "Elicitation":
		r.hookElicitation(root, session)
	case "ElicitationResult":
		r.hookElicited(root, session)
	case "UserPromptSubmit":
		r.hookPrompt(session, root.Get("prompt"))
	case "SessionStart":
		r.hookActivity("session_start", session)
	case "SessionEnd":
		r.hookActivity("session_end", session).Outcome.Reason = root.Get("reason").Text()
	case "ConfigChange":
		path := root.Get("file_path")
		if e := r.hookActivity("config_change", session); path.Kind() == event.String {
			e.Extra = append(path.AppendCompact([]byte(`{"file_path":`)), '}')
		}
	}
	for i := first; i < len(r.made); i++ {
		r.made[i].Agent.Name = agent
		r.made[i].Measured.DurationMS, _ = root.Get("duration_ms").Int()
	}
}

func claudeCall(root event.Value, agent string) hooked {
	server, tool := toolOf(agent, root.Get("mcp_server", "name").Text(), root.Get("tool_name").Text())
	return hooked{
		session: root.Get("session_id").Text(), server: server, tool: tool,
		arguments: objectOf(root.Get("tool_input")), id: root.Get("tool_use_id").Text(),
	}
}

// elicitation is the id that pairs an elicitation with its result: its own, or the server's.
func elicitation(root event.Value, session string) hooked {
	return hooked{
		session: session, server: event.Server{ID: root.Get("mcp_server_name").Text()},
		tool: "elicitation", id: root.Get("elicitation_id").Text(),
	}
}

func (r *Reader) hookElicitation(root event.Value, session string) {
	c := elicitation(root, session)
	m := append([]byte(`{"jsonrpc":"2.0","id":`), c.jsonID()...)
	m = append(append(m, `,"method":"elicitation/create","params":{"message":`...), quoted(root.Get("message").Text())...)
	for _, f := range []struct{ from, to string }{
		{"mode", "mode"}, {"url", "url"}, {"elicitation_id", "elicitationId"}, {"requested_schema", "requestedSchema"},
	} {
		if v := root.Get(f.from); v.Exists() && v.Kind() != event.Null {
			m = append(append(append(m, `,"`...), f.to...), `":`...)
			m = v.AppendCompact(m)
		}
	}
	r.hookEvent(&c, event.ToClient, append(m, "}}"...))
}

func (r *Reader) hookElicited(root event.Value, session string) {
	c := elicitation(root, session)
	m := append([]byte(`{"jsonrpc":"2.0","id":`), c.jsonID()...)
	m = append(append(m, `,"result":{"action":`...), quoted(root.Get("action").Text())...)
	if v := root.Get("content"); v.Exists() && v.Kind() != event.Null {
		m = v.AppendCompact(append(m, `,"content":`...))
	}
	e := r.hookEvent(&c, event.ToServer, jsontext.Value(append(m, "}}"...)))
	e.Request = r.request(event.Request{Method: "elicitation/create"})
}
