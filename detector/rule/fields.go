package rule

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/mcpwatch/mcpwatch/content"
)

// Field is a variable that expressions read. Names are dotted and flat: `call.tool` is one
// variable, so that an unknown name is an error at load and a known one costs one look-up.
type Field struct {
	Name string
	Type *cel.Type
	Doc  string

	// read gives the value, or nil where the event has none. It is asked only where the event
	// has what the field needs.
	read func(*View) ref.Val
	// needs is what an event must have for the field to have a value.
	needs part
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

// of makes a field one that only events with a certain part have.
func (f Field) of(needs part) Field {
	f.needs = needs
	return f
}

func integer(name, doc string, get func(*View) int64) Field {
	return Field{Name: name, Type: cel.IntType, Doc: doc, read: func(v *View) ref.Val { return types.Int(get(v)) }}
}

func boolean(name, doc string, get func(*View) bool) Field {
	return Field{Name: name, Type: cel.BoolType, Doc: doc, read: func(v *View) ref.Val { return types.Bool(get(v)) }}
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
		text("event.method", "The JSON-RPC method; of an answer, that of its request.", func(v *View) string { return v.Method() }),
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
		integer("http.status", "The HTTP status.", func(v *View) int64 { return int64(v.event.HTTP.Status) }).of(partHTTP),
		text("http.method", "The HTTP method.", func(v *View) string { return v.event.HTTP.Method }).of(partHTTP),
		text("http.client_ip", "The client's address, as the source saw it.", func(v *View) string { return v.event.HTTP.ClientIP }).of(partHTTP),
		{
			Name: "http.headers", Type: cel.MapType(cel.StringType, cel.StringType), Doc: "Headers, names in lower case.", needs: partHTTP,
			read: func(v *View) ref.Val {
				return types.NewStringStringMap(types.DefaultTypeAdapter, v.event.HTTP.Headers)
			},
		},
	}
}

func callFields() []Field {
	return []Field{
		text("call.tool", "The tool called; on its answer too.", func(v *View) string { return v.Name() }).of(partCall),
		{Name: "call.args", Type: cel.MapType(cel.StringType, cel.DynType), Doc: "The arguments.", needs: partCall, read: func(v *View) ref.Val {
			if !v.arguments().Exists() {
				return nil
			}
			return types.DefaultTypeAdapter.NativeToValue(native(v.arguments()))
		}},
		text("call.args_text", "Every string of the arguments, names excluded, one a line.",
			func(v *View) string { return v.argumentsText() }).of(partCall),
		text("call.args_normal", "call.args_text unescaped, in normal form.",
			func(v *View) string { return content.Normalize(content.Unescape(v.string("call.args_text"))) }).of(partCall),
		text("result.text", "Every string of the result, one a line.",
			func(v *View) string { return stringsOf(v.message.Result, false) }).of(partResult),
		text("result.normal", "result.text in normal form.",
			func(v *View) string { return content.Normalize(v.string("result.text")) }).of(partResult),
		boolean("result.is_error", "The tool reports its own failure.",
			func(v *View) bool { return v.message.Result.Get("isError").Bool() }).of(partResult),
		integer("result.size", "Bytes of the message that holds the result.",
			func(v *View) int64 { return int64(len(v.event.Message)) }).of(partResult),
		integer("error.code", "The JSON-RPC error code.", func(v *View) int64 { return v.message.ErrorCode }).of(partError),
		text("error.message", "The JSON-RPC error message.", func(v *View) string { return v.message.ErrorText }).of(partError),
		text("resource.uri", "The resource read; on its answer too.", func(v *View) string { return v.Name() }).of(partResource),
		text("prompt.name", "The prompt asked for; on its answer too.", func(v *View) string { return v.Name() }).of(partPrompt),
	}
}

func definitionFields() []Field {
	of := func(name, doc string, get func(*View, *Definition) string) Field {
		return text("definition."+name, doc, func(v *View) string { return get(v, v.definition) }).of(partDefinition)
	}
	hint := func(name, doc, hint string) Field {
		f := Field{Name: "definition." + name, Type: cel.BoolType, Doc: doc, read: func(v *View) ref.Val {
			if v.definition.kind != "tool" {
				return nil
			}
			return types.Bool(v.definition.value.Get("annotations", hint).Bool())
		}}
		return f.of(partDefinition)
	}
	return []Field{
		of("kind", "tool, prompt, resource, template or instructions.", func(_ *View, d *Definition) string { return d.kind }),
		of("name", "The name, or the resource's URI.", func(_ *View, d *Definition) string { return d.name }),
		of("title", "The title for people.", func(_ *View, d *Definition) string { return d.value.Get("title").Text() }),
		of("description", "The description that the model reads.", func(_ *View, d *Definition) string { return d.description() }),
		of("text", "Every string of the definition, names in its schemas included, one a line.",
			func(_ *View, d *Definition) string { return stringsOf(d.value, true) }),
		of("normal", "definition.text in normal form.", func(v *View, _ *Definition) string { return content.Normalize(v.string("definition.text")) }),
		hint("read_only", "The tool says that it changes nothing.", "readOnlyHint"),
		hint("destructive", "The tool says that it may destroy.", "destructiveHint"),
	}
}

func serverRequestFields() []Field {
	param := func(v *View, path ...string) string { return v.message.Params.Get(path...).Text() }
	return []Field{
		integer("sampling.max_tokens", "The tokens that a server asks the agent's model for.", func(v *View) int64 {
			tokens, _ := v.message.Params.Get("maxTokens").Int()
			return tokens
		}).of(partSampling),
		text("sampling.text", "Every string of the sampling request, one a line.",
			func(v *View) string { return stringsOf(v.message.Params, false) }).of(partSampling),
		text("sampling.include_context", "none, thisServer or allServers.",
			func(v *View) string { return param(v, "includeContext") }).of(partSampling),
		text("elicitation.mode", "form or url.", func(v *View) string {
			if mode := param(v, "mode"); mode != "" {
				return mode
			}
			return "form"
		}).of(partElicitation),
		text("elicitation.message", "What the person is told.", func(v *View) string { return param(v, "message") }).of(partElicitation),
		text("elicitation.url", "Where the person is sent.", func(v *View) string { return param(v, "url") }).of(partElicitation),
		listOf("elicitation.fields", "The names of the form's fields.",
			func(v *View) []string { return names(v.message.Params.Get("requestedSchema", "properties")) }).of(partElicitation),
	}
}

// eraBegins is the first revision without sessions; versions are dates and sort as text.
const eraBegins = "2026-07-28"

func isModern(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= eraBegins
}
