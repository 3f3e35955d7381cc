package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcpwatch/mcpwatch/event"
)

// expand gives the children of a message, after a round through Kafka as the detector has them.
func expand(t *testing.T, parent event.Event) []event.Event {
	t.Helper()
	m := parse(t, string(parent.Message))
	children := event.Expand(&parent, &m)
	ids := map[string]bool{parent.ID: true}
	for i := range children {
		stored, err := event.Decode([]byte(encode(t, &children[i])), event.StoredLimits())
		if err != nil {
			t.Fatalf("child %q is lost: %v", children[i].ID, err)
		}
		if stored.ID != children[i].ID || stored.Parent != parent.ID {
			t.Errorf("child %q of %q, stored as %q of %q", children[i].ID, parent.ID, stored.ID, stored.Parent)
		}
		if ids[stored.ID] {
			t.Errorf("the id %.80q is there twice: the detector would drop the second", stored.ID)
		}
		ids[stored.ID] = true
		children[i] = stored
	}
	return children
}

func TestExpandLiftsWhatTheOldErasSentAlone(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          []string // id and message
	}{
		{
			"a batch of 2025-03-26", `[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":1.0,"s":"\/"}},{"jsonrpc":"2.0","method":"notifications/cancelled"},7]`,
			[]string{`E/0 {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n":1.0,"s":"\/"}}`, `E/1 {"jsonrpc":"2.0","method":"notifications/cancelled"}`, `E/2 7`},
		},
		{
			"input requests of 2026-07-28", `{"jsonrpc":"2.0","id":4,"result":{"resultType":"input_required","requestState":"x","inputRequests":{
				"confirm":{"method":"elicitation/create","params":{"mode":"form","message":"Your password?","requestedSchema":{"type":"object"}}},
				"think":{"method":"sampling/createMessage","params":{"maxTokens":1e2}},
				"where":{"method":"roots/list"}}}}`,
			[]string{
				`E/input/confirm {"jsonrpc":"2.0","id":"confirm","method":"elicitation/create","params":{"mode":"form","message":"Your password?","requestedSchema":{"type":"object"}}}`,
				`E/input/think {"jsonrpc":"2.0","id":"think","method":"sampling/createMessage","params":{"maxTokens":1e2}}`,
				`E/input/where {"jsonrpc":"2.0","id":"where","method":"roots/list"}`,
			},
		},
		{
			"input responses of a retry", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"deploy","requestState":"x","inputResponses":{"confirm":{"action":"accept","content":{"password":"hunter2"}}}}}`,
			[]string{`E/answer/confirm {"jsonrpc":"2.0","id":"confirm","result":{"action":"accept","content":{"password":"hunter2"}}}`},
		},
		{"an ordinary call", `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"x","arguments":{"inputResponses":{"a":1}}}}`, nil},
		{"lists instead of objects", `{"id":6,"result":{"inputRequests":[{"method":"roots/list"}]},"params":{"inputResponses":"x"}}`, nil},
		{"an empty batch", `[]`, nil},
	} {
		var got []string
		for _, child := range expand(t, event.Event{ID: "E", Message: jsontext.Value(c.message)}) {
			got = append(got, child.ID+" "+string(child.Message))
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestChildrenHaveTheContextOfTheParentAndNotItsBody(t *testing.T) {
	parent := decode(t, `{"id":"E","time":"2026-11-22T09:42:11Z","tenant":"t","actor":"agent:a","agent":{"id":"a"},"server":{"id":"s"},
		"session":"s1","direction":"to_client","source":{"instance":"i","sequence":3},"marks":["time_missing"],"request":{"method":"tools/call"},
		"raw":"text","unknown":1,"message":{"id":1,"result":{"inputRequests":{"k":{"method":"roots/list"}}}}}`)
	child := expand(t, parent)[0]
	const want = `{"id":"E/input/k","parent":"E","time":"2026-11-22T09:42:11Z","tenant":"t","actor":"agent:a","agent":{"id":"a"},"server":{"id":"s"},` +
		`"session":"s1","direction":"to_client","source":{"instance":"i","sequence":3},"message":{"jsonrpc":"2.0","id":"k","method":"roots/list"}}`
	if got := encode(t, &child); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestHostileKeysGiveChildrenThatArrive: a server chooses the keys of its input requests.
func TestHostileKeysGiveChildrenThatArrive(t *testing.T) {
	long := strings.Repeat("k", 5000)
	keys := []string{
		``, `a/b`, `a`, `input/a`, `0`, `..`, `a\"b`, `a\\b`, `\u0000`, `\u0001\"`, `\u001b[2J\u0007\u000b`, `\u007f\"`, `\u202e`,
		`\udb40\udc41\"`, `\ud83d\ude00`, long + `1`, long + `2`, `input/` + long,
	}
	for _, parent := range []string{"E", strings.Repeat("i", 1024)} {
		var requests, responses []string
		for i, k := range keys {
			requests = append(requests, fmt.Sprintf(`"%s":{"method":"m%d"}`, k, i))
			responses = append(responses, fmt.Sprintf(`"%s":{"n":%d}`, k, i))
		}
		children := expand(t, event.Event{ID: parent, Message: jsontext.Value(
			`{"id":1,"method":"x","params":{"inputResponses":{` + strings.Join(responses, ",") + `}},"result":{"inputRequests":{` + strings.Join(requests, ",") + `}}}`)})
		if len(children) != 2*len(keys) {
			t.Fatalf("%d children, want %d", len(children), 2*len(keys))
		}
		for i := range keys {
			request, response := parse(t, string(children[i].Message)), parse(t, string(children[len(keys)+i].Message))
			if request.Method != fmt.Sprintf("m%d", i) || request.Kind != event.KindRequest {
				t.Errorf("key %.20q: %s", keys[i], children[i].Message)
			}
			if response.ID != request.ID || response.Kind != event.KindResponse {
				t.Errorf("key %.20q: the answer's id is %.40q, the request's %.40q", keys[i], response.ID, request.ID)
			}
		}
	}
}

