package tap

import (
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// Bounds of what the observer of a proxy holds.
const (
	maxHeld      = 64 << 20 // bytes of all unfinished messages
	maxDecoders  = 256      // bodies decoded at once
	maxSessions  = 10_000   // whose agent's name is known
	maxTools     = 4096     // whose parameters in headers are known
	maxReplays   = 1 << 18  // frames that are known again
	maxOpenCalls = 4 * maxOpen
)

// talk is what the observer of a proxy knows of all its clients and the one server.
type talk struct {
	*observer
	sessions  *fifo[string, event.Agent] // the agent that began it
	endpoints *fifo[string, string]      // the session of a legacy stream, by the URL it wants posts at
	tools     *fifo[string, []binding]
	frames    *fifo[uint64, struct{}] // seen: session, id and data
	seed      maphash.Seed
	held      int
	decoders  int
}

func newTalk(o *observer, upstream *url.URL) *talk {
	o.base.Source.Completeness = append(Carries(), event.CarriesPrincipal, event.CarriesHTTP)
	o.base.Server.URL = bounded(upstream.String())
	o.pairer = event.NewPairer(maxOpenCalls)
	return &talk{
		observer: o, seed: maphash.MakeSeed(),
		sessions: newFIFO[string, event.Agent](maxSessions), endpoints: newFIFO[string, string](maxSessions),
		tools: newFIFO[string, []binding](maxTools), frames: newFIFO[uint64, struct{}](maxReplays),
	}
}

// begin takes up an exchange.
func (t *talk) begin(x *exchange) {
	if session, legacy := t.endpoints.get(x.path); legacy && x.method == http.MethodPost {
		x.session, x.transport, x.mcp = session, "sse", true
	}
	x.agent = t.base.Agent
	if x.agent.Host == "" {
		x.agent.Host = x.host
	}
}

// agentOf is the agent with the names that it gave in the exchange, or else when its session began.
func (t *talk) agentOf(x *exchange) event.Agent {
	agent := x.agent
	if known, ok := t.sessions.get(x.session); ok && agent.Name == "" {
		agent.Name, agent.Version = known.Name, known.Version
	}
	return agent
}

// head knows the answer's head.
func (t *talk) head(x *exchange) {
	if began := x.answer["mcp-session-id"]; x.session == "" && began != "" {
		x.session, x.mcp = began, true
		t.sessions.put(began, x.agent)
	}
}

// ended makes an event of an answer that had no message but says something all the same: a refusal,
// the end of a session, or what the tap itself did.
func (t *talk) ended(x *exchange, at time.Time) {
	t.endpoints.remove(x.endpoint)
	if x.method == http.MethodDelete && x.status/100 == 2 {
		defer t.sessions.remove(x.session)
	}
	if x.responses > 0 || x.status < http.StatusBadRequest && x.outcome == "" && (x.method != http.MethodDelete || x.session == "") {
		return
	}
	e := t.event(at)
	u := &utterance{talk: t, body: &x.response}
	u.set(&e)
	if e.Request = x.asked; x.outcome != "" {
		e.Mark(x.outcome)
	}
	t.emit(&e, line{})
}

// endpoint notes where the client of a legacy stream posts to, which makes the stream a session.
func (t *talk) endpoint(x *exchange, where string) {
	base, err1 := url.Parse(x.path)
	ref, err2 := url.Parse(strings.TrimSpace(where))
	if err1 != nil || err2 != nil || x.transport == "sse" {
		return
	}
	x.transport, x.session, x.mcp = "sse", t.instance+"-"+strconv.FormatUint(x.number, 10), true
	x.endpoint = base.ResolveReference(ref).RequestURI()
	t.endpoints.put(x.endpoint, x.session)
	t.sessions.put(x.session, x.agent)
}

// utterance is one message of an exchange: the scene of its event.
type utterance struct {
	talk  *talk
	body  *body
	frame frame // of a stream
}

// cutFrame is the name that a text has whose body was cut. No stream names a frame so.
const cutFrame = "\n"

func (u *utterance) set(e *event.Event) {
	x := u.body.exchange
	e.Direction, e.Transport, e.Session, e.Trace = directionOf(u.body.way), x.transport, x.session, x.trace
	e.Agent, e.Principal = u.talk.agentOf(x), x.principal
	e.HTTP = event.HTTP{Method: x.method, ClientIP: x.clientIP, Headers: x.headers}
	if u.body.way == toClient && x.answer != nil {
		e.HTTP.Status, e.HTTP.Headers = x.status, x.answer
	}
	if x.principal.Subject != "" {
		e.Mark(event.MarkPrincipalClaimed)
	}
	if u.frame.id != "" {
		id, err := jsontext.AppendQuote([]byte(`{"sse_id":`), strings.ToValidUTF8(u.frame.id, "\uFFFD"))
		if err == nil {
			e.HTTP.Extra = append(id, '}')
		}
	}
}

func (u *utterance) said(e *event.Event, m *event.Message) bool {
	t, x, toAgent := u.talk, u.body.exchange, u.body.way == toClient
	if u.frame.name == "endpoint" && toAgent && x.method == http.MethodGet {
		t.endpoint(x, string(u.frame.data.head))
		return false
	}
	rpc := isRPC(m)
	if !rpc && (!x.mcp || u.frame.name != "" && u.frame.name != "message" && u.frame.name != cutFrame) {
		return false
	}
	if !rpc && toAgent && x.status == http.StatusAccepted {
		return false // the message is accepted, and what it says of that is for nobody
	}
	x.mcp = true
	if u.frame.name == cutFrame {
		e.Mark("incomplete")
	}
	if toAgent {
		x.responses++
		if !rpc {
			e.Request = x.asked
		}
	}
	if !rpc {
		return true
	}
	if u.again(e) {
		e.Mark("replayed")
	}
	if !toAgent {
		for _, name := range t.mismatches(x.headers, m) {
			e.Mark("header_mismatch:" + name)
		}
	}
	u.pair(e, m)
	for _, child := range batched(e, m) {
		if cm, err := t.items.Parse(child.Message); err == nil {
			u.pair(&child, &cm)
		}
	}
	u.learn(e, m)
	return true
}

// isRPC reports whether a message, or one of a batch, says that it is JSON-RPC's.
func isRPC(m *event.Message) bool {
	for item := range m.Root.Items() {
		if item.Get("jsonrpc").Exists() {
			return true
		}
	}
	return m.Root.Get("jsonrpc").Exists()
}

// again reports whether a frame has passed before in its session, to the byte: another under the
// same id is new, whatever the server calls it.
func (u *utterance) again(e *event.Event) bool {
	if u.frame.id == "" || e.Session == "" {
		return false
	}
	var h maphash.Hash
	h.SetSeed(u.talk.seed)
	for _, part := range []string{e.Session, u.frame.id} {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	_, _ = h.Write(u.frame.data.head)
	_, _ = h.Write(u.frame.data.tail)
	key := h.Sum64()
	_, seen := u.talk.frames.get(key)
	u.talk.frames.put(key, struct{}{})
	return seen
}

// pair looks for the request of an answer in its own exchange, then in the session: an answer may
// come on another stream, after a connection broke, and in legacy SSE always does.
func (u *utterance) pair(e *event.Event, m *event.Message) {
	const unpaired = "unpaired:no_request"
	t, x := u.talk, u.body.exchange
	session, instance := e.Session, e.Source.Instance
	defer func() { e.Session, e.Source.Instance = session, instance }()
	e.Source.Instance, e.Session = "", "exchange "+strconv.FormatUint(x.number, 10) // sessions have no space
	t.pair(e, m)
	if m.Kind == event.KindRequest && u.body.way == toServer {
		x.asked = &event.Request{Event: e.ID, Method: bounded(m.Method), Name: bounded(m.Name())}
	}
	if session == "" {
		return
	}
	answer := m.Kind == event.KindResponse || m.Kind == event.KindError
	if answer && !e.HasMark(unpaired) {
		return
	}
	e.Session = session
	if answer {
		e.Marks = without(e.Marks, unpaired)
	}
	t.pair(e, m)
}

func without(marks []string, mark string) (kept []string) {
	for _, m := range marks {
		if m != mark {
			kept = append(kept, m)
		}
	}
	return kept
}

// learn takes what agent and server say of themselves, and what headers tools want.
func (u *utterance) learn(e *event.Event, m *event.Message) {
	t, x := u.talk, u.body.exchange
	learn(e, m, &x.agent, &t.base.Server)
	e.Agent, e.Server = t.agentOf(x), t.base.Server
	if e.Direction == event.ToServer && m.Method == "initialize" && x.session != "" {
		t.sessions.put(x.session, x.agent)
	}
	if e.Direction == event.ToClient && e.Request != nil && e.Request.Method == "tools/list" {
		for tool := range m.Result.Get("tools").Items() {
			t.tools.put(bounded(tool.Get("name").Text()), bindings(tool.Get("inputSchema")))
		}
	}
}

// refused takes what passed in exchanges for which the queue had no room.
func (t *talk) refused(c chunk, p []byte) {
	if bytes := c.lost + uint64(len(p)); bytes > 0 {
		t.counters.queueLost.Add(bytes)
		t.gaps.add(gap{reason: GapQueueFull, bytes: bytes})
	}
}
