package rule

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// Field is a variable that expressions read. Names are dotted and flat: `call.tool` is one
// variable, so that an unknown name is an error at load and a known one costs one look-up.
type Field struct {
	Name string
	Type *cel.Type
	Doc  string
	// Carries is what a source must carry (see event.Source.Completeness) for its events to have
	// the field; "" where every source has it.
	Carries string

	// One of the three gives the value, asked only where the event has what the field needs.
	// text and number are read by the index too, without a CEL value being made.
	text   func(*View) string
	number func(*View) int64
	value  func(*View) ref.Val // nil where the event has none
	// needs is what an event must have for the field to have a value.
	needs part
	// large says that the text is long: it is computed once an event, and its literals are indexed.
	large bool
	// constant says that the value is the same for every event.
	constant bool
}

// Fields lists everything an expression can read, lists aside.
func Fields() []Field {
	fields := eventFields()
	fields = append(fields, contextFields()...)
	fields = append(fields, principalFields()...)
	fields = append(fields, httpFields()...)
	fields = append(fields, callFields()...)
	fields = append(fields, definitionFields()...)
	fields = append(fields, serverRequestFields()...)
	return fields
}

func text(name, doc string, get func(*View) string) Field {
	return Field{Name: name, Type: cel.StringType, Doc: doc, text: get}
}

func integer(name, doc string, get func(*View) int64) Field {
	return Field{Name: name, Type: cel.IntType, Doc: doc, number: get}
}

func boolean(name, doc string, get func(*View) bool) Field {
	return Field{Name: name, Type: cel.BoolType, Doc: doc, value: func(v *View) ref.Val { return types.Bool(get(v)) }}
}

func moment(name, doc string, get func(*View) time.Time) Field {
	return Field{Name: name, Type: cel.TimestampType, Doc: doc, value: func(v *View) ref.Val {
		if t := get(v); !t.IsZero() {
			return types.Timestamp{Time: t}
		}
		return nil
	}}
}

func listOf(name, doc string, get func(*View) []string) Field {
	return Field{Name: name, Type: cel.ListType(cel.StringType), Doc: doc, value: func(v *View) ref.Val {
		return types.NewStringList(types.DefaultTypeAdapter, get(v))
	}}
}

// of makes a field one that only events with a certain part have.
func (f Field) of(needs part) Field {
	f.needs = needs
	return f
}

// long makes a text one that is computed once an event and indexed.
func (f Field) long() Field {
	f.large = true
	return f
}

// carried says what a source must carry for fields to have a value.
func carried(by string, fields ...Field) []Field {
	for i := range fields {
		fields[i].Carries = by
	}
	return fields
}

func eventFields() []Field {
	return append(carried(event.CarriesSession,
		text("event.session", "The session, where the protocol or the source has one.", func(v *View) string { return v.event.Session })),
		text("event.id", "The event's id.", func(v *View) string { return v.event.ID }),
		moment("event.time", "The source's clock.", func(v *View) time.Time { return v.event.Time }),
		moment("event.received", "The collector's clock.", func(v *View) time.Time { return v.event.Received }),
		text("event.kind", "request, notification, response, error, batch or unknown.", func(v *View) string { return string(v.message.Kind) }),
		text("event.method", "The JSON-RPC method; of an answer, that of its request.", (*View).Method),
		text("event.direction", "to_server or to_client.", func(v *View) string { return string(v.event.Direction) }),
		text("event.transport", "stdio, http or sse.", func(v *View) string { return v.event.Transport }),
		text("event.trace", "The trace id.", func(v *View) string { return v.event.Trace }),
		text("event.era", "modern from revision 2026-07-28 on, else legacy.", (*View).era),
		text("event.protocol_version", "The revision that the message itself names, or the empty string.", func(v *View) string { return v.message.ProtocolVersion() }),
		listOf("event.marks", "What was done to the event or found wrong with it on the way.", func(v *View) []string { return v.event.Marks }),
		integer("event.size", "Bytes of the message.", func(v *View) int64 { return int64(len(v.event.Message) + len(v.event.Raw)) }),
		text("event.text", "Every string of the message, one a line.", (*View).eventText).long(),
		text("event.normal", "event.text in normal form (see normalize).", func(v *View) string { return content.Normalize(v.text("event.text")) }).long(),
		text("event.raw", "What was sent in place of JSON, as text.", func(v *View) string { return v.event.Raw }),
		integer("event.uninspected", "Bytes in the middle of a long text that no rule sees.", func(v *View) int64 { return v.uninspected }),
		text("event.activity", "What the source tells of where that is no MCP message: authentication, session_start and so on.",
			func(v *View) string { return v.event.Activity }),
		text("source.format", "The format that the event was read from.", func(v *View) string { return v.event.Source.Format }),
		text("source.name", "Who shipped the event, from the credential.", func(v *View) string { return v.event.Source.Name }),
		text("tenant", "Whose event it is, from the credential.", func(v *View) string { return v.event.Tenant }),
	)
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
	}
}

