package rule_test

import (
	"testing"
	"time"

	"github.com/mcpwatch/mcpwatch/detector/rule"
	"github.com/mcpwatch/mcpwatch/event"
)

// everything is an event that has all of its context.
func everything() event.Event {
	return event.Event{
		ID: "e", Tenant: "acme", Actor: "a", Session: "s", Trace: "t", Transport: "http", Direction: event.ToServer,
		Agent:     event.Agent{ID: "i", Name: "n", Version: "1", Host: "h", User: "u"},
		Server:    event.Server{ID: "i", Name: "n", Version: "1", URL: "https://x", Command: "c"},
		Principal: event.Principal{Subject: "s", Issuer: "i", ClientID: "c", Audience: "a", Scopes: []string{"s"}, Token: "t", Issued: time.Unix(1, 0), Expires: time.Unix(2, 0), Chain: []string{"c"}},
		HTTP:      event.HTTP{Status: 200, Method: "POST", ClientIP: "10.0.0.1", Headers: map[string]string{"host": "x"}},
		Measured:  event.Measured{DurationMS: 1, Size: 2},
		Source:    event.Source{Format: "f", Name: "n"},
	}
}

// finds reports whether an expression is true of an event, with the index and without.
func finds(t *testing.T, expression string, e event.Event) bool {
	t.Helper()
	set, err := rule.Compile([]*rule.Rule{{ID: "r", Title: "R", Severity: "low", Match: expression}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var parser event.Parser
	m, err := parser.Parse(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	view := set.NewView()
	view.Reset(&e, &m)
	found := false
	set.Match(view, func(*rule.Program, uint32, *rule.Definition) { found = true })
	return found
}

// TestAFieldIsThereOrAbsent: every field of the context is absent where the event does not have it,
// whatever its type, and has() tells.
func TestAFieldIsThereOrAbsent(t *testing.T) {
	notification := []byte(`{"jsonrpc":"2.0","method":"notifications/progress"}`)
	whole := everything()
	whole.Message = notification
	bare := event.Event{Message: notification}
	context := 0
	for _, f := range rule.Fields() {
		if !finds(t, "has("+f.Name+")", whole) {
			continue // it is of another kind of message, or a time
		}
		if finds(t, "has("+f.Name+")", bare) {
			if f.Carries != "" {
				t.Errorf("%s is in an event without context", f.Name)
			}
			continue
		}
		context++
		if f.Name != "http.headers" && finds(t, f.Name+" == "+f.Name, bare) {
			t.Errorf("%s is absent, and equal to itself", f.Name)
		}
		if !finds(t, "!has("+f.Name+")", bare) || !finds(t, "has("+f.Name+") || true", bare) {
			t.Errorf("has(%s) has no value", f.Name)
		}
	}
	if context < 30 {
		t.Errorf("only %d fields of the context were looked at", context)
	}
}

// TestAnAbsentFieldIsInNoComparison holds what authors meet.
func TestAnAbsentFieldIsInNoComparison(t *testing.T) {
	call := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)}
	full := everything()
	full.Message = []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"path":"p"}}}`)
	nameless := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`)}
	empty := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)}
	elicitation := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"mode":"url"}}`)}
	sampling := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}`)}
	listed := event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}`)}
	for _, test := range []struct {
		expression string
		event      event.Event
		want       bool
	}{
		{`principal.issuer != "x"`, call, false},
		{`principal.issuer != "x"`, full, true},
		{`principal.issuer == ""`, call, false},
		{`size(principal.scopes) == 0`, call, false},
		{`!("admin" in principal.scopes)`, call, false},
		{`!("admin" in principal.scopes)`, full, true},
		{`measured.duration_ms < 5`, call, false},
		{`measured.duration_ms < 5`, full, true},
		{`http.status < 500`, call, false},
		{`!("origin" in http.headers)`, call, false},
		{`!("origin" in http.headers)`, full, true},
		{`!call.args_text.contains("x")`, call, false},
		{`!call.args_text.contains("x")`, full, true},
		{`has(call.args)`, call, false},
		{`has(call.args) && !has(call.args.mode)`, full, true},
		{`!has(call.args.mode)`, call, false}, // has(MAP.MEMBER) asks a map, and there is none
		{`principal.issuer != "x" || call.tool == "x"`, call, true},
		{`!has(principal.issuer) || principal.issuer != "x"`, call, true},
		{`result.text == ""`, empty, true}, // it has a result, without a text
		{`size(event.marks) == 0`, empty, true},
		{`event.method != "tools/call"`, empty, false},                 // an answer without its request
		{`call.tool == "" && !call.tool.matches("x")`, nameless, true}, // a call is always of a tool
		{`call.tool in ["", "x"]`, nameless, true},
		{`elicitation.url != "x"`, elicitation, false},
		{`size(elicitation.fields) == 0`, elicitation, false},
		{`elicitation.mode == "url"`, elicitation, true},
		{`sampling.max_tokens < 5`, sampling, false},
		{`definition.title != "x"`, listed, false},
		{`definition.description == ""`, listed, false},
		{`!has(definition.description) && definition.name == "a"`, listed, true},
		{`!definition.read_only`, listed, true}, // a tool that does not say so says no
	} {
		if got := finds(t, test.expression, test.event); got != test.want {
			t.Errorf("%s is %v of %s", test.expression, got, test.event.Message)
		}
	}
}
