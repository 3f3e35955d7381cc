package rule

import (
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/mcpwatch/mcpwatch/content"
	"github.com/mcpwatch/mcpwatch/event"
)

// Fields lists everything an expression can read, lists aside.
func Fields() []Field {
	fields := eventFields()
	fields = append(fields, contextFields()...)
	fields = append(fields, principalFields()...)
	fields = append(fields, httpFields()...)
	fields = append(fields, callFields()...)
	fields = append(fields, resultFields()...)
	fields = append(fields, definitionFields()...)
	fields = append(fields, serverRequestFields()...)
	return fields
}

func eventFields() []Field {
	fields := carried(event.CarriesSession,
		text("event.session", "The session, where the protocol or the source has one.", func(v *View) string { return v.event.Session }))
	fields = append(fields, carried(event.CarriesTransport,
		text("event.transport", "stdio, http or sse.", func(v *View) string { return v.event.Transport }))...)
	fields = append(fields, carried(event.CarriesTrace,
		text("event.trace", "The trace id.", func(v *View) string { return v.event.Trace }))...)
	fields = append(fields, carried(event.CarriesMessages,
		text("event.protocol_version", "The revision that the message itself names.", func(v *View) string { return v.message.ProtocolVersion() }),
		text("event.raw", "What was sent in place of JSON, as text.", func(v *View) string { return v.event.Raw }))...)
	fields = append(fields, carried(event.CarriesActivity,
		text("event.activity", "What the source tells of where that is no MCP message: authentication, session_start and so on.",
			func(v *View) string { return v.event.Activity }))...)
	fields = append(fields, carried(event.CarriesOutcome,
		text("outcome.status", "How it ended, as the source says: success, failure, denied, error or unknown.",
			func(v *View) string { return v.event.Outcome.Status }),
		text("outcome.reason", "Why, in the source's words.", func(v *View) string { return v.event.Outcome.Reason }))...)
	return append(fields,
		text("event.id", "The event's id.", func(v *View) string { return v.event.ID }),
		moment("event.time", "The source's clock.", func(v *View) time.Time { return v.event.Time }),
		moment("event.received", "The collector's clock.", func(v *View) time.Time { return v.event.Received }),
		text("event.kind", "request, notification, response, error, batch or unknown.", func(v *View) string { return string(v.message.Kind) }),
		text("event.method", "The JSON-RPC method; of an answer, that of its request.", (*View).Method),
		text("event.direction", "to_server or to_client.", func(v *View) string { return string(v.event.Direction) }),
		text("event.era", "modern from revision 2026-07-28 on, else legacy.", (*View).era),
		listOf("event.marks", "What was done to the event or found wrong with it on the way; empty where nothing was.",
			func(v *View) ([]string, bool) { return v.event.Marks, true }),
		integer("event.size", "Bytes of the message.", always(func(v *View) int64 { return int64(len(v.event.Message) + len(v.event.Raw)) })),
		lines("event.text", "Every string of the message, one a line.", (*View).eventText),
		lines("event.normal", "event.text in normal form (see normalize).", func(v *View) string { return content.Normalize(v.text("event.text")) }),
		integer("event.uninspected", "Bytes of the message that no text shows: of long texts the middle, and names of members over 64 bytes outside of definitions.",
			always(func(v *View) int64 { return v.uninspected })),
		text("source.format", "The format that the event was read from.", func(v *View) string { return v.event.Source.Format }),
		text("source.name", "Who shipped the event, from the credential.", func(v *View) string { return v.event.Source.Name }),
		text("tenant", "Whose event it is, from the credential.", func(v *View) string { return v.event.Tenant }),
		text("actor", "Who acts, as the collector computed it.", func(v *View) string { return v.event.Actor }),
	)
}

func contextFields() []Field {
	return carriedByName(
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
		integer("measured.duration_ms", "How long the call took, where the source says so.", unlessZero(func(v *View) int64 { return v.event.Measured.DurationMS })),
		integer("measured.size", "Bytes of the result, where the source says so.", unlessZero(func(v *View) int64 { return v.event.Measured.Size })),
	)
}

func principalFields() []Field {
	return carriedByName(
		text("principal.subject", "Whom the source authenticated.", func(v *View) string { return v.event.Principal.Subject }),
		text("principal.issuer", "Who issued the principal's token.", func(v *View) string { return v.event.Principal.Issuer }),
		text("principal.client_id", "The OAuth client.", func(v *View) string { return v.event.Principal.ClientID }),
		text("principal.audience", "The token's audience.", func(v *View) string { return v.event.Principal.Audience }),
		listOf("principal.scopes", "The token's scopes.", unlessEmpty(func(v *View) []string { return v.event.Principal.Scopes })),
		text("principal.token", "A digest of the token.", func(v *View) string { return v.event.Principal.Token }),
		moment("principal.issued", "When the token was issued.", func(v *View) time.Time { return v.event.Principal.Issued }),
		moment("principal.expires", "When the token expires.", func(v *View) time.Time { return v.event.Principal.Expires }),
		listOf("principal.chain", "On whose behalf the principal acts, nearest first.", unlessEmpty(func(v *View) []string { return v.event.Principal.Chain })),
	)
}

