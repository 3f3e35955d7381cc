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
	c.pairer.Pair(&e, &m)
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

// TestPairerIsAMapThatForgetsItsOldest compares it with one that is obviously right.
func TestPairerIsAMapThatForgetsItsOldest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 5).Draw(t, "most")
		pairer := event.NewPairer(most)
		type open struct{ key, event string }
		var model []open // oldest first
		var evicted uint64
		var parser event.Parser
		find := func(key string) int { return slices.IndexFunc(model, func(o open) bool { return o.key == key }) }
		steps := rapid.IntRange(1, 400).Draw(t, "steps")
		for i := range steps {
			request := rapid.Bool().Draw(t, "request")
			session := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "session")
			id := rapid.SampledFrom([]string{`1`, `"1"`, `2`, `3`, `4`}).Draw(t, "id")
			direction := rapid.SampledFrom([]event.Direction{event.ToServer, event.ToClient}).Draw(t, "direction")
			message := fmt.Sprintf(result, id)
			if request {
				message = fmt.Sprintf(sampling, id)
			}
			e := event.Event{ID: fmt.Sprint(i), Session: session, Direction: direction, Message: jsontext.Value(message)}
			m, err := parser.Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			pairer.Pair(&e, &m)
			if request {
				key := fmt.Sprint(session, direction, id)
				if at := find(key); at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
				if model = append(model, open{key, e.ID}); len(model) > most {
					model = model[1:]
					evicted++
				}
			} else if at := find(fmt.Sprint(session, direction.Opposite(), id)); at >= 0 {
				if e.Request == nil || e.Request.Event != model[at].event {
					t.Fatalf("step %d: paired with %v, want %s", i, e.Request, model[at].event)
				}
				model = slices.Delete(model, at, at+1)
			} else if at := find(fmt.Sprint(session, direction.Opposite(), strings.Trim(id, `"`))); at >= 0 {
				if e.Request == nil || e.Request.Event != model[at].event {
					t.Fatalf("step %d: paired with %v, want %s", i, e.Request, model[at].event)
				}
			} else if e.Request != nil {
				t.Fatalf("step %d: paired with %s, which is not open", i, e.Request.Event)
			}
			if pairer.Evicted() != evicted {
				t.Fatalf("step %d: %d evicted, want %d", i, pairer.Evicted(), evicted)
			}
		}
	})
}
