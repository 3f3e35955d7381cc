package format

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

var toolhiveCarries = []string{
	event.CarriesCalls, event.CarriesArguments, event.CarriesResults, event.CarriesDefinitions, event.CarriesMessages,
	event.CarriesTransport, "server.id", "agent.name", "agent.version", "principal.subject", "principal.chain",
	"http.client_ip", "http.method", event.CarriesMeasured, event.CarriesOutcome, event.CarriesActivity,
}

// isToolhive reports whether an object is an audit event.
func isToolhive(_ event.Value, s shape) bool {
	const audit = hasAuditID | hasType | hasOutcome | hasComponent
	return s.isLog() && s.texts&audit == audit
}

// toolhiveAudit is what a record says of the call, apart from its context.
type toolhiveAudit struct {
	kind, method, name string
	request, response  toolhiveBody
}

// toolhiveBody is a body as the log holds it: JSON, or the text of what was none or came as a
// stream of events.
type toolhiveBody struct {
	json jsontext.Value
	text string
}

// readToolhive reads an audit event of ToolHive: what was asked and, where the log holds it, what
// was answered. Other lines of its log tell of nothing. The layout is that of pkg/audit of v0.47.
func (r *Reader) readToolhive(root event.Value) error {
	context := toolhiveContext(root)
	target, data := root.Get("target"), root.Get("data")
	a := toolhiveAudit{
		kind: root.Get("type").Text(), method: target.Get("method").Text(), name: target.Get("name").Text(),
		request: bodyOf(data.Get("request")), response: bodyOf(data.Get("response")),
	}
	if a.method == "" {
		a.method = toolhiveMethod(a.kind)
	}
	if a.kind == "mcp_initialize" && context.Agent.Name == "" {
		context.Agent.Name = a.name
	}
	id := root.Get("audit_id").Text()
	if id == "" || isProbe(&a, &context) {
		return nil
	}
	outcome := toolhiveOutcome(root)
	measured := context.Measured
	context.Measured = event.Measured{}
	request := r.toolhiveRequest(&a, &context)
	ends := r.toolhiveResponse(&a, &context, request)
	r.made[ends].Outcome, r.made[ends].Measured = outcome, measured
	r.identify(id)
	return nil
}

// toolhiveContext is the context of a record's events. The address is whatever X-Forwarded-For
// says, so it is a claim.
func toolhiveContext(root event.Value) (e event.Event) {
	e.Time, _ = root.Get("time").Time()
	if e.Time.IsZero() {
		e.Time, _ = root.Get("logged_at").Time()
	}
	e.Server.ID = root.Get("component").Text()
	subjects, source, extra := root.Get("subjects"), root.Get("source"), root.Get("metadata", "extra")
	e.Agent.Name, e.Agent.Version = subjects.Get("client_name").Text(), subjects.Get("client_version").Text()
	user, id := subjects.Get("user").Text(), subjects.Get("user_id").Text()
	if user != "Local User: "+id { // made up where nobody is asked who he is
		e.Principal.Subject = firstOf(id, user)
	}
	for link := range root.Get("delegation", "chain").Items() {
		if len(e.Principal.Chain) < maxChain {
			e.Principal.Chain = append(e.Principal.Chain, link.Get("sub").Text())
		}
	}
	e.HTTP.ClientIP = source.Get("value").Text()
	e.HTTP.Headers = userAgent(source.Get("extra", "user_agent").Text())
	e.Transport = transportOf(extra.Get("transport").Text())
	e.Measured.DurationMS, e.Measured.Size = millis(extra.Get("duration_ms")), millis(extra.Get("response_size_bytes"))
	return e
}

// maxChain is how many links of a delegation are taken.
const maxChain = 64

func bodyOf(v event.Value) toolhiveBody {
	if v.Kind() == event.Object || v.Kind() == event.Array {
		return toolhiveBody{json: v.AppendCompact(nil)}
	}
	return toolhiveBody{text: v.Text()}
}

// isProbe reports whether a record tells of ToolHive asking whether its own server is ready.
func isProbe(a *toolhiveAudit, context *event.Event) bool {
	address, err := netip.ParseAddr(context.HTTP.ClientIP)
	return a.kind == "mcp_initialize" && a.name == "toolhive" && err == nil && address.IsLoopback() &&
		strings.HasPrefix(context.HTTP.Headers["user-agent"], "Go-http-client/")
}