func httpFields() []Field {
	return carriedByName(
		integer("http.status", "The HTTP status.", unlessZero(func(v *View) int64 { return int64(v.event.HTTP.Status) })).of(partHTTP),
		text("http.method", "The HTTP method.", func(v *View) string { return v.event.HTTP.Method }).of(partHTTP),
		text("http.client_ip", "The client's address, as the source saw it.", func(v *View) string { return v.event.HTTP.ClientIP }).of(partHTTP),
		Field{
			Name: "http.headers", Type: cel.MapType(cel.StringType, cel.StringType), Doc: "Headers, names in lower case.", needs: partHTTP,
			value: func(v *View) ref.Val {
				if len(v.event.HTTP.Headers) == 0 {
					return nil
				}
				return types.NewStringStringMap(types.DefaultTypeAdapter, v.event.HTTP.Headers)
			},
		},
	)
}

func callFields() []Field {
	fields := carried(event.CarriesCalls,
		name("call.tool", "The tool called; on its answer too.").of(partCall),
		name("resource.uri", "The resource read; on its answer too.").of(partResource),
		name("prompt.name", "The prompt asked for; on its answer too.").of(partPrompt),
	)
	return append(fields, carried(event.CarriesArguments,
		Field{Name: "call.args", Type: cel.MapType(cel.StringType, cel.DynType), Doc: "The arguments.", needs: partCall | partArguments, value: func(v *View) ref.Val {
			return types.DefaultTypeAdapter.NativeToValue(native(v.arguments()))
		}},
		lines("call.args_text", "Every string of the arguments, names excluded, one a line.", (*View).argumentsText).of(partCall|partArguments),
		lines("call.args_normal", "call.args_text unescaped, what is encoded in it decoded, in normal form.",
			func(v *View) string { return content.Normalize(content.Reveal(v.text("call.args_text"))) }).of(partCall|partArguments),
	)...)
}

func resultFields() []Field {
	fields := carried(event.CarriesResults,
		lines("result.text", "Every string of the result, one a line.",
			func(v *View) string { return v.texts.strings(v.message.Result, false) }).of(partResult),
		lines("result.normal", "result.text in normal form.",
			func(v *View) string { return content.Normalize(v.text("result.text")) }).of(partResult),
		boolean("result.is_error", "The tool reports its own failure.",
			func(v *View) bool { return v.message.Result.Get("isError").Bool() }).of(partResult),
		integer("result.size", "Bytes of the message that holds the result.",
			always(func(v *View) int64 { return int64(len(v.event.Message)) })).of(partResult),
	)
	return append(fields, carried(event.CarriesMessages,
		integer("error.code", "The JSON-RPC error code.", always(func(v *View) int64 { return v.message.ErrorCode })).of(partError),
		text("error.message", "The JSON-RPC error message.", func(v *View) string { return v.message.ErrorText }).of(partError),
	)...)
}

func definitionFields() []Field {
	of := func(name, doc string, get func(*Definition) string) Field {
		return text("definition."+name, doc, func(v *View) string { return get(v.definition) }).of(partDefinition)
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
		of("kind", "tool, prompt, resource, template or instructions.", func(d *Definition) string { return d.kind }),
		of("name", "The name, or the resource's URI.", func(d *Definition) string { return d.name }),
		of("title", "The title for people.", func(d *Definition) string { return d.value.Get("title").Text() }),
		of("description", "The description that the model reads.", func(d *Definition) string { return d.description() }).long(),
		lines("definition.text", "Every string of the definition, names in its schemas included, one a line.",
			func(v *View) string { return v.definitionTexts.strings(v.definition.value, true) }).of(partDefinition),
		lines("definition.normal", "definition.text in normal form.",
			func(v *View) string { return content.Normalize(v.text("definition.text")) }).of(partDefinition),
		of("digest", "A hash of kind and text.", func(d *Definition) string { return d.Digest() }),
		hint("read_only", "The tool says that it changes nothing.", "readOnlyHint"),
		hint("destructive", "The tool says that it may destroy.", "destructiveHint"),
	)
}

func serverRequestFields() []Field {
	param := func(v *View, name string) string { return v.message.Params.Get(name).Text() }
	return carried(event.CarriesMessages,
		integer("sampling.max_tokens", "The tokens that a server asks the agent's model for.",
			func(v *View) (int64, bool) { return v.message.Params.Get("maxTokens").Int() }).of(partSampling),
		lines("sampling.text", "Every string of the sampling request, one a line.",
			func(v *View) string { return v.texts.strings(v.message.Params, false) }).of(partSampling),
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
		listOf("elicitation.fields", "The names of the form's fields.", func(v *View) ([]string, bool) {
			properties := v.message.Params.Get("requestedSchema", "properties")
			return names(properties), properties.Kind() == event.Object
		}).of(partElicitation),
	)
}

// eraBegins is the first revision without sessions; versions are dates and sort as text.
const eraBegins = "2026-07-28"

func isModern(version string) bool {
	_, err := time.Parse(time.DateOnly, version)
	return err == nil && version >= eraBegins
}
