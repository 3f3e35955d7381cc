package format

import (
	"cmp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// readHookCursor reads what Cursor hands its hooks. No genuine record was at hand. Calls have no id
// there: a call and its answer are paired by all that both tell. After a call it does not say
// which server's it was.
func (r *Reader) readHookCursor(root event.Value) error {
	session := root.Get("conversation_id").Text()
	own := hooked{session: session, server: event.Server{ID: "builtin:cursor"}}
	switch root.Get("hook_event_name").Text() {
	case "beforeMCPExecution":
		c := cursorCall(root, session)
		r.hookCall(&c)
	case "afterMCPExecution":
		c := cursorCall(root, session)
		r.hookAnswer(&c, jsonIn(root.Get("result_json")), false)
	case "beforeShellExecution":
		own.tool, own.arguments = "shell", object(root, "command")
		r.hookCall(&own)
	case "afterShellExecution":
		own.tool, own.arguments = "shell", object(root, "command")
		r.hookAnswer(&own, root.Get("output"), false)
	case "beforeReadFile": // its content is handed to the model unless a hook objects
		own.tool, own.arguments = "read_file", object(root, "file_path")
		r.hookCall(&own)
		r.hookAnswer(&own, root.Get("content"), false)
	case "afterFileEdit":
		own.tool, own.arguments = "edit_file", object(root, "file_path", "edits")
		r.hookCall(&own)
	case "beforeSubmitPrompt":
		r.hookPrompt(session, root.Get("prompt"))
	case "sessionStart":
		r.hookActivity("session_start", session)
	case "sessionEnd":
		r.hookActivity("session_end", session).Outcome.Reason = root.Get("reason").Text()
	}
	for i := range r.made {
		e := &r.made[i]
		e.Agent.Name, e.Agent.Version = "cursor", root.Get("cursor_version").Text()
		e.Measured.DurationMS, _ = root.Get("duration").Int()
	}
	return nil
}

// cursorCall is a call of an MCP server's tool. Where the server is not named, how it is reached
// names it.
func cursorCall(root event.Value, session string) hooked {
	s := event.Server{Command: root.Get("command").Text(), URL: root.Get("url").Text()}
	s.ID = cmp.Or(s.URL, s.Command)
	return hooked{session: session, server: s, tool: root.Get("tool_name").Text(), arguments: objectOf(root.Get("tool_input"))}
}

// object is an object of some members of another, or nil.
func object(root event.Value, names ...string) jsontext.Value {
	b := []byte{'{'}
	for _, name := range names {
		if v := root.Get(name); v.Exists() {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = v.AppendCompact(append(append(b, quoted(name)...), ':'))
		}
	}
	if len(b) == 1 {
		return nil
	}
	return append(b, '}')
}
