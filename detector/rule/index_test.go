package rule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mcpwatch/mcpwatch/detector/intel"
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
		withArguments(`{"path":"/ETC/Passwd","n":5,"deep":{"er":[{"path":"\u002fetc\/\u0070asswd"},7,true,"a\nb"]}}`),
		withArguments(`{"path":"x","path":"\ud83d\ude00 a\u0000b","n":"5","a.b":"/etc/passwd"}`),
		withArguments(`{"path":"�","deep":{"er":"/etc/passwd"}}`),
		withArguments(`["/etc/passwd"]`),
		withArguments(`{"long":"` + strings.Repeat("long ", 11<<10) + `","path":"/etc/passwd","after":"` + strings.Repeat("later ", 9<<10) + `"}`),
		withArguments(`{"path":"` + strings.Repeat("long ", 16<<10) + `/etc/passwd"}`),
	}
}

func withArguments(arguments string) event.Event {
	return event.Event{Message: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":` + arguments + `}}`)}
}

// conditionsOnArguments are what rules ask of single arguments.
func conditionsOnArguments() []string {
	var all []string
	for _, argument := range []string{`call.args.path`, `call.args["path"]`, `call.args.deep.er`, `call.args.deep.er[0].path`, `call.args["a.b"]`, `call.args.n`, `call.args.deep.er[3]`} {
		for _, asks := range []string{
			`%s == "/etc/passwd"`, `"5" == %s`, `%s == 5`, `%s.contains("etc/pass")`, `%s.startsWith("/etc")`, `%s.endsWith("g /etc/passwd")`, `%s in ["a\nb", "\u0000"]`,
			`%s.matches("(?i)^/etc/(passwd|shadow)$")`, `%s.matches("[a-z]{6}")`, `%s.lowerAscii() == "/etc/passwd"`, `%s.lowerAscii().contains("\ufffd")`, `%s.contains("\u0000b")`,
			`%s != "/etc/passwd"`, `"a\nb" in %s`, `%s.contains("long\nlong")`, `%s == lists.words[0]`, `%s in lists.words`, `size(%s) > 3`, `%s < "a"`,
		} {
			all = append(all, fmt.Sprintf(asks, argument))
		}
	}
	return all
}

// expressions generates boolean expressions, at most so deep, over fields that only some
// events have.
func expressions(depth int) *rapid.Generator[string] {
	leaf := rapid.SampledFrom(append(conditionsOnArguments(), []string{
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
		`call.args_text.lowerAscii().contains("a")`, `result.text.lowerAscii().contains("Token")`, `event.text.lowerAscii().contains("a")`,
		`(result.text.lowerAscii().contains("secret") || result.text.lowerAscii().contains("token"))`, `(call.tool == "x" || call.tool == "read")`,
		`(event.raw == "A" || event.raw.lowerAscii() == "b")`, `result.text.lowerAscii().startsWith("my")`, `(result.size > 60 || result.size > 10)`,
		`result.text.containsAny(["xx", "ToKEN", "5678"])`, `result.text.lowerAscii().containsAny(lists.words)`, `event.raw.containsAny(lists.words)`,
		`call.args.path.lowerAscii().contains("a")`, `has(call.args.path)`,
		`call.tool.containsAny(["EA"])`, `event.text.mentions(lists.evil)`, `call.tool in lists.evil`, `call.args_text.mentioned(lists.evil).size() == 1`,
		`principal.issuer != "x"`, `size(principal.scopes) == 0`, `"a" in principal.scopes`, `measured.size < 5`, `measured.duration_ms == 0`, `5 > measured.size`,
		`server.id == ""`, `server.id in ["", "a"]`, `server.id.lowerAscii() in ["", "a"]`, `server.id != "b"`, `event.session == "a"`, `event.session in lists.words`,
		`has(server.id)`, `has(principal.subject)`, `has(call.args)`, `has(call.args_text)`, `has(event.raw)`, `has(http.headers.origin)`, `has(definition.title)`, `has(event.kind)`,
		`http.method == ""`, `http.status < 300`, `http.headers["origin"] == "a"`, `definition.title == "a"`, `definition.name != "a"`, `definition.description == ""`,
		`definition.description.contains("")`, `call.args_text == ""`, `call.args_text in ["", "a"]`, `sampling.max_tokens < 9`, `elicitation.message == ""`, `elicitation.url == "a"`,
		`size(elicitation.fields) == 0`, `call.tool in ["", "read"]`, `call.tool.lowerAscii() == ""`, `!call.tool.matches("a")`, `error.code == 0`, `error.message == ""`, `error.message != "x"`, `event.method != "x"`, `event.text == ""`,
		`result.size > 60`, `60 >= result.size`, `definition.text.contains("secret")`, `definition.normal.matches("(ab|secret)")`,
	}...))
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
	found, skipped := map[Kind]int{}, map[Kind]int{}
	rapid.Check(t, func(t *rapid.T) {
		var rules []*Rule
		for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
			r := anyRule(t)
			r.ID, r.Title, r.Severity = fmt.Sprintf("r%d", i), "R", rapid.SampledFrom([]string{"low", "high"}).Draw(t, "severity")
			rules = append(rules, r)
		}
		set, err := Compile(rules, []*List{{Name: "words", Values: []string{"read", "a"}}, {Name: "evil", Kind: intel.Hashes, Values: []string{"a"}}}, nil)
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
			for _, r := range rules {
				if !slices.ContainsFunc(plain, func(found string) bool { return strings.HasPrefix(found, r.ID+" ") }) {
					skipped[r.Kind()]++
				}
			}
			for _, f := range plain {
				var n int
				if _, err := fmt.Sscanf(f, "r%d", &n); err != nil {
					t.Fatal(err)
				}
				found[rules[n].Kind()]++
			}
		}
	})
	for _, kind := range []Kind{KindMatch, KindCount, KindDistinct, KindSum, KindSequence, KindAbsence, KindFirstSeen} {
		if found[kind] == 0 || skipped[kind] == 0 {
			t.Errorf("of %s rules, %d found and %d not: they were not put to the test", kind, found[kind], skipped[kind])
		}
	}
}

