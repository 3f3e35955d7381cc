package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// hookCarries is what the hooks of agents tell: calls and their answers, by session. What tools
// there are they never tell.
var hookCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesSession, "agent.name", "server.id", event.CarriesOutcome, event.CarriesActivity,
}

// hookOf is the reader of hooks of the agent, given by the record's event name and its members.
func hookOf(root event.Value) Format {
	name := root.Get("hook_event_name").Text()
	switch {
	case name == "":
		return ""
	case root.Get("conversation_id").Exists():
		return HookCursor
	case root.Get("turn_id").Exists():
		return HookCodex
	case root.Get("timestamp").Exists():
		return HookGemini
	default:
		return HookClaude
	}
}

func isHook(f Format) func(event.Value, shape) bool {
	return func(root event.Value, _ shape) bool { return hookOf(root) == f }
}

// hooked is a call that a hook tells of.
type hooked struct {
	session string
	server  event.Server
	tool    string
	// arguments are JSON, or nil.
	arguments jsontext.Value
	// id is what pairs the call and its answer; without one, what both tell does.
	id string
}

// jsonID is the call's id as JSON.
func (c *hooked) jsonID() []byte {
	if c.id != "" {
		return quoted(c.id)
	}
	h := sha256.New()
	for _, part := range []string{c.session, c.tool, string(c.arguments)} {
		h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return quoted(hex.EncodeToString(h.Sum(nil)[:8]))
}

// request is the call as the request that it is.
func (c *hooked) request() event.Request {
	return event.Request{Method: "tools/call", Name: c.tool, Arguments: c.arguments}
}

// hookCall makes the event of a call that is about to be made.
func (r *Reader) hookCall(c *hooked) {
	m := append([]byte(`{"jsonrpc":"2.0","id":`), c.jsonID()...)
	m = append(append(m, `,"method":"tools/call","params":{"name":`...), quoted(c.tool)...)
	if c.arguments != nil {
		m = append(append(m, `,"arguments":`...), c.arguments...)
	}
	r.hookEvent(c, event.ToServer, append(m, "}}"...))
}

// hookAnswer makes the event of a call's answer, a JSON-RPC result; failed says that it is an
// error of the tool's.
func (r *Reader) hookAnswer(c *hooked, result event.Value, failed bool) {
	m := append([]byte(`{"jsonrpc":"2.0","id":`), c.jsonID()...)
	m = append(append(m, `,"result":`...), resultOf(result, failed)...)
	e := r.hookEvent(c, event.ToClient, append(m, '}'))
	e.Request = r.request(c.request())
}

func (r *Reader) hookEvent(c *hooked, way event.Direction, message jsontext.Value) *event.Event {
	e := r.event(way, message)
	e.Session, e.Server = c.session, c.server
	return e
}

// hookActivity makes an event of what is no MCP message.
func (r *Reader) hookActivity(activity, session string) *event.Event {
	e := r.event("", nil)
	e.Activity, e.Session = activity, session
	return e
}

// hookPrompt tells that a user said something, and how much: what it was is the user's own.
func (r *Reader) hookPrompt(session string, prompt event.Value) {
	e := r.hookActivity("prompt", session)
	e.Extra = jsontext.Value(`{"prompt_bytes":` + strconv.Itoa(len(prompt.Text())) + `}`)
}

// resultOf makes a tools/call result of what an agent was given: a result as it is, a list of
// contents, a text, or an object of the agent's own, which is kept as structured content.
func resultOf(v event.Value, failed bool) []byte {
	var b []byte
	switch v.Kind() {
	case event.Object:
		if v.Get("content").Kind() == event.Array && !failed {
			return v.AppendCompact(nil)
		}
		b = append(v.AppendCompact([]byte(`{"content":[],"structuredContent":`)), '}')
	case event.Array:
		if isContents(v) {
			b = append(v.AppendCompact([]byte(`{"content":`)), '}')
		} else {
			b = append(v.AppendCompact([]byte(`{"content":[],"structuredContent":{"items":`)), '}', '}')
		}
	case event.String:
		b = append(v.AppendCompact([]byte(`{"content":[{"type":"text","text":`)), `}]}`...)
	default:
		b = []byte(`{"content":[]}`)
		if v.Exists() && v.Kind() != event.Null {
			b = append(append(append(b[:0], `{"content":[{"type":"text","text":`...), quoted(string(v.Raw()))...), `}]}`...)
		}
	}
	if failed {
		b = append(b[:len(b)-1], `,"isError":true}`...)
	}
	return b
}

// isContents reports whether a list is one of MCP contents.
func isContents(v event.Value) bool {
	for item := range v.Items() {
		if item.Get("type").Kind() != event.String {
			return false
		}
	}
	return true
}

// objectOf is JSON that is an object, or one in a string; other JSON becomes the object's "input".
func objectOf(v event.Value) jsontext.Value {
	v = jsonIn(v)
	if v.Kind() == event.Object {
		return v.AppendCompact(nil)
	}
	if !v.Exists() || v.Kind() == event.Null {
		return nil
	}
	return append(v.AppendCompact([]byte(`{"input":`)), '}')
}

// maxInner bounds the nesting of JSON that lies in a string: a record's own bound does not see it.
const maxInner = 32

// jsonIn is the JSON that lies in a string; a string that holds none is itself.
func jsonIn(v event.Value) event.Value {
	if v.Kind() != event.String {
		return v
	}
	text := []byte(v.Text())
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			break
		} else if err != nil || d.StackDepth() > maxInner {
			return v
		}
	}
	inner, err := new(event.Parser).ParseValue(text)
	if err != nil {
		return v
	}
	return inner
}

// toolOf splits the name mcp__SERVER__TOOL; another name is a tool of the agent's own. server is
// the server's name where the record says it: its spelling in the tool's name may be another.
func toolOf(builtin, server, name string) (event.Server, string) {
	rest, mcp := strings.CutPrefix(name, "mcp__")
	if !mcp && server == "" {
		return event.Server{ID: "builtin:" + builtin}, name
	}
	if mcp {
		if tool, ok := strings.CutPrefix(rest, server+"__"); ok && server != "" {
			return event.Server{ID: server}, tool
		}
		if s, tool, ok := strings.Cut(rest, "__"); ok {
			if server == "" {
				server = s
			}
			return event.Server{ID: server}, tool
		}
	}
	if server == "" {
		return event.Server{ID: "builtin:" + builtin}, name
	}
	return event.Server{ID: server}, name
}
