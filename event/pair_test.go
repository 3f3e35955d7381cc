package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

const (
	call     = `{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/etc/hosts"}}}`
	result   = `{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}`
	failed   = `{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"no"}}`
	sampling = `{"jsonrpc":"2.0","id":%s,"method":"sampling/createMessage","params":{"name":"no tool","arguments":{}}}`
)

// conversation pairs events as they pass; each is made of a session, a direction and a message.
type conversation struct {
	t      *testing.T
	pairer *event.Pairer
	parser event.Parser
	n      int
}

func converse(t *testing.T) *conversation {
	t.Helper()
	return &conversation{t: t, pairer: event.NewPairer(100)}
}

func (c *conversation) pass(e event.Event) event.Event {
	c.t.Helper()
	c.n++
	e.ID = fmt.Sprint("e", c.n)
	m, err := c.parser.Parse(e.Message)
	if err != nil {
		c.t.Fatal(err)
	}
	c.pairer.Pair(int64(c.n), &e, &m)
	return e
}

func (c *conversation) say(d event.Direction, format, id string) event.Event {
	c.t.Helper()
	return c.pass(event.Event{Tenant: "t", Session: "s", Direction: d, Message: jsontext.Value(fmt.Sprintf(format, id))})
}

func answered(e event.Event) string {
	if e.Request == nil {
		return strings.Join(e.Marks, ",")
	}
	return fmt.Sprintf("%s %s %s %s", e.Request.Event, e.Request.Method, e.Request.Name, string(e.Request.Arguments))
}

func expect(t *testing.T, e event.Event, want string) {
	t.Helper()
	if got := answered(e); got != want {
		t.Errorf("%s: paired with %q, want %q", e.Message, got, want)
	}
}

func TestAnAnswerIsPairedWithItsRequestInBothDirections(t *testing.T) {
	c := converse(t)
	c.say(event.ToServer, call, "1")
	c.say(event.ToClient, sampling, "1") // the server's own request with the same id
	expect(t, c.say(event.ToServer, result, "1"), "e2 sampling/createMessage  ")
	expect(t, c.say(event.ToClient, failed, "1"), `e1 tools/call read_file {"path":"/etc/hosts"}`)
}

func TestIDsPairByTypeAndValue(t *testing.T) {
	c := converse(t)
	c.say(event.ToServer, call, `3`)
	c.say(event.ToServer, call, `"3"`)
	expect(t, c.say(event.ToClient, result, `"\u0033"`), `e2 tools/call read_file {"path":"/etc/hosts"}`)
	expect(t, c.say(event.ToClient, result, `3.0`), `e1 tools/call read_file {"path":"/etc/hosts"}`)
	expect(t, c.say(event.ToClient, result, `null`), "")
}

// TestATextIDAnswersANumberAsItDoesForTypeScriptClients, and takes nothing from the
// answer that other clients wait for.
func TestATextIDAnswersANumberAsItDoesForTypeScriptClients(t *testing.T) {
	const paired = `e1 tools/call read_file {"path":"/etc/hosts"}`
	for _, id := range []string{`"3"`, `" 3\n"`, `"3.0"`, `"+3"`, `"03"`, `"0x3"`, `"\u0033e0"`} {
		c := converse(t)
		c.say(event.ToServer, call, `3`)
		e := c.say(event.ToClient, result, id)
		expect(t, e, paired)
		if !e.HasMark("answered_by_text_id") {
			t.Errorf("%s: marks %q", id, e.Marks)
		}
		e = c.say(event.ToClient, result, `3`)
		expect(t, e, paired)
		if len(e.Marks) != 0 {
			t.Errorf("the answer proper has the marks %q", e.Marks)
		}
	}
	c := converse(t)
	c.say(event.ToServer, call, `0`)
	expect(t, c.say(event.ToClient, result, `""`), paired)
	for _, id := range []string{`"3x"`, `"nan"`, `"three"`, `"4"`, `4`} {
		c := converse(t)
		c.say(event.ToServer, call, `3`)
		expect(t, c.say(event.ToClient, result, id), "unpaired:no_request")
	}
	c = converse(t)
	c.say(event.ToServer, call, `"3"`)
	expect(t, c.say(event.ToClient, result, `3`), "unpaired:no_request")
}

