package format

import (
	"strings"

	"github.com/mcpwatch/mcpwatch/event"
)

var contextforgeCarries = []string{
	event.CarriesCalls, event.CarriesTrace, event.CarriesTransport, "principal.subject", "http.client_ip", "http.method",
	"http.status", "measured.duration_ms", event.CarriesOutcome, event.CarriesActivity,
}

// isContextForge reports whether an object is an envelope for a SIEM, a line of the log or a row of
// one of the tables that hold logs.
func isContextForge(_ event.Value, s shape) bool {
	if !s.isLog() {
		return false
	}
	const line, row, security, audit = hasAscTime | hasLevelName, hasComponent | hasMessage, hasEventType | hasActionTaken, hasAction | hasResourceType
	return s.texts&line == line && s.has&hasProcessID != 0 ||
		s.texts&row == row && s.has&hasIsSecurityEvent != 0 ||
		s.texts&security == security ||
		s.texts&audit == audit && s.has&hasRequiresReview != 0
}

// readContextForge reads what IBM ContextForge writes of itself, of 1.0.7: the envelope that it
// sends to a SIEM, a line of its JSON log, or a row of its tables structured_log_entries,
// security_events and audit_trails. What tells of no MCP, such as its own pages and its start,
// gives nothing.
func (r *Reader) readContextForge(root event.Value) error {
	const audit = hasAction | hasResourceType
	switch s := shapeOf(root); {
	case s.has&hasAscTime != 0:
		r.forgeLine(forgeLineOf(root), root)
	case s.has&hasIsSecurityEvent != 0:
		l := forgeLineOf(root)
		r.forgeLine(l, r.embedded(root.Get("context")))
		r.identify(l.id)
	case s.texts&hasEventType != 0:
		r.forgeSecurity(root)
	case s.texts&audit == audit:
		r.forgeTrail(root)
	}
	return nil
}

// embedded is an object that is in a column as it is, or as the text of its JSON. What the record
// holds besides must have been taken.
func (r *Reader) embedded(v event.Value) event.Value {
	if v.Kind() == event.String {
		v, _ = r.parse([]byte(v.Text()))
	}
	return v
}

// forgeContext is the context of a record's events, but for who was authenticated.
func forgeContext(root, actor event.Value) (e event.Event) {
	e.Time = timeOf(firstOf(root.Get("timestamp").Text(), root.Get("@timestamp").Text(), root.Get("asctime").Text()))
	e.Trace = firstOf(root.Get("trace_id").Text(), root.Get("correlation_id").Text(), root.Get("context", "correlation_id").Text())
	e.HTTP.ClientIP = firstOf(actor.Get("client_ip").Text())
	e.HTTP.Headers = userAgent(actor.Get("user_agent").Text())
	e.Transport = "http"
	return e
}

func forgeUser(actor event.Value) string {
	return firstOf(actor.Get("user_id").Text(), actor.Get("user_email").Text())
}

// forgeLine is a line of the log or the row that is made of it.
type forgeLine struct {
	context                      event.Event
	id, component, message, path string
	failed                       bool
}

func forgeLineOf(root event.Value) forgeLine {
	l := forgeLine{context: forgeContext(root, root), id: root.Get("id").Text(), component: root.Get("component").Text()}
	_, message, found := strings.Cut(root.Get("message").Text(), "["+l.component+"] ")
	if l.message = message; !found {
		l.message = root.Get("message").Text()
	}
	l.failed = firstOf(root.Get("levelname").Text(), root.Get("level").Text()) == "ERROR"
	l.context.Principal.Subject = forgeUser(root)
	l.context.HTTP.Method, l.path = root.Get("request_method").Text(), root.Get("request_path").Text()
	l.context.Measured.DurationMS = millis(root.Get("duration_ms"))
	return l
}

// forgeLine adds what a line tells of; details are the members that say more. A call is told of
// three times: when the gateway passes it on, when that ends, and with its user when all is over,
// which is the one that is taken.
func (r *Reader) forgeLine(l forgeLine, details event.Value) {
	custom := details.Get("custom_fields")
	tool, prompt := custom.Get("tool_name").Text(), custom.Get("prompt_name").Text()
	resource := details.Get("resource_type").Text()
	l.context.HTTP.Status = status(details.Get("response_status_code"))
	outcome := event.Outcome{Status: event.OutcomeSuccess, Reason: custom.Get("error_message").Text()}
	if l.failed {
		outcome.Status = event.OutcomeFailure
	}
	switch {
	case l.component == "tool_service" && details.Get("resource_action").Text() == "invoke":
		r.like(&l.context, event.ToServer, asked(unknownID, "tools/call", tool)).Outcome = outcome
	case l.component == "prompt_service" && strings.HasPrefix(l.message, "Prompt retrieved"):
		r.like(&l.context, event.ToServer, asked(unknownID, "prompts/get", prompt)).Outcome = outcome
	case l.component == "http_gateway" && isForgeRefusal(l.context.HTTP.Status, l.path):
		e := r.tells(&l.context, "authentication")
		if outcome.Status = event.OutcomeFailure; l.context.HTTP.Status == 403 {
			outcome.Status = event.OutcomeDenied
		}
		outcome.Reason = l.message
		e.Outcome = outcome
	case resource != "" && isForgeChange(l.message):
		e := r.tells(&l.context, forgeActivity(resource))
		outcome.Reason = because(l.message, tool, prompt, custom.Get("gateway_name").Text())
		e.Outcome = outcome
	}
}

