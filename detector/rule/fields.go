package rule

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/valyala/fastjson"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// Field is a variable that expressions read. Names are dotted and flat: `call.tool` is one
// variable, so that an unknown name is an error at load and a known one costs one look-up.
type Field struct {
	Name string
	Type *cel.Type
	Doc  string

	// read gives the value, or nil where the event has none.
	read func(*View) ref.Val
	// perDefinition says that the value belongs to the definition under judgement.
	perDefinition bool
	// constant says that the value is the same for every event.
	constant bool
}

// Fields lists everything an expression can read, lists aside.
func Fields() []Field {
	fields := eventFields()
	fields = append(fields, contextFields()...)
	fields = append(fields, callFields()...)
	fields = append(fields, definitionFields()...)
	fields = append(fields, serverRequestFields()...)
	return fields
}

func text(name, doc string, get func(*View) string) Field {
	return Field{Name: name, Type: cel.StringType, Doc: doc, read: func(v *View) ref.Val { return types.String(get(v)) }}
}

// textWhere is a text that only some events have.
func textWhere(name, doc string, has func(*View) bool, get func(*View) string) Field {
	return Field{Name: name, Type: cel.StringType, Doc: doc, read: func(v *View) ref.Val {
		if !has(v) {
			return nil
		}
		return types.String(get(v))
	}}
}

func integerWhere(name, doc string, has func(*View) bool, get func(*View) int64) Field {
	return Field{Name: name, Type: cel.IntType, Doc: doc, read: func(v *View) ref.Val {
		if !has(v) {
			return nil
		}
		return types.Int(get(v))
	}}
}

func listOf(name, doc string, get func(*View) []string) Field {
	return Field{Name: name, Type: cel.ListType(cel.StringType), Doc: doc, read: func(v *View) ref.Val {
		return types.NewStringList(types.DefaultTypeAdapter, get(v))
	}}
}

func eventFields() []Field {
	return []Field{
		text("event.id", "The event's id.", func(v *View) string { return v.event.ID }),
		{Name: "event.time", Type: cel.TimestampType, Doc: "The source's clock.", read: func(v *View) ref.Val {
			return types.Timestamp{Time: v.event.Time}
		}},
		{Name: "event.received", Type: cel.TimestampType, Doc: "The collector's clock.", read: func(v *View) ref.Val {
			return types.Timestamp{Time: v.event.Received}
		}},
		text("event.kind", "request, notification, response, error, batch or unknown.", func(v *View) string { return string(v.message.Kind) }),
		text("event.method", "The JSON-RPC method; of an answer, that of its request.", func(v *View) string { return v.method() }),
		text("event.direction", "to_server or to_client.", func(v *View) string { return string(v.event.Direction) }),
		text("event.transport", "stdio, http or sse.", func(v *View) string { return v.event.Transport }),
		text("event.session", "The session, where the protocol or the source has one.", func(v *View) string { return v.event.Session }),
		text("event.trace", "The trace id.", func(v *View) string { return v.event.Trace }),
		text("event.era", "modern from revision 2026-07-28 on, else legacy.", func(v *View) string { return v.era() }),
		text("event.protocol_version", "The revision that the message itself names, or the empty string.", func(v *View) string { return v.message.ProtocolVersion() }),
		listOf("event.marks", "What was done to the event or found wrong with it on the way.", func(v *View) []string { return v.event.Marks }),
		{Name: "event.size", Type: cel.IntType, Doc: "Bytes of the message.", read: func(v *View) ref.Val {
			return types.Int(len(v.event.Message) + len(v.event.Raw))
		}},
		text("event.text", "Every string of the message, one a line.", func(v *View) string { return v.text() }),
		text("event.normal", "event.text in normal form (see normalize).", func(v *View) string { return content.Normalize(v.string("event.text")) }),
		text("event.raw", "What was sent in place of JSON, as text.", func(v *View) string { return v.event.Raw }),
	}
}