func principalFields() []Field {
	return carried(event.CarriesPrincipal,
		text("principal.subject", "Whom the source authenticated.", func(v *View) string { return v.event.Principal.Subject }),
		text("principal.issuer", "Who issued the principal's token.", func(v *View) string { return v.event.Principal.Issuer }),
		text("principal.client_id", "The OAuth client.", func(v *View) string { return v.event.Principal.ClientID }),
		text("principal.audience", "The token's audience.", func(v *View) string { return v.event.Principal.Audience }),
		listOf("principal.scopes", "The token's scopes.", func(v *View) []string { return v.event.Principal.Scopes }),
		text("principal.token", "A digest of the token.", func(v *View) string { return v.event.Principal.Token }),
		moment("principal.issued", "When the token was issued.", func(v *View) time.Time { return v.event.Principal.Issued }),
		moment("principal.expires", "When the token expires.", func(v *View) time.Time { return v.event.Principal.Expires }),
		listOf("principal.chain", "On whose behalf the principal acts, nearest first.", func(v *View) []string { return v.event.Principal.Chain }),
	)
}

func httpFields() []Field {
	return carried(event.CarriesHTTP,
		integer("http.status", "The HTTP status.", func(v *View) int64 { return int64(v.event.HTTP.Status) }).of(partHTTP),
		text("http.method", "The HTTP method.", func(v *View) string { return v.event.HTTP.Method }).of(partHTTP),
		text("http.client_ip", "The client's address, as the source saw it.", func(v *View) string { return v.event.HTTP.ClientIP }).of(partHTTP),
		Field{
			Name: "http.headers", Type: cel.MapType(cel.StringType, cel.StringType), Doc: "Headers, names in lower case.", needs: partHTTP,
			value: func(v *View) ref.Val {
				return types.NewStringStringMap(types.DefaultTypeAdapter, v.event.HTTP.Headers)
			},
		},
	)
}

