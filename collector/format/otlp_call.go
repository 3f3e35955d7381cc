package format

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/mcpwatch/mcpwatch/event"
)

// otlpCarries begins with what not each span has.
var otlpCarries = []string{
	event.CarriesArguments, event.CarriesResults, event.CarriesSession, event.CarriesPrincipal, event.CarriesHTTP,
	event.CarriesCalls, event.CarriesTrace, event.CarriesTransport, event.CarriesAgent, event.CarriesServer, event.CarriesMeasured,
}

// otlpCall is a message that a span or log record tells of, and its answer.
type otlpCall struct {
	told
	method, target string
	// asks says that who sent the message tells of it, not who answered: another span may tell of
	// the same call, and better.
	asks bool
}

// callOf is the call of a part, or nil where it tells of none.
func callOf(p *part) *otlpCall {
	c := new(otlpCall)
	c.read(p.span.GetAttributes())
	c.read(p.log.GetAttributes())
	name := p.span.GetName()
	switch kind := p.span.GetKind(); {
	case c.text(otlpMethod) != "":
		c.method = c.text(otlpMethod)
		c.asks = kind == tracepb.Span_SPAN_KIND_CLIENT || kind == tracepb.Span_SPAN_KIND_PRODUCER
	case c.text(otlpOperation) == executeTool && c.has(otlpTool):
		c.method, c.asks = "tools/call", true
	case p.scope.GetName() == contextForge:
		c.method = contextForgeMethods[name]
	}
	if c.method == "" {
		return nil
	}
	switch {
	case c.method == "tools/call":
		c.target = c.text(otlpTool)
	case c.method == "prompts/get":
		c.target = c.text(otlpPrompt)
	case strings.HasPrefix(c.method, "resources/"):
		c.target = c.text(otlpResource)
	default:
		return c
	}
	// A span is named after its method and target.
	if named, found := strings.CutPrefix(strings.TrimPrefix(name, pythonSends), c.method+" "); found && c.target == "" {
		c.target = named
	}
	return c
}

// sameCall reports whether two spans can tell of one call: what both say must be equal.
func (c *otlpCall) sameCall(d *otlpCall) bool {
	fits := func(a, b string) bool { return a == "" || b == "" || a == b }
	return c.method == d.method && fits(c.target, d.target) && fits(c.text(otlpRequestID), d.text(otlpRequestID))
}

// maxSteps is how many spans may lie between that of a call's client and that of its server.
const maxSteps = 8

// findRepeated marks the spans of who asks whose call is told by a span beneath them too.
func (t *Telemetry) findRepeated() {
	spans := map[string]int{}
	for i := range t.parts {
		if span := t.parts[i].span; span != nil {
			spans[string(span.GetTraceId())+string(span.GetSpanId())] = i
		}
	}
	for i := range t.parts {
		below := &t.parts[i]
		if below.span == nil || below.call == nil {
			continue
		}
		above := below
		for range maxSteps {
			at, found := spans[string(above.span.GetTraceId())+string(above.span.GetParentSpanId())]
			if !found || len(above.span.GetParentSpanId()) == 0 {
				break
			}
			if above = &t.parts[at]; above.call != nil {
				above.repeated = above.repeated || above != below && above.call.asks && above.call.sameCall(below.call)
				break
			}
		}
	}
}

// readCall makes events of a call: what was asked and, unless it was a notification, the answer.
func (r *Reader) readCall(p *part) error {
	c := p.call
	id := c.requestID(p)
	var arguments jsontext.Value
	if v := c.values[otlpArguments]; v != nil {
		var err error
		if arguments, err = r.structured(v); err != nil {
			return err
		}
	}
	result, err := r.result(c)
	if err != nil {
		return err
	}
	question := c.question(id, arguments)
	answer := c.answer(id, result, p.span.GetStatus())
	if len(question) > r.limits.Bytes || len(answer) > r.limits.Bytes {
		return &event.FieldError{Field: "message", Reason: "over " + strconv.Itoa(r.limits.Bytes) + " bytes"}
	}

	direction := event.ToServer
	if fromServer(c.method) {
		direction = event.ToClient
	}
	began, ended := c.times(p)
	asked := r.event(direction, question)
	r.context(asked, p)
	asked.ID, asked.Time = idOf(p, "request"), began
	if id == nil {
		return nil
	}
	requestID, carries := asked.ID, asked.Source.Completeness
	answered := r.event(direction.Opposite(), answer)
	r.context(answered, p)
	answered.Source.Completeness = carries
	answered.ID, answered.Time = idOf(p, "answer"), ended
	answered.Request = r.request(event.Request{Event: requestID, Method: c.method, Name: c.target, Arguments: arguments})
	answered.Measured.DurationMS = ended.Sub(began).Milliseconds()
	if p.span == nil {
		answered.Measured.DurationMS = c.millis(otlpDuration)
	}
	answered.Measured.Size, _ = c.integer(otlpSize)
	return nil
}

