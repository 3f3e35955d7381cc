package rule

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/event"
)

// shapes are events that have each of the parts, and none.
func shapes() []event.Event {
	request := &event.Request{Event: "r", Method: "tools/call", Name: "read", Arguments: []byte(`{"path":"a"}`)}
	return []event.Event{
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"path":"a"}}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}`), HTTP: event.HTTP{Status: 200}},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"a"}]}}`), Request: request},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"isError":true}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"a"}}`), Request: request},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"a"}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"maxTokens":5}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"a"}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","method":"notifications/message"}`)},
		{Message: []byte(`[]`)},
		{Raw: "a"},
	}
}

// expressions generates boolean expressions, at most so deep, over fields that only some
// events have.
func expressions(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom([]string{
		`event.kind == "request"`, `"response" == event.kind`, `event.kind != "error"`, `event.method == "tools/call"`,
		`call.tool == "read"`, `call.args.path == "a"`, `has(call.args.path)`, `call.args_text.contains("a")`, `call.args.exists(k, k == "path")`,
		`result.text == ""`, `result.is_error`, `result.size > 0`, `error.code == 5`, `error.code < 5`, `resource.uri == "a"`, `prompt.name == "a"`,
		`sampling.max_tokens == 5`, `elicitation.message == "a"`, `elicitation.fields.all(f, f == "x")`, `http.status == 200`,
		`[call.tool, "x"].exists(t, t == "read")`, `(event.raw == "a" ? call.tool == "read" : true)`, `event.raw == "a"`, `true`, `false`,
		`definition.name == "a"`, `call.tool in ["read", result.text]`,
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
			return leaf.Draw(t, "expression")
		}
		switch rapid.IntRange(0, 3).Draw(t, "operator") {
		case 0:
			return fmt.Sprintf("!(%s)", expressions(depth-1).Draw(t, "not"))
		case 1:
			return fmt.Sprintf("((%s) == (%s))", expressions(depth-1).Draw(t, "left"), expressions(depth-1).Draw(t, "right"))
		case 2:
			return fmt.Sprintf("((%s) || (%s))", expressions(depth-1).Draw(t, "left"), expressions(depth-1).Draw(t, "right"))
		default:
			return fmt.Sprintf("((%s) && (%s))", expressions(depth-1).Draw(t, "left"), expressions(depth-1).Draw(t, "right"))
		}
	})
}

// TestAGuardOnlyRulesOutWhatIsNotTrue holds the guarded engine against the plain one.
func TestAGuardOnlyRulesOutWhatIsNotTrue(t *testing.T) {
	admitted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := expressions(4).Draw(t, "expression")
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Match: text}}, nil)
		if err != nil {
			t.Skip(err) // too deep or too costly an expression
		}
		p := set.Programs[0]
		view := set.NewView()
		for i, e := range shapes() {
			var parser event.Parser
			m, err := parser.Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			view.Reset(&e, m)
			admits := p.guard.admits(view)
			if p.isTrue(view) && !admits {
				t.Fatalf("%s is true of shape %d, and its guard %+v rules it out", text, i, p.guard)
			}
			if admits {
				admitted++
			} else {
				refused++
			}
		}
	})
	if admitted == 0 || refused == 0 {
		t.Errorf("the guards admitted %d and refused %d: they were not put to the test", admitted, refused)
	}
}

func TestGuards(t *testing.T) {
	for text, want := range map[string]guard{
		`event.kind == "request" && call.args_normal.matches("x")`:                 {partCall, event.KindRequest},
		`result.text.contains("a") || result.is_error`:                             {partResult, ""},
		`call.tool == "a" || result.is_error`:                                      {0, ""},
		`(event.kind == "request" || event.kind == "response") && call.tool != ""`: {partCall, ""},
		`!(event.kind == "request")`:                                               {0, ""},
		`elicitation.fields.exists(f, f == "a")`:                                   {partElicitation, ""},
		`!(call.tool == "a")`:                                                      {partCall, ""},
		`definition.text.contains("a") && result.size > 1`:                         {partDefinition | partResult, ""},
		`hosts(result.text).exists(h, internal(h))`:                                {partResult, ""},
	} {
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Match: text}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Programs[0].guard; got != want {
			t.Errorf("%s: guard %+v, want %+v", text, got, want)
		}
	}
}