// isForgeRefusal reports whether an exchange ended because of a credential: the gateway tells of
// that nowhere else.
func isForgeRefusal(status int, path string) bool {
	return status == 401 || status == 403 || 400 <= status && status < 500 && strings.HasPrefix(path, "/auth/")
}

// isForgeChange reports whether a line says of some resource that it was changed: "Tool updated
// successfully".
func isForgeChange(message string) bool {
	_, rest, _ := strings.Cut(message, " ")
	verb, _, _ := strings.Cut(rest, " ")
	switch verb {
	case "created", "registered", "updated", "deleted", "activated", "deactivated":
		return true
	}
	return false
}

// forgeActivity names what changes in the catalogue, such as tools_changed.
func forgeActivity(resource string) string {
	if resource == "" {
		return "catalogue_changed"
	}
	return word(resource) + "s_changed"
}

// forgeSecurity reads an envelope, or a row of security_events, which has no parts.
func (r *Reader) forgeSecurity(root event.Value) {
	actor, details := root, root.Get("context")
	id := root.Get("id").Text()
	if envelope := root.Get("actor"); envelope.Exists() {
		actor, id = envelope, root.Get("event_id").Text()
	}
	told := forgeTold{
		context: forgeContext(root, actor), user: forgeUser(actor),
		kind: strings.ToLower(root.Get("event_type").Text()), taken: root.Get("action_taken").Text(), description: root.Get("description").Text(),
		resource: details.Get("resource_type").Text(), name: details.Get("resource_name").Text(),
		failed: details.Get("success").Kind() == event.Bool && !details.Get("success").Bool(),
	}
	r.forge(&told)
	r.identify(id)
}

// forgeTrail reads a row of audit_trails.
func (r *Reader) forgeTrail(root event.Value) {
	success := root.Get("success")
	told := forgeTold{
		context: forgeContext(root, root), user: forgeUser(root), kind: "audit_" + strings.ToLower(root.Get("action").Text()),
		resource: root.Get("resource_type").Text(), name: root.Get("resource_name").Text(),
		failed: success.Exists() && !success.Bool() && string(success.Raw()) != "1",
	}
	told.description = because(root.Get("action").Text(), told.name, root.Get("error_message").Text())
	r.forge(&told)
	r.identify(root.Get("id").Text())
}

// forgeTold is what the gateway tells of security or of a change, in whichever form.
type forgeTold struct {
	context                  event.Event
	user                     string // whom it names, authenticated or not
	kind, taken, description string
	resource, name           string // what it is about
	failed                   bool
}

// forge adds the event of it. Who failed to authenticate is not who he says he is.
func (r *Reader) forge(t *forgeTold) {
	outcome := event.Outcome{Reason: t.description}
	switch strings.ToLower(t.taken) {
	case "allowed", "":
		outcome.Status = event.OutcomeSuccess
	case "denied", "blocked", "rejected":
		outcome.Status = event.OutcomeDenied
	}
	if t.failed || strings.Contains(t.kind, "fail") {
		outcome.Status = event.OutcomeFailure
	}
	authentication := strings.HasPrefix(t.kind, "auth") && !strings.HasPrefix(t.kind, "authorization")
	if !authentication || outcome.Status == event.OutcomeSuccess {
		t.context.Principal.Subject = t.user
	}
	action, audit := strings.CutPrefix(t.kind, "audit_")
	switch {
	case authentication:
		r.tells(&t.context, "authentication")
	case !audit:
		r.tells(&t.context, word(t.kind))
	case action == "view_prompt":
		r.like(&t.context, event.ToServer, asked(unknownID, "prompts/get", t.name))
	case isForgeReading(action):
		r.tells(&t.context, "catalogue_read")
	default:
		r.tells(&t.context, forgeActivity(t.resource))
	}
	r.made[len(r.made)-1].Outcome = outcome
}

func isForgeReading(action string) bool {
	verb, _, _ := strings.Cut(action, "_")
	switch verb {
	case "view", "read", "list", "get", "export":
		return true
	}
	return false
}