func callFields() []Field {
	fields := []Field{
		text("call.tool", "The tool called; on its answer too.", (*View).Name).of(partCall),
		text("resource.uri", "The resource read; on its answer too.", (*View).Name).of(partResource),
		text("prompt.name", "The prompt asked for; on its answer too.", (*View).Name).of(partPrompt),
		integer("measured.duration_ms", "How long the call took, where the source says so.", func(v *View) int64 { return v.event.Measured.DurationMS }),
		integer("measured.size", "Bytes of the result, where the source says so.", func(v *View) int64 { return v.event.Measured.Size }),
	}
	fields = append(fields,
		text("outcome.status", "How it ended, as the source says: success, failure, denied, error or unknown.",
			func(v *View) string { return v.event.Outcome.Status }),
		text("outcome.reason", "Why, in the source's words.", func(v *View) string { return v.event.Outcome.Reason }),
	)
	fields = append(fields, carried(event.CarriesArguments,
		Field{Name: "call.args", Type: cel.MapType(cel.StringType, cel.DynType), Doc: "The arguments.", needs: partCall, value: func(v *View) ref.Val {
			if !v.arguments().Exists() {
				return nil
			}
			return types.DefaultTypeAdapter.NativeToValue(native(v.arguments()))
		}},
		text("call.args_text", "Every string of the arguments, names excluded, one a line.",
			func(v *View) string { return v.texts.strings(v.arguments(), false) }).of(partCall).long(),
		text("call.args_normal", "call.args_text unescaped, what is encoded in it decoded, in normal form.",
			func(v *View) string { return content.Normalize(content.Reveal(v.text("call.args_text"))) }).of(partCall).long(),
	)...)
	return append(fields, carried(event.CarriesResults,
		text("result.text", "Every string of the result, one a line.",
			func(v *View) string { return v.texts.strings(v.message.Result, false) }).of(partResult).long(),
		text("result.normal", "result.text in normal form.",
			func(v *View) string { return content.Normalize(v.text("result.text")) }).of(partResult).long(),
		boolean("result.is_error", "The tool reports its own failure.",
			func(v *View) bool { return v.message.Result.Get("isError").Bool() }).of(partResult),
		integer("result.size", "Bytes of the message that holds the result.",
			func(v *View) int64 { return int64(len(v.event.Message)) }).of(partResult),
		integer("error.code", "The JSON-RPC error code.", func(v *View) int64 { return v.message.ErrorCode }).of(partError),
		text("error.message", "The JSON-RPC error message.", func(v *View) string { return v.message.ErrorText }).of(partError),
	)...)
}

func definitionFields() []Field {
	of := func(name, doc string, get func(*View, *Definition) string) Field {
		return text("definition."+name, doc, func(v *View) string { return get(v, v.definition) }).of(partDefinition)
	}
	hint := func(name, doc, hint string) Field {
		f := Field{Name: "definition." + name, Type: cel.BoolType, Doc: doc, value: func(v *View) ref.Val {
			if v.definition.kind != "tool" {
				return nil
			}
			return types.Bool(v.definition.value.Get("annotations", hint).Bool())
		}}
		return f.of(partDefinition)
	}
	return carried(event.CarriesDefinitions,
		of("kind", "tool, prompt, resource, template or instructions.", func(_ *View, d *Definition) string { return d.kind }),
		of("name", "The name, or the resource's URI.", func(_ *View, d *Definition) string { return d.name }),
		of("title", "The title for people.", func(_ *View, d *Definition) string { return d.value.Get("title").Text() }),
		of("description", "The description that the model reads.", func(_ *View, d *Definition) string { return d.description() }).long(),
		of("text", "Every string of the definition, names in its schemas included, one a line.",
			func(v *View, d *Definition) string { return v.definitionTexts.strings(d.value, true) }).long(),
		of("normal", "definition.text in normal form.", func(v *View, _ *Definition) string { return content.Normalize(v.text("definition.text")) }).long(),
		of("digest", "A hash of kind and text.", func(_ *View, d *Definition) string { return d.Digest() }),
		hint("read_only", "The tool says that it changes nothing.", "readOnlyHint"),
		hint("destructive", "The tool says that it may destroy.", "destructiveHint"),
	)
}

func serverRequestFields() []Field {
	param := func(v *View, name string) string { return v.message.Params.Get(name).Text() }
	return []Field{
		integer("sampling.max_tokens", "The tokens that a server asks the agent's model for.", func(v *View) int64 {
			tokens, _ := v.message.Params.Get("maxTokens").Int()
			return tokens
		}).of(partSampling),
		text("sampling.text", "Every string of the sampling request, one a line.",
			func(v *View) string { return v.texts.strings(v.message.Params, false) }).of(partSampling).long(),
		text("sampling.include_context", "none, thisServer or allServers.",
			func(v *View) string { return param(v, "includeContext") }).of(partSampling),
		text("elicitation.mode", "form or url.", func(v *View) string {
			if mode := param(v, "mode"); mode != "" {
				return mode
			}
			return "form"
		}).of(partElicitation),
		text("elicitation.message", "What the person is told.", func(v *View) string { return param(v, "message") }).of(partElicitation).long(),
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