func TestAnIDMayBeUsedAgainAfterItsAnswer(t *testing.T) {
	c := converse(t)
	c.say(event.ToServer, call, "1")
	c.say(event.ToClient, result, "1")
	expect(t, c.say(event.ToClient, result, "1"), "unpaired:no_request")
	c.say(event.ToServer, sampling, "1")
	expect(t, c.say(event.ToClient, result, "1"), "e4 sampling/createMessage  ")
	c.say(event.ToServer, call, "2")
	c.say(event.ToServer, sampling, "2") // used again before its answer: the newer one counts
	expect(t, c.say(event.ToClient, result, "2"), "e7 sampling/createMessage  ")
	expect(t, c.say(event.ToClient, result, "2"), "unpaired:no_request")
}

func TestTenantsSourcesAndConnectionsDoNotMix(t *testing.T) {
	base := event.Event{Tenant: "t", Session: "s", Direction: event.ToServer, Message: jsontext.Value(fmt.Sprintf(call, "1"))}
	for name, other := range map[string]event.Event{
		"tenant":              {Tenant: "u", Session: "s"},
		"source":              {Tenant: "t", Session: "s", Source: event.Source{Name: "n"}},
		"session":             {Tenant: "t", Session: "s2"},
		"instance":            {Tenant: "t", Session: "s", Source: event.Source{Instance: "s"}},
		"instance:s, session": {Tenant: "t", Session: "instance:s"},
	} {
		c := converse(t)
		c.pass(base)
		other.Direction, other.Message = event.ToClient, jsontext.Value(fmt.Sprintf(result, "1"))
		if e := c.pass(other); e.Request != nil || !e.HasMark("unpaired:no_request") {
			t.Errorf("another %s: %s", name, answered(e))
		}
	}
}

func TestOneConnectionPairsThoughItsSessionIsLearnedLate(t *testing.T) {
	c := converse(t)
	tap := event.Source{Instance: "i"}
	c.pass(event.Event{Source: tap, Direction: event.ToServer, Message: jsontext.Value(fmt.Sprintf(call, "1"))})
	e := c.pass(event.Event{Source: tap, Session: "s", Direction: event.ToClient, Message: jsontext.Value(fmt.Sprintf(result, "1"))})
	expect(t, e, `e1 tools/call read_file {"path":"/etc/hosts"}`)
}

func TestWithoutSessionOrConnectionTheEventSaysSo(t *testing.T) {
	c := converse(t)
	c.pass(event.Event{Direction: event.ToServer, Message: jsontext.Value(fmt.Sprintf(call, "1"))})
	e := c.pass(event.Event{Direction: event.ToClient, Message: jsontext.Value(fmt.Sprintf(result, "1"))})
	expect(t, e, "unpaired:no_session")
}

func TestWhatItsSourcePairedStaysAsItIs(t *testing.T) {
	c := converse(t)
	c.say(event.ToServer, call, "1")
	paired := event.Request{Event: "other", Method: "tools/list"}
	e := c.pass(event.Event{Tenant: "t", Session: "s", Direction: event.ToClient, Request: &paired, Message: jsontext.Value(fmt.Sprintf(result, "1"))})
	expect(t, e, "other tools/list  ")
	expect(t, c.say(event.ToClient, result, "1"), `e1 tools/call read_file {"path":"/etc/hosts"}`)
}

func TestArgumentsAreRememberedAsSentAndWithinTheirBound(t *testing.T) {
	big := `{"x":"` + strings.Repeat("y", 64<<10) + `"}`
	for _, c := range []struct{ params, arguments, mark string }{
		{`{"name":"n","arguments":{"b":1.0,"a":"\/\u0001\"","a":2}}`, `{"b":1.0,"a":"\/\u0001\"","a":2}`, ""},
		{`{"name":"n"}`, `{}`, ""},
		{`{"name":"n","arguments":{}}`, `{}`, ""},
		{`{"name":"n","arguments":` + big + `}`, "", "request_arguments_dropped"},
		{`{"name":"n","arguments":[1]}`, "", "request_arguments_dropped"},
	} {
		talk := converse(t)
		talk.say(event.ToServer, `{"id":%s,"method":"tools/call","params":`+c.params+`}`, "1")
		e := talk.say(event.ToClient, result, "1")
		stored := decode(t, encode(t, &e))
		if stored.Request == nil || string(stored.Request.Arguments) != c.arguments || strings.Join(stored.Marks, ",") != c.mark {
			t.Errorf("%.80s: %q, marks %q", c.params, answered(stored), stored.Marks)
		}
	}
}