func contextFields() []Field {
	return []Field{
		text("actor", "Who acts, as the collector computed it.", func(v *View) string { return v.event.Actor }),
		text("agent.id", "The agent's id.", func(v *View) string { return v.event.Agent.ID }),
		text("agent.name", "The agent's name, as it claims.", func(v *View) string { return v.event.Agent.Name }),
		text("agent.version", "The agent's version, as it claims.", func(v *View) string { return v.event.Agent.Version }),
		text("agent.host", "The host that the agent runs on.", func(v *View) string { return v.event.Agent.Host }),
		text("agent.user", "The user that the agent runs as.", func(v *View) string { return v.event.Agent.User }),
		text("server.id", "The server's id, as the source configured it.", func(v *View) string { return v.event.Server.ID }),
		text("server.name", "The server's name, as it claims.", func(v *View) string { return v.event.Server.Name }),
		text("server.version", "The server's version, as it claims.", func(v *View) string { return v.event.Server.Version }),
		text("server.url", "The server's address.", func(v *View) string { return v.event.Server.URL }),
		text("server.command", "The command line that starts the server.", func(v *View) string { return v.event.Server.Command }),
		text("principal.subject", "Whom the source authenticated.", func(v *View) string { return v.event.Principal.Subject }),
		text("principal.issuer", "Who issued the principal's token.", func(v *View) string { return v.event.Principal.Issuer }),
		text("principal.client_id", "The OAuth client.", func(v *View) string { return v.event.Principal.ClientID }),
		text("principal.audience", "The token's audience.", func(v *View) string { return v.event.Principal.Audience }),
		listOf("principal.scopes", "The token's scopes.", func(v *View) []string { return v.event.Principal.Scopes }),
		integerWhere("http.status", "The HTTP status.", hasHTTP, func(v *View) int64 { return int64(v.event.HTTP.Status) }),
		textWhere("http.method", "The HTTP method.", hasHTTP, func(v *View) string { return v.event.HTTP.Method }),
		textWhere("http.client_ip", "The client's address, as the source saw it.", hasHTTP, func(v *View) string { return v.event.HTTP.ClientIP }),
		{
			Name: "http.headers", Type: cel.MapType(cel.StringType, cel.StringType), Doc: "Headers, names in lower case.",
			read: func(v *View) ref.Val {
				if !hasHTTP(v) {
					return nil
				}
				return types.NewStringStringMap(types.DefaultTypeAdapter, v.event.HTTP.Headers)
			},
		},
	}
}

func hasHTTP(v *View) bool { return !v.event.HTTP.IsZero() }

func callFields() []Field {
	isCall := func(v *View) bool { return v.method() == "tools/call" }
	hasResult := func(v *View) bool { return v.message.Kind == event.KindResponse }
	hasError := func(v *View) bool { return v.message.Kind == event.KindError }
	return []Field{
		textWhere("call.tool", "The tool called; on its answer too.", isCall, func(v *View) string { return v.name() }),
		{Name: "call.args", Type: cel.MapType(cel.StringType, cel.DynType), Doc: "The arguments.", read: func(v *View) ref.Val {
			if !isCall(v) || v.arguments() == nil {
				return nil
			}
			return types.DefaultTypeAdapter.NativeToValue(native(v.arguments()))
		}},
		textWhere("call.args_text", "Every string of the arguments, names excluded, one a line.", isCall, func(v *View) string { return v.argumentsText() }),
		textWhere("call.args_normal", "call.args_text unescaped, in normal form.", isCall, func(v *View) string {
			return content.Normalize(content.Unescape(v.string("call.args_text")))
		}),
		textWhere("result.text", "Every string of the result, one a line.", hasResult, func(v *View) string { return stringsOf(v.message.Result, false) }),
		textWhere("result.normal", "result.text in normal form.", hasResult, func(v *View) string { return content.Normalize(v.string("result.text")) }),
		{Name: "result.is_error", Type: cel.BoolType, Doc: "The tool reports its own failure.", read: func(v *View) ref.Val {
			if !hasResult(v) {
				return nil
			}
			return types.Bool(isTrue(event.Get(v.message.Result, "isError")))
		}},
		integerWhere("result.size", "Bytes of the message that holds the result.", hasResult, func(v *View) int64 { return int64(len(v.event.Message)) }),
		integerWhere("error.code", "The JSON-RPC error code.", hasError, func(v *View) int64 { return v.message.ErrorCode }),
		textWhere("error.message", "The JSON-RPC error message.", hasError, func(v *View) string { return v.message.ErrorText }),
		textWhere("resource.uri", "The resource read; on its answer too.",
			func(v *View) bool { return v.method() == "resources/read" }, func(v *View) string { return v.name() }),
		textWhere("prompt.name", "The prompt asked for; on its answer too.",
			func(v *View) bool { return v.method() == "prompts/get" }, func(v *View) string { return v.name() }),
	}
}