// requestID is the message's id in JSON; nil for a notification. Where nobody tells it the span's own
// id stands for it, so that a request is one.
func (c *otlpCall) requestID(p *part) jsontext.Value {
	id := c.text(otlpRequestID)
	switch n, err := strconv.ParseInt(id, 10, 64); {
	case err == nil && strconv.FormatInt(n, 10) == id:
		return jsontext.Value(id)
	case id != "":
		return quoted(id)
	case strings.HasPrefix(c.method, "notifications/"):
		return nil
	}
	if p.span != nil {
		return quoted(hex.EncodeToString(p.span.GetSpanId()))
	}
	return quoted(hex.EncodeToString(p.log.GetSpanId()))
}

// times are when the call began and when it ended.
func (c *otlpCall) times(p *part) (began, ended time.Time) {
	at := func(nanos uint64) time.Time {
		if nanos == 0 {
			return time.Time{}
		}
		return time.Unix(int64(nanos/1e9), int64(nanos%1e9)).UTC()
	}
	if p.log != nil {
		logged := at(nanosOf(p.log))
		return logged, logged
	}
	began, ended = at(p.span.GetStartTimeUnixNano()), at(p.span.GetEndTimeUnixNano())
	if ended.Before(began) {
		ended = began
	}
	return began, ended
}

// idOf names an event of a span; it is "" where the span has no id.
func idOf(p *part, what string) string {
	if len(p.span.GetTraceId()) != 16 || len(p.span.GetSpanId()) != 8 {
		return ""
	}
	return "otlp-" + hex.EncodeToString(p.span.GetTraceId()) + "-" + hex.EncodeToString(p.span.GetSpanId()) + "-" + what
}

// context says of an event where it was seen.
func (r *Reader) context(e *event.Event, p *part) {
	c := p.call
	var of told // the resource's
	of.read(p.resource.GetAttributes())

	e.Trace = hex.EncodeToString(p.span.GetTraceId())
	if p.log != nil {
		e.Trace = hex.EncodeToString(p.log.GetTraceId())
	}
	e.Session, e.Transport = c.text(otlpSession), c.transport()
	e.Agent.ID, e.Agent.Name, e.Agent.Version = c.text(otlpAgentID), c.text(otlpAgentName), c.text(otlpAgentVersion)
	e.Server.ID, e.Principal.Subject = c.text(otlpServer), c.text(otlpUser)
	// Who serves a server's request is the agent.
	if c.asks != fromServer(c.method) {
		r.agentOf(e, c, &of)
	} else {
		r.serverOf(e, &of)
	}
	if c.asks {
		e.Mark("client_span")
	}

	status, _ := c.integer(otlpHTTPStatus)
	e.HTTP = event.HTTP{Status: int(status), Method: c.text(otlpHTTPMethod), ClientIP: c.text(otlpClientAddress)}
	e.HTTP.Headers = c.headers()
	e.Source.Completeness = c.carries()
}

// headers are those of HTTP that have names of their own here.
func (c *otlpCall) headers() map[string]string {
	if !c.has(otlpRevision) && !c.has(otlpUserAgent) {
		return nil
	}
	headers := make(map[string]string, 2)
	if c.has(otlpRevision) {
		headers["mcp-protocol-version"] = c.text(otlpRevision)
	}
	if c.has(otlpUserAgent) {
		headers["user-agent"] = c.text(otlpUserAgent)
	}
	return headers
}

// agentOf takes the resource for the agent: it asked.
func (r *Reader) agentOf(e *event.Event, c *otlpCall, of *told) {
	service, host := of.text(otlpService), of.text(otlpHost)
	e.Agent.Host = host
	if e.Agent.User = of.text(otlpUser); e.Agent.User == "" {
		e.Agent.User = of.text(otlpOwner)
	}
	if e.Agent.Name == "" {
		e.Agent.Name, e.Agent.Version = service, of.text(otlpServiceVersion)
	}
	if e.Agent.ID == "" && service != "" {
		e.Agent.ID = service
		if host != "" {
			e.Agent.ID = host + "/" + service
		}
	}
	if url := c.text(otlpURL); strings.Contains(url, "://") {
		e.Server.URL = url
	}
	if e.Server.ID == "" {
		e.Server.ID = c.text(otlpServerAddress)
		if port := c.text(otlpServerPort); e.Server.ID != "" && port != "" {
			e.Server.ID += ":" + port
		}
	}
}

// serverOf takes the resource for the server, or for a gateway before it that names it.
func (*Reader) serverOf(e *event.Event, of *told) {
	if e.Server.ID == "" {
		e.Server.ID, e.Server.Version = of.text(otlpService), of.text(otlpServiceVersion)
	}
	e.Server.Name = of.text(otlpService)
}

// transport is that of an event.
func (c *otlpCall) transport() string {
	switch named := strings.ToLower(c.text(otlpTransport)); {
	case named == "":
	case strings.HasPrefix(named, "streamable"):
		return "http"
	default:
		return named
	}
	switch c.text(otlpNetwork) {
	case "pipe":
		return "stdio"
	case "tcp", "ip_tcp", "quic":
		return "http"
	}
	return ""
}

// carries is what the span or record has of what such can have: products differ, and each leaves out
// what its operator chose.
func (c *otlpCall) carries() []string {
	carried := make([]string, 0, len(otlpCarries))
	optional := []meaning{otlpArguments, otlpResult, otlpSession, otlpUser, otlpHTTPStatus}
	for i, m := range optional {
		if c.has(m) {
			carried = append(carried, otlpCarries[i])
		}
	}
	return append(carried, otlpCarries[len(optional):]...)
}