// TestOfAKeyThatOccursTwiceTheLastIsLifted as the agent reads it: were the first lifted
// too, the second would fall to deduplication by id.
func TestOfAKeyThatOccursTwiceTheLastIsLifted(t *testing.T) {
	children := expand(t, event.Event{ID: "E", Message: jsontext.Value(
		`{"id":1,"result":{"inputRequests":{"a":{"method":"harmless"},"b":null,"b":null,"\u0061":{"method":"roots/list","method":"sampling/createMessage"}}}}`)})
	var methods []string
	for _, child := range children {
		m := parse(t, string(child.Message))
		methods = append(methods, m.ID+m.Method)
	}
	if got := fmt.Sprint(methods); got != `["b" "a"sampling/createMessage]` {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsMalformedInsideABatchOrRequestStillArrives(t *testing.T) {
	for _, message := range []string{
		`[null,true,"x",[],{},[[{}]],1e400]`,
		`{"id":1,"result":{"inputRequests":{"a":null,"b":5,"c":"x\u0007\"","d":[],"e":{"method":7,"params":"\u0001\""},"f":{"params":{"\u0002\"":1}}}}}`,
		`{"id":1,"params":{"inputResponses":{"a":null,"c":"x\u0007\"","d":{"\u0002\"":"\u0003\""}}}}`,
	} {
		if len(expand(t, event.Event{ID: "E", Message: jsontext.Value(message)})) < 3 {
			t.Errorf("%s: children are missing", message)
		}
	}
}

func TestAtMost64ChildrenAreLifted(t *testing.T) {
	for _, n := range []int{64, 65, 1000} {
		e := event.Event{Message: jsontext.Value("[" + strings.TrimSuffix(strings.Repeat(`{"method":"ping"},`, n), ",") + "]")}
		var p event.Parser
		taken := p.Take(event.Shipment{Event: e, Origin: origin, Received: received, Raw: e.Message})
		if got, want := len(taken), 1+min(n, 64); got != want {
			t.Errorf("a batch of %d gives %d events, want %d", n, got, want)
		}
		if got := taken[0].HasMark("children_dropped"); got != (n > 64) {
			t.Errorf("a batch of %d: marked %t", n, got)
		}
	}
}

func TestTakeKeepsAMessageThatIsNoJSONAsText(t *testing.T) {
	var p event.Parser
	taken := p.Take(event.Shipment{Event: event.Event{ID: "E", Message: jsontext.Value("not json")}, Origin: origin, Received: received})
	if len(taken) != 1 || taken[0].Raw != "not json" || taken[0].Message != nil || !taken[0].HasMark("not_json") {
		t.Errorf("got %+v", taken)
	}
	encode(t, &taken[0])
}