// TestConditionsOnArguments holds each alone, as rules have them, on every shape.
func TestConditionsOnArguments(t *testing.T) {
	found := 0
	for _, when := range conditionsOnArguments() {
		for _, expression := range []string{when, when + ` && call.tool == "read"`} {
			set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: expression}}, []*List{{Name: "words", Values: []string{"read", "a"}}}, nil)
			if err != nil {
				t.Fatal(err)
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
					t.Errorf("%s on shape %d: the index finds %v, evaluation %v", expression, i, indexed, plain)
				}
				found += len(plain)
			}
		}
	}
	if found < 50 {
		t.Errorf("%d found: it was not put to the test", found)
	}
}

// anyRule is a rule of any kind, on events or definitions. Of a sequence and an absence, the second
// condition may speak of the first one's event.
func anyRule(t *rapid.T) *Rule {
	when := expressions(3).Draw(t, "expression")
	actor, later := []string{"actor"}, func() string {
		when := expressions(2).Draw(t, "later")
		return rapid.SampledFrom([]string{
			"(" + when + ") && call.tool == first.call.tool", "first.event.kind == event.kind && (" + when + ")", "first.server.id != server.id || (" + when + ")", when,
		}).Draw(t, "refers")
	}
	switch rapid.SampledFrom([]Kind{KindMatch, KindMatch, KindCount, KindDistinct, KindSum, KindSequence, KindAbsence, KindFirstSeen}).Draw(t, "kind") {
	case KindCount:
		return &Rule{Count: &Count{When: when, By: actor, Within: "1m", AtLeast: 2}}
	case KindDistinct:
		return &Rule{Distinct: &Distinct{When: when, Of: "call.tool", By: actor, Within: "1m", AtLeast: 2}}
	case KindSum:
		return &Rule{Sum: &Sum{When: when, Of: "result.size", By: actor, Within: "1m", AtLeast: 2}}
	case KindSequence:
		return &Rule{Sequence: &Sequence{By: actor, Within: "1m", Steps: []Step{{As: "first", When: when}, {When: later()}, {When: later()}}}}
	case KindAbsence:
		return &Rule{Absence: &Absence{By: actor, Within: "1m", After: Step{As: "first", When: when}, Without: Step{When: later()}}}
	case KindFirstSeen:
		return &Rule{FirstSeen: &FirstSeen{When: when, Of: "call.tool", By: actor, Learn: "1h"}}
	default:
		return &Rule{Match: when}
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
		found = append(found, fmt.Sprintf("%s %b %s", p.Rule.ID, steps, name))
	})
	return found
}

// TestWholeNeeds says which expressions are true wherever what they need is there.
func TestWholeNeeds(t *testing.T) {
	for text, want := range map[string]bool{
		`call.tool == "a"`: true,
		`"a" == call.tool && server.id in ["b", "c"] && result.size > 60`:                           true,
		`call.tool == "a" || call.tool in ["b", "c"]`:                                               true,
		`call.tool == "a" || server.id == "b"`:                                                      false,
		`call.tool == "A" || call.tool.lowerAscii() == "b"`:                                         false,
		`result.size > 60 || result.size > 10`:                                                      false,
		`result.text.lowerAscii().contains("a") || result.text.lowerAscii().contains("b")`:          true,
		`(call.tool == "a" && server.id == "b") || call.tool == "c"`:                                false,
		`result.text.contains("a")`:                                                                 false,
		`result.text.lowerAscii().contains("A")`:                                                    false,
		`result.text.lowerAscii().startsWith("a")`:                                                  false,
		`result.text.lowerAscii().contains("\ufffd")`:                                               false,
		`result.text.lowerAscii() == "a"`:                                                           false,
		`result.text.matches("a")`:                                                                  false,
		`call.tool == "a" && result.is_error`:                                                       false,
		`call.tool == "a" && !(server.id == "b")`:                                                   false,
		`call.tool == "a" && (result.text.lowerAscii().contains("b") || server.id == "c")`:          false,
		`call.tool.lowerAscii() in ["a", "b"] && result.text.lowerAscii().contains("ignore rules")`: true,
	} {
		set, err := Compile([]*Rule{{ID: "r", Title: "R", Severity: "low", Match: text}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Programs[0].steps[0].need.whole; got != want {
			t.Errorf("%s: whole is %t, want %t", text, got, want)
		}
	}
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
		`call.args.path == "/etc/Passwd"`:                                           `call call.args_text~[/etc/passwd]`,
		`call.args.a[2].b.lowerAscii().startsWith("abc")`:                           `call call.args_text~[abc]`,
		`call.args.a == 5 || call.args.path in ["x", ""]`:                           `call`,
		`result.text.containsAny(["Abc", "d"]) || result.text.contains("e")`:        `result result.text~[abc d e]`,
		`call.args.a.containsAny(lists.words)`:                                      `call call.args_text~[a read]`,
		`call.tool.containsAny(lists.words)`:                                        `call`,
		`"abc" in call.args.a`:                                                      `call`,
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