// TestInputRequestsPairWithTheirResponses is the new era's sampling and elicitation.
func TestInputRequestsPairWithTheirResponses(t *testing.T) {
	c := converse(t)
	take := func(d event.Direction, message string) event.Event {
		e := c.pass(event.Event{Source: event.Source{Instance: "i"}, Direction: d, Message: jsontext.Value(message)})
		m := parse(t, message)
		return c.pass(event.Expand(&e, &m)[0])
	}
	take(event.ToClient, `{"id":7,"result":{"inputRequests":{"ask":{"method":"elicitation/create","params":{"message":"?"}}}}}`)
	answer := take(event.ToServer, `{"id":8,"method":"tools/call","params":{"name":"x","inputResponses":{"ask":{"action":"accept"}}}}`)
	expect(t, answer, "e2 elicitation/create  ")
}

// TestPairerIsAMapThatForgetsByDistance compares it with one that is obviously right, and with
// one that began a window before.
func TestPairerIsAMapThatForgetsByDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Int64Range(1, 5).Draw(t, "window")
		pairer := event.NewPairer(window)
		type open struct {
			position   int64
			key, event string
		}
		var model []open // oldest first
		var passed []event.Event
		var positions []int64
		var evicted uint64
		var position int64
		var parser event.Parser
		find := func(key string) int { return slices.IndexFunc(model, func(o open) bool { return o.key == key }) }
		for i := range rapid.IntRange(1, 400).Draw(t, "steps") {
			position += rapid.Int64Range(1, 3).Draw(t, "distance")
			request := rapid.Bool().Draw(t, "request")
			session := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "session")
			id := rapid.SampledFrom([]string{`1`, `"1"`, `2`, `3`, `4`}).Draw(t, "id")
			direction := rapid.SampledFrom([]event.Direction{event.ToServer, event.ToClient}).Draw(t, "direction")
			message := fmt.Sprintf(result, id)
			if request {
				message = fmt.Sprintf(sampling, id)
			}
			e := event.Event{ID: fmt.Sprint(i), Session: session, Direction: direction, Message: jsontext.Value(message)}
			passed, positions = append(passed, e), append(positions, position)
			m, err := parser.Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			pairer.Pair(position, &e, &m)
			for len(model) > 0 && position-model[0].position > window {
				model = model[1:]
				evicted++
			}
			want := ""
			if request {
				key := fmt.Sprint(session, direction, id)
				if at := find(key); at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
				model = append(model, open{position, key, e.ID})
			} else if at := find(fmt.Sprint(session, direction.Opposite(), id)); at >= 0 {
				want = model[at].event
				model = slices.Delete(model, at, at+1)
			} else if at := find(fmt.Sprint(session, direction.Opposite(), strings.Trim(id, `"`))); at >= 0 {
				want = model[at].event
			}
			if got := requestOf(e); got != want {
				t.Fatalf("step %d: paired with %q, want %q", i, got, want)
			}
			if pairer.Evicted() != evicted {
				t.Fatalf("step %d: %d evicted, want %d", i, pairer.Evicted(), evicted)
			}
			if restarted := pairOfLast(t, window, positions, passed); restarted != want {
				t.Fatalf("step %d: begun a window before it is paired with %q, want %q", i, restarted, want)
			}
		}
	})
}

func requestOf(e event.Event) string {
	if e.Request == nil {
		return ""
	}
	return e.Request.Event
}

