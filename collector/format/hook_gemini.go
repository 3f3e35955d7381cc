package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

// readHookGemini reads what Gemini CLI hands its hooks. Field names are those of its core package's
// declarations (0.61.0). Calls have no id there: a call and its answer are paired by all that both
// tell, so equal calls of one session are one to it.
func (r *Reader) readHookGemini(root event.Value) error {
	session := root.Get("session_id").Text()
	switch root.Get("hook_event_name").Text() {
	case "BeforeTool":
		c := geminiCall(root, session)
		r.hookCall(&c)
	case "AfterTool":
		c := geminiCall(root, session)
		response := root.Get("tool_response")
		failed := response.Get("error")
		r.hookAnswer(&c, geminiResult(response), failed.Exists() && failed.Kind() != event.Null)
	case "BeforeAgent":
		r.hookPrompt(session, root.Get("prompt"))
	case "SessionStart":
		r.hookActivity("session_start", session)
	case "SessionEnd":
		r.hookActivity("session_end", session).Outcome.Reason = root.Get("reason").Text()
	}
	for i := range r.made {
		e := &r.made[i]
		e.Agent.Name = "gemini-cli"
		e.Time, _ = root.Get("timestamp").Time()
	}
	return nil
}

// geminiResult is what the model was given of a tool's response, or all of it.
func geminiResult(response event.Value) event.Value {
	if given := response.Get("llmContent"); given.Exists() {
		return given
	}
	return response
}

func geminiCall(root event.Value, session string) hooked {
	c := hooked{session: session, tool: root.Get("tool_name").Text(), arguments: objectOf(root.Get("tool_input"))}
	mcp := root.Get("mcp_context")
	if mcp.Kind() != event.Object {
		c.server = event.Server{ID: "builtin:gemini-cli"}
		return c
	}
	command := []string{mcp.Get("command").Text()}
	for a := range mcp.Get("args").Items() {
		command = append(command, a.Text())
	}
	c.server = event.Server{ID: mcp.Get("server_name").Text(), Command: strings.Join(command, " "), URL: mcp.Get("url").Text()}
	if name := mcp.Get("tool_name").Text(); name != "" {
		c.tool = name
	}
	return c
}
