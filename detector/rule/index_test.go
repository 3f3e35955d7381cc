package rule

import (
	"fmt"
	"slices"
	"strings"
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
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"my TOKEN"}]}}`), Request: request},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":["my t\u006fken 12345678"]}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","description":"SECRET"},{"name":"b"}]}}`)},
		{
			Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{}}}`), Session: "a",
			Server: event.Server{ID: "a"}, Principal: event.Principal{Subject: "a", Scopes: []string{"a"}}, Measured: event.Measured{Size: 3},
			HTTP: event.HTTP{Method: "POST", Headers: map[string]string{"origin": "a"}},
		},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"error":{"code":0}}`), Server: event.Server{ID: "A"}, Measured: event.Measured{DurationMS: 9}},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":null}}`), Principal: event.Principal{Issuer: "x"}},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"url":"a","requestedSchema":{"properties":{}}}}`)},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"title":"a"}]}}`), Server: event.Server{ID: "a"}},
		{Raw: "a"},
		{Raw: "A"},
		{Raw: "\xff"},
		{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"READ"}}`)},
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
		`definition.name == "a"`, `call.tool in ["read", result.text]`, `call.tool in lists.words`, `event.kind in ["request", "error"]`,
		`result.text.lowerAscii().contains("token")`, `result.text.contains("TOKEN")`, `result.text.matches("(?i)tok[e3]n")`,
		`result.text == "my TOKEN"`, `event.normal.contains("my token")`, `result.text.matches("[0-9]{8}")`, `call.args_text.startsWith("a")`,
		`call.tool.lowerAscii() == "read"`, `call.tool.lowerAscii() in ["Read", "read", "x"]`, `call.tool.lowerAscii() == "READ"`,
		`event.raw.lowerAscii() == "a"`, `event.raw.lowerAscii() in ["\ufffd", "b"]`, `event.raw in ["A", "\ufffd"]`, `result.text.lowerAscii() == "\ufffd"`,
		`call.tool.lowerAscii() == call.tool`, `"read" == call.tool.lowerAscii().lowerAscii()`, `result.text.lowerAscii() in ["my token", ""]`,
		`principal.issuer != "x"`, `size(principal.scopes) == 0`, `"a" in principal.scopes`, `measured.size < 5`, `measured.duration_ms == 0`, `5 > measured.size`,
		`server.id == ""`, `server.id in ["", "a"]`, `server.id.lowerAscii() in ["", "a"]`, `server.id != "b"`, `event.session == "a"`, `event.session in lists.words`,
		`has(server.id)`, `has(principal.subject)`, `has(call.args)`, `has(call.args_text)`, `has(event.raw)`, `has(http.headers.origin)`, `has(definition.title)`, `has(event.kind)`,
		`http.method == ""`, `http.status < 300`, `http.headers["origin"] == "a"`, `definition.title == "a"`, `definition.name != "a"`, `definition.description == ""`,
		`definition.description.contains("")`, `call.args_text == ""`, `call.args_text in ["", "a"]`, `sampling.max_tokens < 9`, `elicitation.message == ""`, `elicitation.url == "a"`,
		`size(elicitation.fields) == 0`, `call.tool in ["", "read"]`, `call.tool.lowerAscii() == ""`, `!call.tool.matches("a")`, `error.code == 0`, `error.message == ""`, `error.message != "x"`, `event.method != "x"`, `event.text == ""`,
		`result.size > 60`, `60 >= result.size`, `definition.text.contains("secret")`, `definition.normal.matches("(ab|secret)")`,
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

// TestTheIndexSkipsOnlyWhatIsNotTrue holds the indexed evaluation of random rule sets against
// the plain one.
func TestTheIndexSkipsOnlyWhatIsNotTrue(t *testing.T) {
	found, skipped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var rules []*Rule
		for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
			rules = append(rules, &Rule{
				ID: fmt.Sprintf("r%d", i), Title: "R", Severity: rapid.SampledFrom([]string{"low", "high"}).Draw(t, "severity"),
				Match: expressions(3).Draw(t, "expression"),
			})
		}
		set, err := Compile(rules, []*List{{Name: "words", Values: []string{"read", "a"}}}, nil)
		if err != nil {
			t.Skip(err) // too deep or too costly an expression
		}
		view := set.NewView()
		for i, e := range shapes() {
			var parser event.Parser
			m, err := parser.Parse(e.Message)
			if err != nil {
				t.Fatal(err)
			}
			view.Reset(&e, &m)
			indexed := collect(set.Match, view)
			view.Reset(&e, &m)
			plain := collect(set.matchAll, view)
			if !slices.Equal(indexed, plain) {
				t.Fatalf("shape %d: the index finds %v, evaluation of all %v", i, indexed, plain)
			}
			found += len(plain)
			skipped += len(rules) - len(plain)
		}
	})
	if found == 0 || skipped == 0 {
		t.Errorf("%d found and %d not: it was not put to the test", found, skipped)
	}
}

// matchAll is Match without the indexes: each condition is evaluated.
func (s *Set) matchAll(v *View, found Found) {
	all := func(d *Definition, indexes ...*index) {
		g := gathered{set: s, found: found, definition: d}
		for _, x := range indexes {
			for _, c := range x.conditions {
				if c.is.isTrue(v) {
					g.add(c)
				}
			}
		}
		g.end()
	}
	all(nil, s.event)
	for _, d := range v.definitions() {
		v.setDefinition(&d)
		all(&d, s.alone, s.definition)
	}
	if v.definition != nil {
		v.setDefinition(nil)
	}
}

func collect(match func(*View, Found), v *View) []string {
	var found []string
	match(v, func(p *Program, steps uint32, d *Definition) {
		name := ""
		if d != nil {
			name = d.name
		}
		found = append(found, fmt.Sprint(p.Rule.ID, steps, name))
	})
	return found
}

// TestNeeds says what is found to be needed.
func TestNeeds(t *testing.T) {
	for text, want := range map[string]string{
		`event.kind == "request" && call.args_text.matches("(?i)(curl|wget) http")`: `call event.kind=[request] call.args_text~[curl http wget http]`,
		`result.text.contains("a") || result.is_error`:                              `result`,
		`result.text.contains("Abc") || result.text.lowerAscii().contains("def")`:   `result result.text~[abc def]`,
		`call.tool == "a" || result.is_error`:                                       ``,
		`call.tool == "a" || call.tool in ["b", "c"]`:                               `call call.tool=[a b c]`,
		`call.tool.lowerAscii() in ["b", "a"]`:                                      `call call.tool~=[a b]`,
		`call.tool == "A" || call.tool.lowerAscii() in ["b"]`:                       `call call.tool~=[a b]`,
		`call.tool.lowerAscii() == "\ufffd"`:                                        `call`,
		`result.text.lowerAscii() == "\ufffd"`:                                      `result`,
		`call.tool in lists.words`:                                                  `call call.tool=[a read]`,
		`!(event.kind == "request")`:                                                ``,
		`elicitation.fields.exists(f, f == "a")`:                                    `elicitation`,
		`!(call.tool == "a")`:                                                       `call`,
		`100 < result.size && result.size <= 200`:                                   `result result.size>100 result.size<=200`,
		`result.text.lowerAscii().matches("[a-z]{40}")`:                             `result`,
		`result.text.matches("[a-z]{40}")`:                                          `result result.text~40`,
		`hosts(result.text).exists(h, internal(h))`:                                 `result`,
	} {
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: text}}, []*List{{Name: "words", Values: []string{"read", "a"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(set.schema, set.Programs[0].steps[0].need); got != want {
			t.Errorf("%s needs %q, want %q", text, got, want)
		}
	}
}

func describe(s *schema, n need) string {
	var all []string
	for p, name := range map[part]string{partCall: "call", partResult: "result", partElicitation: "elicitation"} {
		if n.parts&p != 0 {
			all = append(all, name)
		}
	}
	for _, o := range n.oneOf {
		sign := "="
		if o.folded {
			sign = "~="
		}
		all = append(all, fmt.Sprint(s.fields[o.field].Name, sign, o.values))
	}
	for _, c := range n.numbers {
		all = append(all, fmt.Sprint(s.fields[c.field].Name, strings.Trim(c.operator, "_"), c.constant))
	}
	for _, x := range n.texts {
		if len(x.literals) > 0 {
			all = append(all, fmt.Sprint(s.fields[x.field].Name, "~", x.literals))
		} else {
			all = append(all, fmt.Sprint(s.fields[x.field].Name, "~", x.run.N))
		}
	}
	return strings.Join(all, " ")
}