// pairOfLast is what the last event is paired with by a pairer that begins a window before it.
func pairOfLast(t *rapid.T, window int64, positions []int64, events []event.Event) string {
	pairer := event.NewPairer(window)
	var parser event.Parser
	last := len(events) - 1
	for i, e := range events {
		if positions[last]-positions[i] > window {
			continue
		}
		m, err := parser.Parse(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		if pairer.Pair(positions[i], &e, &m); i == last {
			return requestOf(e)
		}
	}
	return ""
}

// TestHeldArgumentsAreBounded holds that old arguments make room, and that which ones do
// hangs on later requests alone, not on where the pairer began or what was answered.
func TestHeldArgumentsAreBounded(t *testing.T) {
	const n = 1500 // of about 64 KiB: more than is held
	ask := `{"id":%d,"method":"tools/call","params":{"name":"n","arguments":{"x":"` + strings.Repeat("y", 65000) + `"}}}`
	kept := func(begin int, answerAll bool) (first int) {
		pairer := event.NewPairer(2 * n)
		pass := func(position int, d event.Direction, message string) event.Event {
			e := event.Event{ID: "e", Session: "s", Direction: d, Message: jsontext.Value(message)}
			m := parse(t, message)
			pairer.Pair(int64(position), &e, &m)
			return e
		}
		for i := begin; i < n; i++ {
			pass(i, event.ToServer, fmt.Sprintf(ask, i))
			if answerAll && i < 100 {
				pass(i, event.ToClient, fmt.Sprintf(result, fmt.Sprint(i)))
			}
		}
		first = -1
		for i := max(begin, 100); i < n; i++ {
			e := pass(n, event.ToClient, fmt.Sprintf(result, fmt.Sprint(i)))
			if e.Request == nil {
				t.Fatalf("request %d is not known", i)
			}
			if dropped := e.HasMark("request_arguments_dropped"); dropped != (e.Request.Arguments == nil) {
				t.Fatalf("request %d: marks %q", i, e.Marks)
			} else if !dropped && first < 0 {
				first = i
			}
		}
		return first
	}
	whole := kept(0, false)
	if bytes := (n - whole) * 65008; bytes > 65<<20 || bytes < 63<<20 {
		t.Errorf("%d bytes of arguments are held", bytes)
	}
	if got := kept(200, false); got != whole {
		t.Errorf("begun later, the first request with arguments is %d, want %d", got, whole)
	}
	if got := kept(0, true); got != whole {
		t.Errorf("with answers, the first request with arguments is %d, want %d", got, whole)
	}
}

func TestLongIDsPairToo(t *testing.T) {
	c := converse(t)
	long := strings.Repeat("9", 1<<20)
	c.say(event.ToServer, call, `"`+long+`"`)
	expect(t, c.say(event.ToClient, result, `"`+long+`9"`), "unpaired:no_request")
	expect(t, c.say(event.ToClient, result, `"`+long+`"`), `e1 tools/call read_file {"path":"/etc/hosts"}`)
	c.say(event.ToServer, call, `7`)
	expect(t, c.say(event.ToClient, result, `"`+strings.Repeat("0", 100)+`7"`), `e4 tools/call read_file {"path":"/etc/hosts"}`)
}

// A tap before an HTTP server is one instance with many clients, each with a request 1 of its own.
func TestManyClientsOfOneInstancePairBySession(t *testing.T) {
	p := event.NewPairer(10)
	say := func(session string, way event.Direction, message string) event.Event {
		e := event.Event{ID: session, Session: session, Transport: "http", Direction: way, Source: event.Source{Instance: "T1"}}
		e.Message = jsontext.Value(message)
		var parser event.Parser
		m, err := parser.Parse(e.Message)
		if err != nil {
			t.Fatal(err)
		}
		p.Pair(1, &e, &m)
		if e.Request != nil {
			e.Request = new(*e.Request)
		}
		return e
	}
	for _, session := range []string{"a", "b", ""} {
		say(session, event.ToServer, `{"jsonrpc":"2.0","id":1,"method":"m"}`)
	}
	for _, session := range []string{"b", "a"} {
		if e := say(session, event.ToClient, `{"jsonrpc":"2.0","id":1,"result":{}}`); e.Request == nil || e.Request.Event != session {
			t.Errorf("session %s answers %+v", session, e.Request)
		}
	}
	if e := say("", event.ToClient, `{"jsonrpc":"2.0","id":1,"result":{}}`); e.Request != nil || !e.HasMark("unpaired:no_session") {
		t.Errorf("without a session: %+v, marks %v", e.Request, e.Marks)
	}
}