func toolhiveOutcome(root event.Value) event.Outcome {
	extra := root.Get("metadata", "extra")
	switch said := root.Get("outcome").Text(); said {
	case "application_error":
		code := string(extra.Get("jsonrpc_error_code").Raw())
		return event.Outcome{Status: event.OutcomeFailure, Reason: because(code, extra.Get("jsonrpc_error_message").Text())}
	case event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeDenied, event.OutcomeError:
		return event.Outcome{Status: said}
	}
	return event.Outcome{Status: event.OutcomeUnknown}
}

// toolhiveMethod is the method that a type of event stands for, where the record names none.
func toolhiveMethod(kind string) string {
	switch kind {
	case "mcp_initialize":
		return "initialize"
	case "mcp_tool_call":
		return "tools/call"
	case "mcp_tools_list":
		return "tools/list"
	case "mcp_resource_read":
		return "resources/read"
	case "mcp_resources_list":
		return "resources/list"
	case "mcp_prompt_get":
		return "prompts/get"
	case "mcp_prompts_list":
		return "prompts/list"
	case "mcp_ping":
		return "ping"
	case "mcp_logging":
		return "logging/setLevel"
	case "mcp_completion":
		return "completion/complete"
	case "mcp_roots_list_changed":
		return "notifications/roots/list_changed"
	}
	return ""
}

// toolhiveRequest adds what was sent to the server and returns it as the request of an answer, nil
// where it asks for none.
func (r *Reader) toolhiveRequest(a *toolhiveAudit, context *event.Event) *event.Request {
	switch {
	case a.request.json != nil:
		r.like(context, event.ToServer, a.request.json)
		m, err := r.parser.Parse(a.request.json)
		if err != nil || m.Kind != event.KindRequest {
			return nil
		}
		return &event.Request{Method: m.Method, Name: m.Name(), Arguments: m.Params.Get("arguments").Raw()}
	case a.request.text != "":
		e := r.like(context, event.ToServer, nil)
		e.Raw = a.request.text
		e.Mark("not_json")
		return nil
	}
	if activity := toolhiveActivity(a); activity != "" {
		e := r.tells(context, activity)
		e.HTTP.Method = a.method
		return nil
	}
	r.like(context, event.ToServer, asked(unknownID, a.method, a.name))
	if strings.HasPrefix(a.method, "notifications/") {
		return nil
	}
	q := &event.Request{Method: a.method}
	if namesSomething(a.method) {
		q.Name = a.name
	}
	return q
}

// toolhiveActivity is what a record without a message tells of, "" where there was one.
func toolhiveActivity(a *toolhiveAudit) string {
	switch {
	case a.kind == "sse_connection":
		return "stream_start"
	case a.method == "DELETE":
		return "session_end"
	case a.method == "" || !strings.HasPrefix(a.kind, "mcp_") && a.method == strings.ToUpper(a.method):
		return word(a.kind)
	}
	return ""
}

// maxAnswers is how many messages of one answer's stream are taken.
const maxAnswers = 64

// toolhiveResponse adds what came back, and returns which event tells how it ended.
func (r *Reader) toolhiveResponse(a *toolhiveAudit, context *event.Event, request *event.Request) (ends int) {
	for i, answer := range r.toolhiveAnswers(a.response) {
		if i == maxAnswers {
			r.made[len(r.made)-1].Mark("children_dropped")
			break
		}
		e := r.like(context, event.ToClient, answer.json)
		if answer.json == nil {
			e.Raw = answer.text
			e.Mark("not_json")
			ends = len(r.made) - 1
			continue
		}
		m, err := r.parser.Parse(answer.json)
		if err == nil && (m.Kind == event.KindResponse || m.Kind == event.KindError) {
			ends = len(r.made) - 1
			if request != nil {
				e.Request = r.request(*request)
			}
		}
	}
	return ends
}

// toolhiveAnswers takes apart what came back: one more than maxAnswers at most.
func (r *Reader) toolhiveAnswers(b toolhiveBody) (answers []toolhiveBody) {
	if b.json != nil {
		return []toolhiveBody{b}
	}
	take := func(data []byte) {
		if len(answers) > maxAnswers {
			return
		}
		root, err := r.parse(slices.Clone(data))
		if err != nil || root.Kind() != event.Object && root.Kind() != event.Array {
			answers = append(answers, toolhiveBody{text: string(data)})
			return
		}
		answers = append(answers, toolhiveBody{json: root.AppendCompact(nil)})
	}
	if sseData([]byte(b.text), take); len(answers) == 0 && b.text != "" {
		take([]byte(b.text))
	}
	return answers
}