func definitionFields() []Field {
	of := func(name, doc string, get func(*Definition) string) Field {
		f := textWhere("definition."+name, doc, func(v *View) bool { return v.definition != nil }, func(v *View) string { return get(v.definition) })
		f.perDefinition = true
		return f
	}
	flag := func(name, doc, hint string) Field {
		return Field{Name: "definition." + name, Type: cel.BoolType, Doc: doc, perDefinition: true, read: func(v *View) ref.Val {
			if v.definition == nil || v.definition.kind != "tool" {
				return nil
			}
			return types.Bool(isTrue(event.Get(v.definition.value, "annotations", hint)))
		}}
	}
	normal := of("normal", "definition.text in normal form.", nil)
	normal.read = func(v *View) ref.Val {
		if v.definition == nil {
			return nil
		}
		return types.String(content.Normalize(v.string("definition.text")))
	}
	return []Field{
		of("kind", "tool, prompt, resource, template or instructions.", func(d *Definition) string { return d.kind }),
		of("name", "The name, or the resource's URI.", func(d *Definition) string { return d.name }),
		of("title", "The title for people.", func(d *Definition) string { return event.Text(event.Get(d.value, "title")) }),
		of("description", "The description that the model reads.", func(d *Definition) string { return d.description() }),
		of("text", "Every string of the definition, names in its schemas included, one a line.", func(d *Definition) string { return stringsOf(d.value, true) }),
		normal,
		flag("read_only", "The tool says that it changes nothing.", "readOnlyHint"),
		flag("destructive", "The tool says that it may destroy.", "destructiveHint"),
	}
}

func serverRequestFields() []Field {
	sampling := func(v *View) bool { return v.message.Method == "sampling/createMessage" }
	elicitation := func(v *View) bool { return v.message.Method == "elicitation/create" }
	param := func(v *View, path ...string) string { return event.Text(event.Get(v.message.Params, path...)) }
	return []Field{
		integerWhere("sampling.max_tokens", "The tokens that a server asks the agent's model for.", sampling, func(v *View) int64 {
			n := event.Get(v.message.Params, "maxTokens")
			if n == nil {
				return 0
			}
			tokens, _ := n.Int64()
			return tokens
		}),
		textWhere("sampling.text", "Every string of the sampling request, one a line.", sampling, func(v *View) string { return stringsOf(v.message.Params, false) }),
		textWhere("sampling.include_context", "none, thisServer or allServers.", sampling, func(v *View) string { return param(v, "includeContext") }),
		textWhere("elicitation.mode", "form or url.", elicitation, func(v *View) string {
			if mode := param(v, "mode"); mode != "" {
				return mode
			}
			return "form"
		}),
		textWhere("elicitation.message", "What the person is told.", elicitation, func(v *View) string { return param(v, "message") }),
		textWhere("elicitation.url", "Where the person is sent.", elicitation, func(v *View) string { return param(v, "url") }),
		{Name: "elicitation.fields", Type: cel.ListType(cel.StringType), Doc: "The names of the form's fields.", read: func(v *View) ref.Val {
			if !elicitation(v) {
				return nil
			}
			return types.NewStringList(types.DefaultTypeAdapter, names(event.Get(v.message.Params, "requestedSchema", "properties")))
		}},
	}
}

func isTrue(v *fastjson.Value) bool { return v != nil && v.Type() == fastjson.TypeTrue }

// eraBegins is the first revision without sessions; versions are dates and sort as text.
const eraBegins = "2026-07-28"

func isModern(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= eraBegins
}
